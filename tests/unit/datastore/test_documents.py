"""Text to documents: YAML with JSON's types, and what a hostile or broken file may not do."""

import subprocess
import sys
from typing import Any

import pytest

from felixpy.datastore.documents import MAX_BYTES, dump_yaml, load_document, load_documents
from felixpy.model.errors import InvalidResource

TYPES: list[tuple[str, Any]] = [
    ("65000:10", "65000:10"),  # YAML 1.1: 3900010, base 60
    ("'1.10'", "1.10"),
    ("1.10", 1.1),
    ("010", "010"),  # YAML 1.1: 8
    ("0x10", "0x10"),
    ("0o7", "0o7"),
    ("1_000", "1_000"),
    ("2026-11-20", "2026-11-20"),
    ("12:30:45", "12:30:45"),
    ("no", "no"),
    ("off", "off"),
    ("y", "y"),
    ("true", True),
    ("False", False),
    ("null", None),
    ("~", None),
    ("", None),
    ("-7", -7),
    ("1e3", 1000.0),
    (".inf", ".inf"),
    (".nan", ".nan"),
    ("<<", "<<"),
    ("=", "="),
]
BROKEN = {
    "cut in a list": (b"a: 1\nb: [1,\n", "line 3: is not YAML"),
    "a tab for indentation": (b"a:\n\tb: 1\n", "line 2: is not YAML"),
    "binary": (b"a: 1\n\xff\xfe\x00", "line 2: is not UTF-8 text"),
    "a zero byte": (b"a: 1\nb: \x00\n", "line 2: is not text"),
    "a key twice": (b"a: 1\na: 2\n", "line 2: is not YAML: the key a is there twice"),
    "a list as key": (b"? [a]\n: b\n", "a key must be text"),
    "a boolean as key": (b"true: b\n", "a key must be text"),
    "a Python object": (b"!!python/object/apply:os.system [ls]\n", "line 1: is not YAML"),
    "an explicit tag": (b"a: !!int 0o7\n", "is not YAML"),
    "a date by tag": (b"a: !!timestamp 2026-11-20\n", "line 1: is not YAML"),
    "an unknown alias": (b"a: *b\n", "line 1: is not YAML"),
    "a list in itself": (b"a: &a [*a]\n", "aliases"),
    "an endless number": (b"a: " + b"9" * 5000, "is not YAML"),
    "deep flow": (b"[" * 100_000, "nested more than 100"),
    "deep blocks": (b"- " * 60_000, "nested more than 100"),
    "deep braces": (b"{a: " * 60_000, "nested more than 100"),
    "too much": (b" " * (MAX_BYTES + 1), "larger than 4 MiB"),
    "truncated JSON": (b'{"a": 1, "b": [', "is not YAML"),
}
LAUGHS = b"a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (i, i, b", ".join([b"*a%d" % (i - 1)] * 9)) for i in range(1, 9)
)


@pytest.mark.parametrize(("text", "value"), TYPES)
def test_values_have_json_types_only(text: str, value: Any) -> None:
    assert load_document(f"key: {text}\n".encode(), "f") == {"key": value}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_gives_one_error_with_file_and_line(name: str) -> None:
    data, reason = BROKEN[name]
    with pytest.raises(InvalidResource) as caught:
        load_documents(data, "pools.yaml")
    assert caught.value.where == "pools.yaml"
    assert reason in caught.value.reason
    assert "\n" not in str(caught.value)


def test_a_billion_laughs_are_not_expanded() -> None:
    with pytest.raises(InvalidResource, match="grow without bound"):
        load_documents(LAUGHS, "f")


def test_an_honest_alias_is_fine() -> None:
    assert load_document(b"a: &x [1, 2]\nb: *x\n", "f") == {"a": [1, 2], "b": [1, 2]}


def test_the_c_library_alone_would_die_of_deep_nesting() -> None:
    """The negative control: without our bound the process ends."""
    program = "import yaml; yaml.load('['*1000000 + ']'*1000000, yaml.CSafeLoader)"
    assert subprocess.run([sys.executable, "-c", program], check=False, capture_output=True).returncode < 0


def test_several_documents_and_empty_ones() -> None:
    assert load_documents(b"a: 1\n---\n---\nb: 2\n...\n", "f") == [{"a": 1}, {"b": 2}]
    assert load_documents(b"", "f") == []


def test_one_document_is_asked_for() -> None:
    with pytest.raises(InvalidResource, match="is empty"):
        load_document(b"# nothing\n", "f")
    with pytest.raises(InvalidResource, match="2 documents"):
        load_document(b"a: 1\n---\nb: 1\n", "f")


def test_json_and_flow_yaml_and_a_byte_order_mark() -> None:
    assert load_document(b'{"a": [null, 1]}', "f") == {"a": [None, 1]}
    assert load_document(b"{a: [b]}", "f") == {"a": ["b"]}
    assert load_document(b"\xef\xbb\xbfa: 1", "f") == {"a": 1}


def test_a_number_as_key_becomes_text() -> None:
    assert load_document(b"0: a\n", "f") == {"0": "a"}


@pytest.mark.parametrize("text", [text for text, value in TYPES if isinstance(value, str)])
def test_text_that_looks_like_something_else_comes_back_as_text(text: str) -> None:
    text = text.strip("'")
    assert load_document(dump_yaml({"key": text}).encode(), "f") == {"key": text}
