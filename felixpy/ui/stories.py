"""What the page says of one node and of one prefix, once it is asked. Pure."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from felixpy.insight.view import NodeView
from felixpy.model.addresses import Prefix, contains, parse_prefix
from felixpy.model.past import PastRoute
from felixpy.model.status import EndpointStatus, Record, RibEntry, RibStatus, RouteStatus
from felixpy.ui.cast import Told
from felixpy.ui.picture import Picture, SessionRow
from felixpy.ui.shape import session_row

MOST = 500  # routes that are shown at once


class RouteRow(Record, frozen=True):
    """One route of a node, for a table."""

    prefix: str
    kind: str  # local | learned | blackhole
    ways: tuple[str, ...]
    origin: str
    peer: str
    as_path: tuple[int, ...]
    decided_by: str
    since: float | None
    kernel: str  # yes | no | not known
    why: str  # not in the kernel, or what is notable


class NodeStory(Record, frozen=True):
    """One node."""

    name: str
    taken: float
    runs: str
    conditions: tuple[str, ...]
    sessions: tuple[SessionRow, ...]
    endpoints: tuple[EndpointStatus, ...]
    routes: tuple[RouteRow, ...]
    total: int  # routes that fit what was looked for, also those that are not shown
    missing: Mapping[str, str] = msgspec.field(default_factory=dict)


class PathRow(Record, frozen=True):
    """One path that a node knows."""

    best: bool
    accepted: bool
    source: str  # own | session
    peer: str  # id of the box, or the address
    next_hop: str
    as_path: tuple[int, ...]
    local_pref: int | None
    med: int | None
    since: float | None
    reason: str


class Knower(Record, frozen=True):
    """What one node knows of the prefix."""

    node: str
    prefix: str  # the longest one that covers what was asked
    decided_by: str
    kernel: str  # yes | no | not known
    why: str
    paths: tuple[PathRow, ...]


class Announcer(Record, frozen=True):
    """Somebody who says that the prefix is reached by him."""

    id: str  # of the box, or an address
    own: bool  # it lives there; False: it passes on what it heard
    prefix: str
    to: tuple[str, ...]  # nodes that heard it


class PrefixStory(Record, frozen=True):
    """One prefix on all nodes."""

    prefix: str
    taken: float
    announcers: tuple[Announcer, ...]
    nodes: tuple[Knower, ...]
    spots: tuple[str, ...]  # boxes of the winning paths
    lines: tuple[str, ...]  # and lines
    missing: Mapping[str, str] = msgspec.field(default_factory=dict)


def node_story(node: NodeView, drawn: Picture, looked_for: str) -> NodeStory:
    """A node's routes that have the words of `looked_for` in them, and all else that it says of itself."""
    rows = [route_row(it) for it in node.routes.routes] if node.routes else []
    wanted = [row for row in rows if _has(row, looked_for)]
    conditions = [f"{it.daemon}: {one.message}" for it in node.health.values() for one in it.conditions]
    conditions += [
        f"refused: {one.table} {one.key}: {one.reason}" for it in node.health.values() for one in it.refused
    ]
    spot = next((it for it in drawn.spots if it.id == node.name), None)
    return NodeStory(
        name=node.name, taken=drawn.taken, runs=spot.runs if spot else "", conditions=tuple(conditions),
        sessions=sessions_of(node, drawn), endpoints=node.endpoints.endpoints if node.endpoints else (),
        routes=tuple(wanted[:MOST]), total=len(wanted), missing=dict(node.why),
    )  # fmt: skip


def sessions_of(node: NodeView, drawn: Picture) -> tuple[SessionRow, ...]:
    """A node's sessions, with the boxes behind their addresses."""
    owners = drawn.owners
    peers = node.peers.peers if node.peers else ()
    return tuple(session_row(Told(node.name, peer, owners.get(peer.address, ""))) for peer in peers)


def route_row(row: RouteStatus) -> RouteRow:
    """One route for the table. The provenance of a learned one names the round that chose it."""
    ways = [f"via {it.via} dev {it.device}" for it in row.gateways] or ([f"dev {row.device}"] if row.device else [])
    origin = f"{row.origin.kind} {row.origin.name}" if row.origin else row.protocol
    since, because = (row.changed, row.because) if isinstance(row, PastRoute) else (row.since, "")
    return RouteRow(
        prefix=row.prefix, kind=row.kind, ways=tuple(ways), origin=origin, peer=row.peer or "",
        as_path=row.as_path or (), decided_by=row.origin.rule if row.origin and row.kind == "learned" else "",
        since=since, kernel=kernel(row.installed),
        why=row.reason or because,
    )  # fmt: skip


def kernel(installed: bool | None) -> str:
    """Whether the kernel has it, in a word."""
    return "not known" if installed is None else "yes" if installed else "no"


def _has(row: RouteRow, words: str) -> bool:
    text = " ".join((row.prefix, row.kind, *row.ways, row.origin, row.peer, row.decided_by, row.why)).lower()
    return all(word in text for word in words.lower().split())


def prefix_story(
    asked: Prefix, ribs: Mapping[str, RibStatus], drawn: Picture, missing: Mapping[str, str]
) -> PrefixStory:
    """Who announces a prefix, what every node chose, and the lines that the winning paths came by."""
    found = [(node, entry) for node, rib in ribs.items() for entry in rib.entries if _about(asked, entry)]
    knowers = tuple(_knower(node, entry, drawn.owners) for node, entry in found)
    winners = [(it.node, path) for it in knowers for path in it.paths if path.best]
    joined = {frozenset((line.source, line.target)): line.id for line in drawn.lines}
    lines = {joined.get(frozenset((node, path.peer)), "") for node, path in winners if path.peer}
    spots = {name for node, path in winners for name in (node, path.peer) if name}
    return PrefixStory(
        prefix=str(asked), taken=drawn.taken, announcers=_announcers(knowers), nodes=knowers,
        spots=tuple(sorted(spots)), lines=tuple(sorted(lines - {""})), missing=missing,
    )  # fmt: skip


def _about(asked: Prefix, entry: RibEntry) -> bool:
    return contains(parse_prefix(entry.prefix), asked)


def _knower(node: str, entry: RibEntry, owners: Mapping[str, str]) -> Knower:
    rows = tuple(
        PathRow(
            best=it.best, accepted=it.accepted, source="session" if it.session else "own",
            peer=owners.get(it.peer, it.peer) if it.peer else "", next_hop=it.next_hop or "", as_path=it.as_path,
            local_pref=it.local_pref, med=it.med, since=it.since, reason=it.reason,
        )
        for it in entry.paths
    )  # fmt: skip
    return Knower(
        node=node, prefix=entry.prefix, decided_by=entry.decided_by, kernel=kernel(entry.installed),
        why=entry.reason, paths=rows,
    )  # fmt: skip


def _announcers(knowers: Sequence[Knower]) -> tuple[Announcer, ...]:
    """First those where it lives, then those who pass it on."""
    own = {(it.node, it.prefix) for it in knowers if any(path.source == "own" for path in it.paths)}
    heard: dict[tuple[str, str], set[str]] = {place: set() for place in sorted(own)}
    for it in knowers:
        for path in it.paths:
            if path.peer:
                heard.setdefault((path.peer, it.prefix), set()).add(it.node)
    rows = [
        Announcer(id=name, own=(name, prefix) in own, prefix=prefix, to=_sorted(nodes))
        for (name, prefix), nodes in heard.items()
    ]
    return tuple(sorted(rows, key=lambda row: (not row.own, row.id)))


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names))
