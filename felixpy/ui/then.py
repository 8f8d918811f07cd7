"""The network as it was at one moment, from every node's log, in the shape in which it is drawn now. Pure.

The logs know routes and sessions. Who stands where, and what kind of session a name is, is as it is today.
"""

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from felixpy.insight.view import NetworkView, NodeView
from felixpy.model.past import PastRoutes, PastSession
from felixpy.model.status import (
    EndpointsStatus,
    EndpointStatus,
    HealthStatus,
    PeersStatus,
    PeerStatus,
    Record,
    RoutesStatus,
)

STATES = {"up": "established", "held down": "held-down"}
DAEMONS = ("felixpy", "birdpy")


class Span(Record, frozen=True):
    """From when on the logs know anything, and now; Unix seconds."""

    begins: float | None
    until: float
    missing: Mapping[str, str]  # nodes whose log could not be read


def as_it_was(now: NetworkView, then: Mapping[str, PastRoutes], why: Mapping[str, str]) -> NetworkView:
    """The view of that moment; `why` says of which nodes nothing is known."""
    nodes = {name: _node(it, then.get(name), why.get(name, "nobody asked its log")) for name, it in now.nodes.items()}
    return NetworkView(nodes, now.snapshot)


def _node(now: NodeView, then: PastRoutes | None, why: str) -> NodeView:
    if then is None:
        return NodeView(now.name, now.facts, why={} if now.facts and not now.health else {"history": why})
    known = {peer.name: peer for peer in now.peers.peers} if now.peers else {}
    peers = tuple(_peer(it, known.get(it.name)) for it in then.sessions)
    routes = RoutesStatus(node=now.name, routes=then.routes)
    answered = [daemon for daemon in DAEMONS if daemon not in (*then.stopped, *then.missing)]
    return NodeView(
        now.name,
        now.facts,
        EndpointsStatus(node=now.name, endpoints=tuple(_pods(then))),
        routes,
        PeersStatus(node=now.name, router_id=None, local_as=None, peers=peers),
        {daemon: _health(daemon, now, then.at) for daemon in answered},
        why={
            **dict.fromkeys(then.stopped, "it did not run then: shown is what it had left"),
            **dict.fromkeys(then.missing, "its log says nothing of that moment"),
        },
    )


def _peer(then: PastSession, now: PeerStatus | None) -> PeerStatus:
    state = STATES.get(then.state, then.state)
    held = then.reason if then.state == "held down" else None
    kind = then.name.partition("_")[0].lower()
    base = now or PeerStatus(name=then.name, address=then.address, type=kind, asn=0, local_as=0, state=state)
    return replace(base, state=state, since=then.since, held_down=held, reason=then.reason, last_error="")


def _pods(then: PastRoutes) -> Iterator[EndpointStatus]:
    for row in then.routes:
        if row.kind == "local" and row.origin is not None and row.origin.kind == "pod":
            name = row.origin.name
            yield EndpointStatus(
                name=name, pod=name, device=row.device or "", addresses=(row.prefix,), mac=None,
                state="up" if row.installed else "down", reason=row.reason,
            )  # fmt: skip


def _health(daemon: str, now: NodeView, at: float) -> HealthStatus:
    """That it ran: the log knows no more of it."""
    return HealthStatus(
        daemon=daemon, node=now.name, version="", pid=0, started=at, datastore="", datastore_reachable=True,
        in_sync=True, ready=True, live=True, last_pass=None, passes=0, keys={},
    )  # fmt: skip
