"""What commands print: tables, JSON, YAML, and text from outside in them."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network

import pytest
import yaml

from felixpy.model.addresses import Prefix
from felixpy.show.output import Column, aligned, as_json, as_yaml, clean, emit, escaped, text


@dataclass(frozen=True)
class Thing:
    name: str
    prefix: Prefix
    note: str | None = None


THINGS = [Thing("a", ip_network("10.0.0.0/8")), Thing("bb", ip_network("fd00::/8"), "65000:10")]
COLUMNS: Sequence[Column[Thing]] = (
    Column("NAME", lambda t: t.name),
    Column("NOTE", lambda t: t.note, wide=True),
    Column("PREFIX", lambda t: t.prefix),
)


def printed(output: str, capsys: pytest.CaptureFixture[str]) -> str:
    emit({"things": THINGS}, COLUMNS, THINGS, output)
    return capsys.readouterr().out


def test_a_pipe_gets_aligned_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed("table", capsys) == "NAME   PREFIX\na      10.0.0.0/8\nbb     fd00::/8\n"


def test_wide_shows_more_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed("wide", capsys).splitlines()[1:] == ["a      -          10.0.0.0/8", "bb     65000:10   fd00::/8"]


def test_json_and_yaml_hold_the_whole_document(capsys: pytest.CaptureFixture[str]) -> None:
    wanted = {
        "things": [
            {"name": "a", "prefix": "10.0.0.0/8", "note": None},
            {"name": "bb", "prefix": "fd00::/8", "note": "65000:10"},
        ]
    }
    assert json.loads(printed("json", capsys)) == wanted
    assert yaml.safe_load(printed("yaml", capsys)) == wanted


@pytest.mark.parametrize("value", ["\x1b[2J", "\x9b2J", "a\nb", "\u202ereversed"])
def test_text_from_outside_cannot_steer_a_terminal(value: str) -> None:
    assert clean(value).isprintable()
    assert as_json([value]).replace("\n", "").isprintable() and json.loads(as_json([value])) == [value]
    assert as_yaml([value]).replace("\n", "").isprintable() and yaml.safe_load(as_yaml([value])) == [value]


def test_a_long_cell_is_cut_at_128_characters() -> None:
    assert len(clean("x" * 500)) == 128
    assert clean("x" * 128) == "x" * 128


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "-"), ("", "-"), (True, "true"), ((), "-"), (("a", "b"), "a,b"), (0, "0"), (7, "7")],
)
def test_a_cell_shows_values_as_people_read_them(value: object, shown: str) -> None:
    assert text(value) == shown


def test_no_rows_is_only_the_head() -> None:
    assert aligned([["A", "B"]]) == "A   B\n"
    assert aligned([]) == ""


def test_rich_is_not_imported_for_a_pipe() -> None:
    program = (
        "import sys; from felixpy.show.output import Column, emit\n"
        "emit([], [Column('A', str)], [1], 'table')\n"
        "print([m for m in ('rich', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["A", "1", "[]"]


def test_a_terminal_gets_the_same_words(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    things = [Thing("[red]x[/red]", ip_network("10.0.0.0/8"))]
    emit(None, COLUMNS, things, "table")
    out = capsys.readouterr().out
    assert "[red]x[/red]" in out and "10.0.0.0/8" in out


def test_a_message_is_escaped_whole() -> None:
    assert escaped("\x1b[31m" + "x" * 300) == "\\x1b[31m" + "x" * 300
