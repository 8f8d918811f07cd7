"""Best paths -> kernel routes; a blackhole under each own block. Pure.

Service routes, own or learned, are never installed: a blackhole or a gateway for a service address is looked up
before the node's own DNAT and cuts its programs off from every ClusterIP.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from birdpy.desired.originate import Blocks
from birdpy.policy.session import Speaker
from birdpy.rib.best_path import Choice
from birdpy.rib.next_hops import Resolution, Resolved, merged
from birdpy.rib.path import Path
from birdpy.rib.prefixes import PrefixMap
from felixpy.model.addresses import Address, Prefix, family, host_prefix
from felixpy.model.resources import BGPConfiguration
from felixpy.model.routes import (
    BGP_METRIC,
    LOCAL_TABLE,
    MAIN_TABLE,
    Device,
    Hop,
    Origin,
    Route,
    RouteKey,
    RouteKind,
)

LOOPBACK = Device("lo")
SERVICE = "service route: announced only, never installed"
OURS = "our own: its blackhole or its pods' routes stand for it"

Way = Callable[[Path | Address], Resolution]  # Selection.way


@dataclass(frozen=True, slots=True)
class FibRules:
    """Where routes go, and what is kept out of the kernel."""

    services: PrefixMap[str] = field(default_factory=PrefixMap)  # every service range and announced service address
    metric: int = BGP_METRIC
    table: int = MAIN_TABLE

    def key(self, prefix: Prefix) -> RouteKey:
        """The kernel's key for a prefix of ours."""
        return RouteKey(prefix, self.table, self.metric)


def learned_route(choice: Choice, way: Way, rules: FibRules, key: RouteKey | None = None) -> Route | str:
    """The one route for what was chosen: plain gateways, several when paths share the load; or why there is none.

    `key` is the kernel's key for the prefix, when the caller has it already.
    """
    best = choice.best
    if best.source != "bgp":
        return OURS
    if len(rules.services) and rules.services.longest(best.prefix) is not None:
        return SERVICE
    origin = Origin("peer", best.session, best.peer, best.attributes.as_path, choice.because, best.since)
    key = key or rules.key(best.prefix)
    if best.discard:
        return Route(key, RouteKind.BLACKHOLE, origin=origin)
    hops = _hops([way(path) for path in choice.multipath])
    if isinstance(hops, str):
        return hops
    return Route(key, RouteKind.LEARNED, hops=hops, origin=origin)


def _hops(answers: list[Resolution]) -> tuple[Hop, ...] | str:
    """The gateways of all that is resolved, or why nothing is; of one next hop the very tuple that others share."""
    found = [answer for answer in answers if isinstance(answer, Resolved)]
    if len(found) == 1:
        return found[0].hops
    if not found:
        return next((answer.reason for answer in answers if not isinstance(answer, Resolved)), "no next hop")
    return _together(tuple(answer.hops for answer in found))


@lru_cache(maxsize=1024)
def _together(shares: tuple[tuple[Hop, ...], ...]) -> tuple[Hop, ...]:
    """One tuple for all routes that share their load alike: they are written by one shape of message."""
    return merged(hop for hops in shares for hop in hops)


def blackholes(blocks: Blocks, rules: FibRules) -> dict[RouteKey, Route]:
    """A blackhole under each own block: what no pod has must not go back to where it came from."""
    found = {}
    for block in blocks.blackholed:
        key = rules.key(block)
        origin = Origin("block", blocks.affinities.get(block, str(block)))
        found[key] = Route(key, RouteKind.BLACKHOLE, origin=origin)
    return found


def reachable_by(speaker: Speaker, way: Way, rules: FibRules) -> dict[RouteKey, Route]:
    """The host routes that `reachableBy` asks for: this peer by way of that gateway."""
    found = {}
    for session in speaker.sessions:
        if session.reachable_by is not None:
            answer = way(session.reachable_by)
            if isinstance(answer, Resolved):
                key = rules.key(host_prefix(session.address))
                origin = Origin("reachable-by", session.defined_by, session.address)
                found[key] = Route(key, RouteKind.LEARNED, hops=answer.hops, origin=origin)
    return found


def peering_addresses(speaker: Speaker, configuration: BGPConfiguration, rules: FibRules) -> dict[RouteKey, Route]:
    """localWorkloadPeeringIPV4 and IPV6, which pods of this node dial, as addresses of the node.

    Only while there is such a session of that family. Calico's Felix puts them on each pod's interface; a route in
    the kernel's table of own addresses does the same for all of them, and has an owner.
    """
    found = {}
    for address in (configuration.local_workload_peering_ipv4, configuration.local_workload_peering_ipv6):
        names = [
            one.name for one in speaker.sessions if one.workload and address and same_family(one.address, address)
        ]
        if address is not None and names:
            key = RouteKey(host_prefix(address), LOCAL_TABLE, rules.metric)
            found[key] = Route(key, RouteKind.HOST, LOOPBACK, origin=Origin("workload-peering", names[0], address))
    return found


def same_family(one: Address, other: Address) -> bool:
    """Whether two addresses can speak with each other."""
    return family(one) == family(other)


def desired_routes(
    choices: Mapping[Prefix, Choice], way: Way, fixed: Iterable[Route], rules: FibRules
) -> dict[RouteKey, Route]:
    """All that birdpy wants in the kernel. `fixed` (blackholes, reachableBy) wins over what was learned."""
    found: dict[RouteKey, Route] = {}
    for choice in choices.values():
        route = learned_route(choice, way, rules)
        if isinstance(route, Route):
            found[route.key] = route
    found.update({route.key: route for route in fixed})
    return found
