"""From what is known of the network to the picture of it. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from felixpy.insight.view import NetworkView, NodeView
from felixpy.lab.topology import Topology
from felixpy.model.status import PeerStatus
from felixpy.ui.cast import Actor, Cast, Told, cast_of
from felixpy.ui.picture import Line, Picture, SessionRow, Spot
from felixpy.ui.places import Places, places
from felixpy.ui.wiring import runs

DRAWN = 60  # sessions without a cable that are drawn though they are up
LISTED = 200  # sessions that are not up and are listed
WORST = ("down", "held", "up")
Pair = tuple[str, str]


def picture(view: NetworkView, topology: Topology | None, name: str, taken: float) -> Picture:
    """The whole picture. `taken` in Unix seconds; `name` of the cluster, a lab has its own."""
    cast, told = cast_of(view, topology, name)
    pairs = _pairs(told)
    where = places(cast)
    troubled = [it for it in told if state_of(it.peer) != "up"]
    drawn, hidden = _free(cast, pairs, where)
    tail = _tail(cast)
    return Picture(
        name=cast.name,
        taken=taken,
        spots=tuple(_spot(actor, view.nodes.get(actor.id), where, tail) for actor in cast.actors),
        lines=(*_cables(cast, pairs, where), *drawn),
        racks=where.racks,
        troubled=tuple(map(session_row, troubled[:LISTED])),
        sessions=len(told),
        up=len(told) - len(troubled),
        hidden=hidden,
        owners={it.peer.address: it.other for it in told if it.other},
        missing={f"{it.name} {source}": why for it in view.nodes.values() for source, why in it.why.items()},
    )


def state_of(peer: PeerStatus) -> str:
    """up | held | down."""
    if peer.held_down is not None or peer.state == "held-down":
        return "held"
    return "up" if peer.state == "established" else "down"


def session_row(told: Told) -> SessionRow:
    """A session for tables."""
    peer = told.peer
    return SessionRow(
        node=told.node, name=peer.name, address=peer.address, peer=told.other, type=peer.type, asn=peer.asn,
        state=state_of(peer), said=peer.state, since=peer.since,
        reason=peer.held_down or peer.reason or (peer.last_error if peer.state != "established" else ""),
    )  # fmt: skip


def _pairs(told: Iterable[Told]) -> Mapping[Pair, list[PeerStatus]]:
    """The sessions between each two, from whichever end."""
    found: dict[Pair, list[PeerStatus]] = {}
    for it in told:
        if it.other:
            found.setdefault(pair(it.node, it.other), []).append(it.peer)
    return found


def pair(one: str, other: str) -> Pair:
    """Two names in one order."""
    return (one, other) if one <= other else (other, one)


def _cables(cast: Cast, pairs: Mapping[Pair, Sequence[PeerStatus]], where: Places) -> list[Line]:
    seen: dict[Pair, int] = {}
    routed, lines = runs(where), list[Line]()
    for cable in cast.cables:
        key = pair(cable.upper, cable.lower)
        place = seen[key] = seen.get(key, -1) + 1
        between = cable.upper, cable.lower
        line = _line(f"cable:{key[0]}|{key[1]}|{place}", between, pairs.get(key, ()), cable.ends)
        run = routed.get(between)
        lines.append(line if run is None else replace(line, corners=run.corners, side=run.side))
    return lines


def _free(cast: Cast, pairs: Mapping[Pair, Sequence[PeerStatus]], where: Places) -> tuple[list[Line], int]:
    """Sessions between two that no cable joins, as arcs that miss the boxes between them; and how many are not drawn,
    because they are up and too many.
    """
    wired = {pair(cable.upper, cable.lower) for cable in cast.cables}
    known = {actor.id for actor in cast.actors}
    found = {it: peers for it, peers in pairs.items() if it not in wired and known.issuperset(it)}
    drawn = found
    if len(found) > DRAWN:
        drawn = {it: peers for it, peers in found.items() if any(state_of(peer) != "up" for peer in peers)}
    lines = [
        _line(f"session:{one}|{other}", (one, other), peers, None, _bend(where, one, other))
        for (one, other), peers in sorted(drawn.items(), key=lambda item: item[0])
    ]
    return lines, len(found) - len(drawn)


def _line(name: str, between: Pair, peers: Sequence[PeerStatus], ends: Pair | None, bend: float = 0.0) -> Line:
    states = [state_of(peer) for peer in peers]
    return Line(
        id=name, source=between[0], target=between[1], cable=ends is not None,
        state=next((state for state in WORST if state in states), "none"),
        sessions=len(states), up=states.count("up"), ends=ends or ("", ""), bend=bend,
    )  # fmt: skip


def _bend(where: Places, one: str, other: str) -> float:
    """Below the row for two of one row, deeper the farther they are apart; beside the column for two of one column; a
    little aside for others. In cytoscape's sense: positive is to the left of the way from one to the other.
    """
    (x1, y1), (x2, y2) = where.spots[one], where.spots[other]
    if x1 == x2:
        return where.size.width + 24
    if y1 != y2:
        return 24.0
    below = where.size.height + 20 + abs(x2 - x1) / 8
    return below if x1 < x2 else -below


def _spot(actor: Actor, node: NodeView | None, where: Places, tail: str) -> Spot:
    x, y = where.spots[actor.id]
    peers = node.peers.peers if node and node.peers else ()
    pods = node.endpoints.endpoints if node and node.endpoints else ()
    up = sum(peer.state == "established" for peer in peers)
    state, trouble = condition(actor, node)
    return Spot(
        id=actor.id, name=actor.name, label=short(actor.name, where.size.letters, tail), role=actor.role,
        runs=actor.runs, rack=actor.rack, x=x, y=y, width=where.size.width, height=where.size.height, state=state,
        line=f"{up}/{len(peers)} sessions, {len(pods)} pod{'s' if len(pods) != 1 else ''}" if peers or pods
        else "no answer" if state == "silent" else actor.runs,
        sessions=len(peers), up=up, pods=len(pods), pods_up=sum(pod.state == "up" for pod in pods), trouble=trouble,
    )  # fmt: skip


def condition(actor: Actor, node: NodeView | None) -> tuple[str, str]:
    """How a box fares, and what ails it."""
    if actor.role != "node":
        return "plain", ""
    if node is None or not node.health:
        return "silent", next(iter(node.why.values()), "") if node else "nobody asked it"
    told = [it.message for health in node.health.values() for it in health.conditions]
    silent = sorted({"felixpy", "birdpy"} - node.health.keys())
    told += [f"{daemon} does not answer" for daemon in silent]
    told += [f"{health.daemon} is not ready" for health in node.health.values() if not health.ready]
    return ("trouble", told[0]) if told else ("fine", "")


def _tail(cast: Cast) -> str:
    """What the names of all nodes end in, from a dot on: it tells nothing apart."""
    tails = {
        name[at:] if (at := name.find(".")) > 0 else ""
        for name in (it.name for it in cast.actors if it.role == "node")
    }
    return tails.pop() if len(tails) == 1 else ""


def short(name: str, letters: int, tail: str = "") -> str:
    """A name that fits: without the common tail, then without its beginning, which nodes share more often."""
    name = name.removesuffix(tail) if tail else name
    return name if len(name) <= letters else f"…{name[1 - letters :]}"
