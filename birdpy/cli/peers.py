"""Join: `birdpy peers`."""

import time

import click

from birdpy.cli.asking import answer, node_options
from felixpy.model.status import PeersStatus, PeerStatus
from felixpy.show.ages import age
from felixpy.show.output import Column, emit, output_option
from felixpy.show.watching import repeat, watch_option


@click.command(
    epilog="""\b
Examples:
  birdpy peers --node n1
  birdpy peers --node n1 -o wide
  birdpy peers --node n1 --watch
  birdpy peers --node n1 -o json | jq '.peers[] | select(.state != "established")'
"""
)
@node_options
@watch_option
@output_option
def peers(*, node: str | None, lab: str | None, watch: bool, output: str) -> None:
    """A node's BGP sessions: who, since when, how many prefixes, and the last error.

    GR is how many seconds the peer asked us to keep its routes when it restarts; `no` means that it drops ours
    when our router restarts, so that a restart towards this peer is not without loss.
    """
    repeat(lambda: _show(node, lab, output), watch=watch)


def _show(node: str | None, lab: str | None, output: str) -> None:
    found = answer(PeersStatus, "peers", node, lab)
    now = time.time()
    columns: tuple[Column[PeerStatus], ...] = (
        Column("PEER", lambda p: p.address),
        Column("TYPE", lambda p: p.type),
        Column("AS", lambda p: p.asn),
        Column("STATE", lambda p: p.state),
        Column("SINCE", lambda p: age(p.since, now)),
        Column("GR", graceful_restart),
        Column("RECEIVED", lambda p: p.received),
        Column("ACCEPTED", lambda p: p.accepted),
        Column("ADVERTISED", lambda p: p.advertised),
        Column("NAME", lambda p: p.name, wide=True),
        Column("LOCAL AS", lambda p: p.local_as, wide=True),
        Column("ROUTER ID", lambda p: p.router_id, wide=True),
        Column("HOLD", lambda p: p.hold_time_s, wide=True),
        Column("FAMILIES", lambda p: [f"IPv{f}" for f in p.families], wide=True),
        Column("LAST ERROR", lambda p: p.held_down or p.reason or p.last_error),
    )
    if found.stage != "serving":
        click.echo(f"this node is being drained: {found.stage}", err=True)
    emit(found, columns, found.peers, output)


def graceful_restart(peer: PeerStatus) -> str:
    """`120s`, `no`, or nothing before the first OPEN."""
    if peer.graceful_restart_s is not None:
        return f"{peer.graceful_restart_s}s"
    return "no" if peer.router_id else ""
