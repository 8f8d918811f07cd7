"""What would happen to one route at one peer: `birdpy policy test`, from the resources alone. Pure.

The kernel is not asked: connected subnets are those of the node's own addresses as its Node resource has them.
"""

from typing import Literal

import msgspec

from birdpy.desired.originate import own_blocks
from birdpy.desired.rules import export_rules, filters
from birdpy.desired.services import service_routes
from birdpy.policy import exports, imports
from birdpy.policy.cluster import cluster
from birdpy.policy.communities import parse_community, text_of
from birdpy.policy.filters import Direction
from birdpy.policy.guard import Here, Own
from birdpy.policy.session import Session, Speaker
from birdpy.rib.path import Attributes, LargeCommunity, OriginCode, Path
from birdpy.rib.verdict import Rejected
from felixpy.model.addresses import Address, parse_address, parse_asn, parse_prefix
from felixpy.model.fib import ConnectedRoute, ConnectedRoutes
from felixpy.model.routes import Device
from felixpy.model.snapshot import Snapshot


class TrialRoute(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A route as a user writes it. An absent AS path of an external peer's route is the peer's AS alone."""

    prefix: str
    next_hop: str | None = None  # absent on import: the peer's address
    as_path: tuple[int | str, ...] | None = None
    local_pref: int | None = None
    med: int | None = None
    communities: tuple[str, ...] = ()
    large_communities: tuple[str, ...] = ()
    source: Literal["bgp", "local", "static", "kernel"] = "bgp"
    interface: str = ""


class TrialAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What happened, which rule or reason decided, and the route as it went on (as it came, when rejected)."""

    action: str  # accept | reject
    rule: str
    route: TrialRoute


def trial(
    snapshot: Snapshot, speaker: Speaker, session: Session, direction: Direction, route: TrialRoute
) -> TrialAnswer:
    """The answer for `route` at the peer of `session`; ValueError when the route cannot be read."""
    path = path_of(route, session, direction)
    if direction == "import":
        return _imported(snapshot, speaker, session, path, route)
    rules = export_rules(
        snapshot, speaker, own_blocks(snapshot, speaker.node).announced, service_routes(snapshot, speaker.node)
    )
    verdict = exports.judge(path, session, rules, route.interface)
    if isinstance(verdict, exports.Withheld):
        return _answer("reject", f"{verdict.reason} ({verdict.detail})" if verdict.detail else verdict.reason, route)
    return _answer("accept", verdict.rule, _shown(route, verdict.attributes, verdict.next_hop))


def path_of(route: TrialRoute, session: Session, direction: Direction) -> Path:
    """The path that a user means. On export, a peer's path came from another peer, over eBGP if it has an AS path."""
    arriving = direction == "import"
    written = route.as_path
    if written is None:
        written = (session.peer_as,) if arriving and session.external else ()
    standard, large = _communities(route)
    attributes = Attributes(
        origin=OriginCode.IGP,
        as_path=tuple(parse_asn(number) for number in written),
        med=route.med,
        local_pref=route.local_pref,
        communities=standard,
        large_communities=large,
    )
    return Path(
        prefix=parse_prefix(route.prefix),
        next_hop=_next_hop(route, session, arriving=arriving),
        attributes=attributes,
        source="bgp" if arriving else route.source,
        session=session.name if arriving else "",
        peer=session.address if arriving else None,
        external=session.external if arriving else bool(written),
    )


def find_session(speaker: Speaker, peer: str) -> Session:
    """The session that an address or a session's name means; ValueError naming those that there are."""
    for session in speaker.sessions:
        if peer in (session.name, str(session.address)):
            return session
    known = ", ".join(session.name for session in speaker.sessions)
    raise ValueError(f"node {speaker.node} has no session with {peer!r}; it has: {known or 'none'}")


def _imported(snapshot: Snapshot, speaker: Speaker, session: Session, path: Path, route: TrialRoute) -> TrialAnswer:
    blocks = own_blocks(snapshot, speaker.node)
    here = Here(_subnets(snapshot, speaker.node), frozenset(speaker.addresses))
    own = Own({*blocks.announced, *blocks.blackholed})
    around = imports.surroundings(speaker, filters(snapshot), here, own)
    verdict = imports.judge(path, session, around, route.interface)
    if isinstance(verdict, Rejected):
        return _answer("reject", verdict.text, route)
    return _answer("accept", verdict.rule, _shown(route, verdict.path.attributes, verdict.path.next_hop))


def _subnets(snapshot: Snapshot, node: str) -> ConnectedRoutes:
    here = cluster(snapshot).nodes.get(node)
    networks = here.networks.values() if here is not None else ()
    return ConnectedRoutes.of(
        ConnectedRoute(net, Device("uplink")) for net in networks if net.prefixlen < net.max_prefixlen
    )


def _next_hop(route: TrialRoute, session: Session, *, arriving: bool) -> Address | None:
    if route.next_hop is not None:
        return parse_address(route.next_hop)
    return session.address if arriving else None


def _communities(route: TrialRoute) -> tuple[frozenset[tuple[int, int]], frozenset[LargeCommunity]]:
    values = [parse_community(text) for text in (*route.communities, *route.large_communities)]
    return (
        frozenset((v[0], v[1]) for v in values if len(v) == 2),
        frozenset((v[0], v[1], v[2]) for v in values if len(v) == 3),
    )


def _shown(route: TrialRoute, attributes: Attributes, next_hop: Address | None) -> TrialRoute:
    return TrialRoute(
        prefix=route.prefix,
        next_hop=None if next_hop is None else str(next_hop),
        as_path=tuple(int(number) for number in attributes.as_path),
        local_pref=attributes.local_pref,
        med=attributes.med,
        communities=tuple(text_of(value) for value in sorted(attributes.communities)),
        large_communities=tuple(text_of(value) for value in sorted(attributes.large_communities)),
        source=route.source,
        interface=route.interface,
    )


def _answer(action: str, rule: str, route: TrialRoute) -> TrialAnswer:
    return TrialAnswer(action=action, rule=rule, route=route)
