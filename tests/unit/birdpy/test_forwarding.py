"""What was found in the kernel stays until its peers have spoken; a blackhole counts once it was read back."""

import asyncio
from collections.abc import Mapping
from ipaddress import ip_address, ip_network

from birdpy.forwarding import Forwarding
from birdpy.surroundings import Surroundings
from felixpy.kernel.memory import MemoryTable
from felixpy.model.addresses import Address, Prefix
from felixpy.model.errors import Refused
from felixpy.model.fib import ConnectedRoute, ConnectedRoutes
from felixpy.model.routes import Device, Hop, Route, RouteKey, RouteKind
from felixpy.reconcile.plan import Plan
from felixpy.reconcile.table import Outcome

BLOCK, OTHER = ip_network("10.65.2.0/26"), ip_network("10.65.1.0/26")
A, B = ip_address("172.20.0.2"), ip_address("172.20.0.3")
ETH1 = Device("eth1")


def learned(prefix: Prefix, *gateways: Address) -> Route:
    key = RouteKey(prefix, metric=1024)
    return Route(key, RouteKind.LEARNED, hops=tuple(sorted(Hop(via, ETH1) for via in gateways)))


def blackhole(prefix: Prefix) -> Route:
    return Route(RouteKey(prefix, metric=1024), RouteKind.BLACKHOLE)


def started(*found: Route) -> tuple[Forwarding, MemoryTable[RouteKey, Route]]:
    table = MemoryTable({route.key: route for route in found})
    forwarding = Forwarding(table, resync_s=90)
    forwarding.adopt(table.rows)
    return forwarding, table


def settle(forwarding: Forwarding) -> None:
    asyncio.run(forwarding.settle(1.0, may_erase=True))


def test_a_found_route_stays_until_the_peer_that_gave_it_has_spoken() -> None:
    forwarding, table = started(learned(BLOCK, A))
    assert forwarding.wait_for({BLOCK: frozenset({A})}, frozenset({A, B})) == set()
    assert forwarding.spoken(B) == set()
    settle(forwarding)
    assert set(table.rows) == {RouteKey(BLOCK, metric=1024)}
    assert forwarding.spoken(A) == {BLOCK}
    settle(forwarding)
    assert table.rows == {}


def test_a_found_route_of_unknown_origin_waits_for_every_peer_and_one_of_a_former_peer_for_none() -> None:
    forwarding, _ = started(learned(BLOCK, A), learned(OTHER, B))
    assert forwarding.wait_for({OTHER: frozenset({B})}, frozenset({A})) == {OTHER}
    assert forwarding.spoken(A) == {BLOCK}


def test_nothing_found_goes_before_it_is_known_who_the_peers_are() -> None:
    forwarding, table = started(learned(BLOCK, A), blackhole(OTHER))
    forwarding.spoken(A)
    settle(forwarding)
    assert len(table.rows) == 2


def test_a_found_route_that_is_wanted_again_is_not_touched() -> None:
    forwarding, table = started(learned(BLOCK, A))
    forwarding.wait_for({}, frozenset({A}))
    forwarding.want(BLOCK, learned(BLOCK, A))
    forwarding.spoken(A)
    outcome = asyncio.run(forwarding.settle(1.0, may_erase=True))
    assert not outcome.plan
    assert table.rows == {RouteKey(BLOCK, metric=1024): learned(BLOCK, A)}


def test_a_found_multipath_route_is_not_narrowed_while_one_giver_has_not_spoken() -> None:
    both = learned(BLOCK, A, B)
    forwarding, table = started(both)
    forwarding.wait_for({BLOCK: frozenset({A, B})}, frozenset({A, B}))
    forwarding.want(BLOCK, learned(BLOCK, A))
    settle(forwarding)
    assert table.rows[both.key] == both
    forwarding.spoken(A)
    assert forwarding.spoken(B) == {BLOCK}  # the caller wants it anew
    forwarding.want(BLOCK, learned(BLOCK, A))
    settle(forwarding)
    assert table.rows[both.key] == learned(BLOCK, A)


class Forgetful(MemoryTable[RouteKey, Route]):
    """A table that says yes and keeps nothing."""

    async def apply(self, plan: Plan[RouteKey, Route]) -> Mapping[RouteKey, Refused]:
        del plan
        return {}


def test_a_blackhole_counts_only_when_it_was_read_back() -> None:
    forwarding = Forwarding(MemoryTable(), resync_s=90)
    forwarding.want(OTHER, blackhole(OTHER))
    settle(forwarding)
    assert forwarding.blackholes == {RouteKey(OTHER, metric=1024)}

    forgetful = Forwarding(Forgetful(), resync_s=90)
    forgetful.want(OTHER, blackhole(OTHER))
    settle(forgetful)
    assert forgetful.blackholes == set()


def test_the_routes_over_a_device_are_known() -> None:
    forwarding, _ = started(learned(BLOCK, A))
    assert forwarding.over(ETH1) == {RouteKey(BLOCK, metric=1024)}
    forwarding.want(BLOCK, blackhole(BLOCK))
    assert forwarding.over(ETH1) == set()


def refused(route: Route, code: int) -> Outcome[RouteKey, Route]:
    return Outcome(Plan({route.key: route}), {route.key: Refused(route.key, "Nexthop has invalid gateway", code)})


def test_onlink_is_asked_for_only_where_a_device_route_leads_to_the_gateway() -> None:
    around = Surroundings()
    on_wire = ConnectedRoute(ip_network("172.20.0.2/32"), ETH1)
    around.look(ConnectedRoutes.of([on_wire]), ())
    assert around.force_onlink(refused(learned(BLOCK, A), 101))
    assert around.forced == {(A, ETH1)}
    assert not around.force_onlink(refused(learned(BLOCK, A), 101))  # once is enough

    behind = ConnectedRoute(ip_network("172.20.0.0/24"), ETH1, gateway=ip_address("10.0.0.1"))
    around.look(ConnectedRoutes.of([behind]), ())
    assert around.forced == set()  # the ground moved: the plain form is tried again
    assert not around.force_onlink(refused(learned(BLOCK, A), 101))
    around.look(ConnectedRoutes.of([on_wire]), ())
    assert not around.force_onlink(refused(learned(BLOCK, A), 1))  # not allowed to write: onlink would not help
