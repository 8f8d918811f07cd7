"""How every command prints: `-o table|wide|json|yaml`, the result on stdout and nothing else there.

Text that comes from outside (names, reasons, a peer's words) may hold terminal escapes. In a table it is escaped and
cut at 128 characters; JSON and YAML keep it whole, with everything but ASCII escaped. `rich` is imported only when a
table goes to a terminal; a pipe gets plain aligned text.
"""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

import click
import msgspec

Row = TypeVar("Row")
F = TypeVar("F", bound=Callable[..., Any])

OUTPUTS = ("table", "wide", "json", "yaml")
CUT_AT = 128  # characters of one cell: a peer's reason must not fill the screen


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """One column: its title, the value of a row in it, and whether only `-o wide` shows it."""

    title: str
    cell: Callable[[Row], object]
    wide: bool = False


def output_option(command: F) -> F:
    """Add `-o/--output`; the command gets it as `output`."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(OUTPUTS),
        default="table",
        show_default=True,
        help="How to print; wide has more columns, json and yaml have everything.",
    )(command)


def emit(document: object, columns: Sequence[Column[Row]], rows: Iterable[Row], output: str) -> None:
    """Print `document` for json and yaml, else a table of `rows`.

    `document` is anything that msgspec turns into plain values: structs, dataclasses, addresses, tuples, enums.
    """
    if output in ("json", "yaml"):
        click.echo(as_json(document) if output == "json" else as_yaml(document), nl=False)
        return
    emit_table(columns, rows, wide=output == "wide")


def emit_table(columns: Sequence[Column[Row]], rows: Iterable[Row], *, wide: bool = False) -> None:
    """Print one table; a command that shows several calls this for each of them."""
    shown = [column for column in columns if wide or not column.wide]
    titles = [column.title for column in shown]
    cells = [[text(column.cell(row)) for column in shown] for row in rows]
    if sys.stdout.isatty():
        _print_rich(titles, cells)
    else:
        click.echo(aligned([titles, *cells]), nl=False)


def text(value: object) -> str:
    """What a cell shows: `-` for nothing, `true`/`false`, lists with commas; escaped and cut."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return text(value.value)
    if isinstance(value, list | tuple | set | frozenset):
        return clean(",".join(str(item) for item in value)) or "-"
    return clean(str(value))


def clean(words: str) -> str:
    """`words` escaped, at most 128 characters: for a cell of a table."""
    words = escaped(words)
    return words if len(words) <= CUT_AT else words[: CUT_AT - 1] + "…"


def escaped(words: str) -> str:
    """`words` with everything unprintable escaped (`\\x1b`): no text from outside steers a terminal."""
    if words.isprintable():
        return words
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in words)


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Columns padded to their widest cell, three spaces apart, no trailing blanks."""
    if not lines:
        return ""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "".join(
        "   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n"
        for line in lines
    )


def plain(document: object) -> Any:
    """`document` as dicts, lists, text and numbers; whatever has no JSON type becomes its text."""
    return msgspec.to_builtins(document, enc_hook=_value, str_keys=True)


def as_json(document: object) -> str:
    """Indented JSON with a newline at its end, ASCII only: no terminal escape survives."""
    return json.dumps(plain(document), indent=2) + "\n"


def as_yaml(document: object) -> str:
    """Block YAML, keys in their order, ASCII only; what YAML 1.1 would misread (`65000:10`, `no`) is quoted."""
    from felixpy.datastore.documents import dump_yaml

    return dump_yaml(plain(document))


def _value(value: object) -> object:
    if isinstance(value, int):  # AS numbers
        return int(value)
    return float(value) if isinstance(value, float) else str(value)


def _print_rich(titles: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for title in titles:
        table.add_column(title, overflow="fold")
    for line in cells:
        table.add_row(*(Text(cell) for cell in line))
    Console().print(table)
