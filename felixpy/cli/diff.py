"""Join: `felixpy diff`: what is another one than it was, on one node or on all of a lab."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import click

from felixpy.cli.joined import line
from felixpy.cli.past import asked_there, logs_of
from felixpy.cli.viewing import AT_ONCE, runs_daemons, targets_of
from felixpy.history.moments import iso, parse_moment
from felixpy.history.telling import compared
from felixpy.model.errors import Trouble, Usage
from felixpy.model.past import Changed, Diff, NodeDiff
from felixpy.show.options import complete_lab, complete_node
from felixpy.show.output import Column, emit, output_option
from felixpy.show.target import Target, resolve


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table."""

    node: str
    what: str
    route: str
    when: float | None
    because: str


@click.command(
    context_settings={"ignore_unknown_options": True},  # -10m is a moment
    epilog="""\b
Examples:
  felixpy diff '10m ago' now --node n1
  felixpy diff 19:30 19:45
  felixpy diff -1h now -o json | jq '.nodes[].removed'
""",
)
@click.argument("before", metavar="TIME1")
@click.argument("after", metavar="[TIME2]", default="now")
@click.option("--node", metavar="NODE", shell_complete=complete_node, help="Whose routes; by default all of the lab.")
@click.option("--lab", metavar="LAB", shell_complete=complete_lab, help="The lab, when several run.")
@click.option("--datastore", metavar="WHERE", help="The cluster that has the node: kubernetes[:KUBECONFIG].")
@output_option
def diff(*, before: str, after: str, node: str | None, lab: str | None, datastore: str | None, output: str) -> None:
    """What changed in the routes and sessions of a node between two moments, and why.

    Without --node every node of the running lab (this machine where none runs). A route that went and came back the
    same in between is no change: see felixpy history.
    """
    now = time.time()
    times = parse_moment(before, now), parse_moment(after, now)
    if times[0] > times[1]:
        raise Usage(f"{before} is later than {after}")
    meant = [resolve(node, lab, datastore)] if node else targets_of(lab, datastore=datastore)
    targets = [it for it in meant if node or runs_daemons(it)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda target: _one(target, *times), targets))
    missing = {target.node: it for target, it in zip(targets, answers, strict=True) if isinstance(it, str)}
    nodes = tuple(it for it in answers if isinstance(it, NodeDiff))
    if not nodes:
        raise Trouble(
            "\n".join(f"{name}: {reason}" if len(targets) > 1 else reason for name, reason in missing.items())
        )
    for name, reason in missing.items():
        click.echo(f"felixpy: not compared: {name}: {reason}", err=True)
    columns: tuple[Column[Line], ...] = (
        Column("NODE", lambda it: it.node),
        Column("CHANGE", lambda it: it.what),
        Column("ROUTE", lambda it: it.route),
        Column("WHEN", lambda it: iso(it.when) if it.when else None),
        Column("BECAUSE", lambda it: it.because),
    )
    found = Diff(before=times[0], after=times[1], nodes=nodes, missing=missing)
    emit(found, columns, [each for it in nodes for each in lines(it)], output)


def _one(target: Target, before: float, after: float) -> NodeDiff | str:
    """One node's answer, or why there is none."""
    try:
        if target.here:
            return compared(target.node, logs_of(target), before, after)
        argv = ("felixpy", "diff", f"{before:.6f}", f"{after:.6f}", "--node", target.node, "-o", "json")
        return asked_there(target, argv, Diff).nodes[0]
    except Trouble as error:
        return str(error)


def lines(found: NodeDiff) -> Iterator[Line]:
    """The lines of one node."""
    for change in (*found.removed, *found.added, *found.changed):
        yield from _route_lines(found.node, change)
    for session in found.sessions:
        there = session.after or session.before
        assert there is not None  # one of them is there
        states = (
            session.before.state if session.before else "none",
            session.after.state if session.after else "none",
        )
        why = session.after.reason if session.after else ""
        yield Line(found.node, " -> ".join(states), f"session {there.name}", there.since, why)


def _route_lines(node: str, change: Changed) -> Iterator[Line]:
    if change.before is not None:
        last = change.after is None
        yield Line(node, "-", line(change.before), change.changed if last else None, change.because if last else "")
    if change.after is not None:
        lost = "" if change.after.installed else f" (not in the kernel: {change.after.reason})"
        yield Line(node, "+", line(change.after) + lost, change.changed, change.because)
