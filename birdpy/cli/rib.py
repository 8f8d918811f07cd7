"""Join: `birdpy rib`."""

import time
from dataclasses import dataclass

import click

from birdpy.cli.asking import answer, node_options
from felixpy.model.addresses import parse_prefix
from felixpy.model.errors import Usage
from felixpy.model.status import RibEntry, RibPath, RibStatus
from felixpy.show.ages import age
from felixpy.show.output import Column, emit, output_option


@dataclass(frozen=True, slots=True)
class Line:
    """One path with the entry it belongs to."""

    entry: RibEntry
    path: RibPath


@click.command(
    epilog="""\b
Examples:
  birdpy rib --node n1
  birdpy rib --node n1 10.65.1.0/26
  birdpy rib --node n1 -o json | jq '.entries[].paths[] | select(.accepted | not) | .reason'
"""
)
@click.argument("prefix", required=False)
@node_options
@output_option
def rib(prefix: str | None, node: str | None, lab: str | None, output: str) -> None:
    """Every path to every prefix, or to PREFIX: the best one (*), what decided, and the refused ones (x) with why."""
    found = answer(RibStatus, "rib", node, lab, **({"prefix": as_prefix(prefix)} if prefix else {}))
    now = time.time()
    columns: tuple[Column[Line], ...] = (
        Column("", mark),
        Column("PREFIX", lambda at: at.entry.prefix),
        Column("NEXT HOP", lambda at: at.path.next_hop),
        Column("FROM", lambda at: at.path.session or at.path.source),
        Column("ID", lambda at: at.path.path_id or ""),
        Column("AS PATH", lambda at: " ".join(map(str, at.path.as_path))),
        Column("PREF", lambda at: at.path.local_pref),
        Column("MED", lambda at: at.path.med, wide=True),
        Column("ORIGIN", lambda at: at.path.origin, wide=True),
        Column("COMMUNITIES", communities, wide=True),
        Column("AGE", lambda at: age(at.path.since, now)),
        Column("KERNEL", lambda at: at.entry.installed if at.path.best else ""),
        Column("WHY", why),
    )
    lines = [Line(entry, path) for entry in found.entries for path in entry.paths]
    emit(found, columns, lines, output)


def communities(at: Line) -> tuple[str, ...]:
    """Of all three kinds: RFC 1997, RFC 8092, RFC 4360."""
    return (*at.path.communities, *at.path.large_communities, *at.path.extended_communities)


def as_prefix(text: str) -> str:
    """PREFIX in its one spelling; a bare address is a host prefix. Usage when it is none."""
    try:
        return str(parse_prefix(text))
    except ValueError as error:
        raise Usage(f"PREFIX {text}: {error}") from error


def mark(line: Line) -> str:
    """`*` best, `x` refused, `~` kept for a restarting peer."""
    return "*" if line.path.best else "x" if not line.path.accepted else "~" if line.path.stale else " "


def why(line: Line) -> str:
    """What decided, why it was refused, or why the kernel has it not."""
    if not line.path.best:
        return line.path.reason
    return "; ".join(part for part in (line.entry.decided_by, line.entry.reason) if part)
