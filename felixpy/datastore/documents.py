"""Text to documents and back: YAML with JSON's types only, the one loader of the project.

PyYAML speaks YAML 1.1, where `65000:10` is the number 3900010, `no` is false, `010` is eight and `2026-11-20` is a
date; kubectl reads text there, and so do we. What a hostile or broken file may do is bounded: size, nesting (the C
composer recurses on the machine stack and ends the process at some 50 000 levels) and the growth through aliases.
"""

import re
from collections.abc import Hashable, Iterator
from functools import cache
from typing import Any, ClassVar

import msgspec

from felixpy.model.errors import InvalidResource

MAX_BYTES = 4 << 20  # one object; etcd refuses 1.5 MiB
MAX_NODES = 200_000  # after expanding aliases
MAX_DEPTH = 100
SHALLOW = 1000  # a text whose brackets plus longest line are fewer cannot nest dangerously

NULL = re.compile(r"^(?:~|null|Null|NULL|)$")
BOOL = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")
INT = re.compile(r"^-?(?:0|[1-9][0-9]*)$")
FLOAT = re.compile(r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$")
TYPES = (
    ("tag:yaml.org,2002:null", NULL, ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", BOOL, list("tTfF")),
    ("tag:yaml.org,2002:int", INT, list("-0123456789")),
    ("tag:yaml.org,2002:float", FLOAT, list("-0123456789")),
)


def load_documents(data: bytes, where: str) -> list[Any]:
    """Every document in `data` (JSON or YAML), empty ones left out.

    InvalidResource names the file and the line of what cannot be read.
    """
    if len(data) > MAX_BYTES:
        raise InvalidResource(where, "", f"is larger than {MAX_BYTES >> 20} MiB: no resource is")
    if data.lstrip()[:1] == b"{":
        try:
            return [msgspec.json.decode(data)]
        except (ValueError, RecursionError):
            pass  # perhaps YAML in flow style; its message has the line
    return [document for document in _from_yaml(_text(data, where), where) if document is not None]


def load_document(data: bytes, where: str) -> Any:
    """The one document in `data`; InvalidResource when there is none or more than one."""
    documents = load_documents(data, where)
    if len(documents) != 1:
        what = "is empty" if not documents else f"holds {len(documents)} documents, and may hold only one"
        raise InvalidResource(where, "", what)
    return documents[0]


def dump_yaml(document: Any) -> str:
    """Block YAML, keys in their order, ASCII only; any text that some YAML reader takes for a number is quoted."""
    import yaml

    dumped: str = yaml.dump(document, Dumper=_dumper(), sort_keys=False, default_flow_style=False, width=1000)
    return dumped


def _text(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidResource(where, "", f"line {line}: is not UTF-8 text (byte {data[error.start]:#04x})") from None


def _from_yaml(text: str, where: str) -> list[Any]:
    import yaml

    try:
        if text.count("[") + text.count("{") + max(map(len, text.split("\n"))) > SHALLOW:
            _bound_depth(text, where)
        documents = list(yaml.load_all(text, Loader=_loader()))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise InvalidResource(where, "", f"{line}is not YAML: {error.problem or error.context}") from None
    except yaml.reader.ReaderError as error:
        line = f"line {text.count(chr(10), 0, error.position) + 1}: "
        raise InvalidResource(where, "", f"{line}is not text: {error.reason}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidResource(where, "", f"is not YAML: {str(error)[:128]}") from None
    if "&" in text:
        _bound_growth(documents, where)
    return documents


def _bound_depth(text: str, where: str) -> None:
    import yaml

    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            line = event.start_mark.line + 1 if event.start_mark else 0
            raise InvalidResource(where, "", f"line {line}: is nested more than {MAX_DEPTH} levels deep")


def _bound_growth(documents: list[Any], where: str) -> None:
    """Aliases share one object in memory, but whoever walks or writes it sees every copy."""
    nodes = 0
    stack: list[Iterator[Any]] = [iter(documents)]
    while stack:
        for child in stack[-1]:
            nodes += 1
            if isinstance(child, dict | list):
                stack.append(iter(child.values() if isinstance(child, dict) else child))
                break
        else:
            stack.pop()
        if nodes > MAX_NODES or len(stack) > MAX_DEPTH:
            raise InvalidResource(where, "", "its aliases (&, *) grow without bound: write the values out")


@cache
def _loader() -> Any:
    import yaml

    class JsonTypes(yaml.CSafeLoader):
        """The C parser with JSON's types."""

        yaml_implicit_resolvers = {}  # noqa: RUF012 - how PyYAML holds them; typed by its stubs
        yaml_constructors: ClassVar[dict[str | None, Any]] = {}

    for tag, pattern, first in TYPES:
        JsonTypes.add_implicit_resolver(tag, pattern, first)
    construct: Any = yaml.constructor.SafeConstructor
    for name in ("null", "bool", "str", "seq"):
        JsonTypes.add_constructor(f"tag:yaml.org,2002:{name}", getattr(construct, f"construct_yaml_{name}"))
    JsonTypes.add_constructor("tag:yaml.org,2002:int", lambda _, node: int(node.value))
    JsonTypes.add_constructor("tag:yaml.org,2002:float", lambda _, node: float(node.value))
    JsonTypes.add_constructor("tag:yaml.org,2002:map", _mapping)
    JsonTypes.add_constructor(None, construct.construct_undefined)
    return JsonTypes


def _mapping(loader: Any, node: Any) -> Iterator[dict[str, Any]]:
    """A mapping with text keys, each once. Yielded before it is filled, so that an alias may point into itself."""
    import yaml

    document: dict[str, Any] = {}
    yield document
    for key_node, value_node in node.value:
        key: Hashable = loader.construct_object(key_node, deep=True)
        if isinstance(key, bool) or not isinstance(key, str | int):
            raise yaml.constructor.ConstructorError(None, None, f"a key must be text, not {key}", key_node.start_mark)
        if str(key) in document:
            raise yaml.constructor.ConstructorError(None, None, f"the key {key} is there twice", key_node.start_mark)
        document[str(key)] = loader.construct_object(value_node)


@cache
def _dumper() -> Any:
    import yaml

    class Quoting(yaml.CSafeDumper):
        """Quotes text that YAML 1.1 or JSON's types would read as something else, such as `1e3`."""

        def ignore_aliases(self, data: Any) -> bool:
            """Write every value out: anchors are hard to read and to edit."""
            return True

    for tag, pattern, first in TYPES:
        Quoting.add_implicit_resolver(tag, pattern, first)
    return Quoting
