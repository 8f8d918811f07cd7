"""Join: `felixpy routes`: a node's routes, wanted and installed, from whom and why."""

import time

import click

from felixpy.cli.joined import line, look
from felixpy.history.moments import iso, parse_moment
from felixpy.model.addresses import Prefix, host_prefix, parse_address, parse_prefix
from felixpy.model.errors import Usage
from felixpy.model.past import PastRoute
from felixpy.model.status import RouteStatus
from felixpy.show.ages import age
from felixpy.show.options import complete_lab, complete_node
from felixpy.show.output import Column, emit, output_option
from felixpy.show.target import Target, resolve
from felixpy.show.watching import repeat, watch_option


@click.command(
    epilog="""\b
Examples:
  felixpy routes --node n1
  felixpy routes --node n1 10.65.1.0/26 -o wide
  felixpy routes --node n1 --watch
  felixpy routes --node n1 --at '10m ago'
  felixpy routes --node n1 -o json | jq '.routes[] | select(.wanted != .installed)'
"""
)
@click.argument("prefix", required=False)
@click.option("--node", metavar="NODE", shell_complete=complete_node, help="Whose routes; this machine's by default.")
@click.option("--lab", metavar="LAB", shell_complete=complete_lab, help="The lab that has the node, when several do.")
@click.option("--datastore", metavar="WHERE", help="Where endpoints are, when no felixpy answers: files:DIR.")
@click.option("--at", metavar="TIME", help="As they were then: 10m ago, 19:30, ISO 8601. Read from the node's log.")
@watch_option
@output_option
def routes(
    *,
    prefix: str | None,
    node: str | None,
    lab: str | None,
    datastore: str | None,
    at: str | None,
    watch: bool,
    output: str,
) -> None:
    """A node's routes: for its own pods, for other nodes' blocks, and the blackholes under its own blocks.

    Joins what felixpy and birdpy want with what the kernel holds. KERNEL says `yes`, `no` with the reason, or
    `leftover` for a route that nobody wants. With PREFIX (or an address) only the routes that overlap it.
    """
    if at is not None and watch:
        raise Usage("--at and --watch exclude each other: what was does not change")
    moment = parse_moment(at, time.time()) if at is not None else None
    target, within = resolve(node, lab, datastore), asked(prefix) if prefix else None
    if moment is not None:
        return _show_past(target, moment, within, output)
    return repeat(lambda: _show(target, datastore, within, output), watch=watch)


def _show_past(target: Target, at: float, within: Prefix | None, output: str) -> None:
    """The routes of a moment of the past."""
    from felixpy.cli.past import routes_then

    found = routes_then(target, at, within)
    for daemon in found.missing:
        click.echo(f"felixpy: the log of {daemon} says nothing of that moment: its routes are not shown", err=True)
    for daemon in found.stopped:
        click.echo(f"felixpy: {daemon} did not run then: shown is what it had left", err=True)
    columns: tuple[Column[PastRoute], ...] = (
        Column("ROUTE", line),
        Column("ORIGIN", origin),
        Column("PEER", lambda r: r.peer),
        Column("AS-PATH", lambda r: as_path(r, known=True)),
        Column("SINCE", lambda r: iso(r.changed) if r.changed else None),
        Column("KERNEL", in_kernel),
        Column("BECAUSE", lambda r: r.because),
        Column("METRIC", lambda r: str(r.metric), wide=True),
        Column("RULE", lambda r: r.origin.rule if r.origin else None, wide=True),
    )
    emit(found, columns, found.routes, output)


def _show(target: Target, datastore: str | None, within: Prefix | None, output: str) -> None:
    found, why = look(target, datastore, within)
    for name, reason in why.items():
        click.echo(f"felixpy: not asked: {name}: {reason}", err=True)
    known, now = "birdpy" not in why, time.time()
    columns: tuple[Column[RouteStatus], ...] = (
        Column("ROUTE", line),
        Column("ORIGIN", origin),
        Column("PEER", lambda r: r.peer if known or r.kind == "local" else "unknown"),
        Column("AS-PATH", lambda r: as_path(r, known=known)),
        Column("AGE", lambda r: age(r.since, now) if known or r.kind == "local" else "unknown"),
        Column("KERNEL", in_kernel),
        Column("PROTOCOL", lambda r: r.protocol, wide=True),
        Column("METRIC", lambda r: str(r.metric), wide=True),
        Column("TABLE", lambda r: r.table, wide=True),
        Column("RULE", lambda r: r.origin.rule if r.origin else None, wide=True),
    )
    emit(found, columns, found.routes, output)


def asked(text: str) -> Prefix:
    """The prefix that a user names; an address stands for its /32 or /128. Usage when it is neither."""
    try:
        return parse_prefix(text) if "/" in text else host_prefix(parse_address(text))
    except ValueError as error:
        raise Usage(f"{text!r} is no prefix and no address: {error}") from None


def origin(row: RouteStatus) -> str | None:
    """`pod default/web`, `peer Mesh_10_0_0_2`, `block host:n1`."""
    return f"{row.origin.kind} {row.origin.name}" if row.origin else None


def as_path(row: RouteStatus, *, known: bool) -> str | None:
    """AS numbers, nearest first."""
    if row.kind == "local":
        return None
    return " ".join(map(str, row.as_path or ())) if known else "unknown"


def in_kernel(row: RouteStatus) -> str:
    """Whether the kernel has the route, and if that is not as wanted, why."""
    if row.installed is None:
        return "unknown"
    if row.installed:
        return "leftover" if row.wanted is False else "yes"
    return f"no: {row.reason}" if row.reason else "no"
