"""Join: `felixpy history`: what happened to a prefix, or with a peer, and why."""

import time

import click

from felixpy.cli.joined import line
from felixpy.cli.past import asked_there, logs_of, subject
from felixpy.history.moments import iso, parse_moment
from felixpy.history.telling import before_the_log, happened
from felixpy.model.errors import Trouble, Usage
from felixpy.model.past import HistoryAnswer, HistoryEvent
from felixpy.show.options import complete_lab, complete_node
from felixpy.show.output import Column, emit, output_option
from felixpy.show.target import Target, resolve

MOST = 1000  # events that are printed unless asked for more


@click.command(
    epilog="""\b
Examples:
  felixpy history 10.65.1.0/26 --node n1
  felixpy history 10.0.0.2 --node n1 --since 1h
  felixpy history --node n1 --since 19:30 --until 19:45
  felixpy history --node n1 -o json | jq '.events[] | select(.kind == "session")'
"""
)
@click.argument("prefix_or_peer", metavar="[PREFIX|PEER]", required=False)
@click.option(
    "--node", metavar="NODE", shell_complete=complete_node, help="Whose history; this machine's by default."
)
@click.option("--lab", metavar="LAB", shell_complete=complete_lab, help="The lab that has the node, when several do.")
@click.option("--datastore", metavar="WHERE", help="The cluster that has the node: kubernetes[:KUBECONFIG].")
@click.option(
    "--since", metavar="TIME", default="1d", show_default=True, help="From when on: 10m ago, 19:30, ISO 8601."
)
@click.option("--until", metavar="TIME", default="now", show_default=True, help="Up to when.")
@click.option(
    "--limit", metavar="N", default=MOST, show_default=True, type=click.IntRange(1), help="The newest N events."
)
@output_option
def history(
    *,
    prefix_or_peer: str | None,
    node: str | None,
    lab: str | None,
    datastore: str | None,
    since: str,
    until: str,
    limit: int,
    output: str,
) -> None:
    """What happened to a node's routes and sessions, and why: the oldest first.

    With a PREFIX (or an address) what happened to the routes that overlap it; with a PEER (its address, or the
    session's name) what happened to the session and to the routes that it gave. Starts and stops of the daemons are
    always shown: who did not run saw nothing. Needs no daemon: the log is read from its files.
    """
    now = time.time()
    times = parse_moment(since, now), parse_moment(until, now)
    if times[0] > times[1]:
        raise Usage(f"--since {since} is later than --until {until}")
    about = subject(prefix_or_peer)
    target = resolve(node, lab, datastore)
    if target.here:
        answer = happened(target.node, logs_of(target), times, about, limit)
    else:
        answer = _there(target, prefix_or_peer, times, limit)
    if answer.begins is None:
        raise Trouble(before_the_log(target.node, None))
    _print(answer, output)


def _there(target: Target, about: str | None, times: tuple[float, float], limit: int) -> HistoryAnswer:
    since, until = (f"{moment:.6f}" for moment in times)
    argv = ["felixpy", "history", *([about] if about else []), "--node", target.node, "--since", since]
    return asked_there(target, [*argv, "--until", until, "--limit", str(limit), "-o", "json"], HistoryAnswer)


def _print(answer: HistoryAnswer, output: str) -> None:
    if answer.begins is not None and answer.begins > answer.since:
        click.echo(f"felixpy: the history begins at {iso(answer.begins)}", err=True)
    if answer.truncated:
        click.echo(
            f"felixpy: only the newest {len(answer.events)} events; see --limit, --since and --until", err=True
        )
    columns: tuple[Column[HistoryEvent], ...] = (
        Column("TIME", lambda it: iso(it.time)),
        Column("DAEMON", lambda it: it.daemon, wide=True),
        Column("WHAT", lambda it: f"{it.kind} {it.what}"),
        Column("OF", told),
        Column("BECAUSE", lambda it: it.because),
        Column("OTHERS", lambda it: [": ".join(each) for each in it.path.others] if it.path else None, wide=True),
    )
    emit(answer, columns, answer.events, output)


def told(event: HistoryEvent) -> str | None:
    """`10.65.1.0/26 via 172.20.0.2 dev eth1`, `10.65.1.0/26 from Mesh_10_0_0_2, only path`."""
    if event.route is not None:
        return line(event.route)
    if event.path is not None:
        return f"{event.key} from {event.path.session or 'this node'}, {event.path.decided_by}"
    return event.key or event.daemon
