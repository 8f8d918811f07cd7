"""Choices to kernel routes."""

from ipaddress import ip_address, ip_network
from typing import Any

from birdpy.desired.fib import OURS, SERVICE, FibRules, blackholes, desired_routes, learned_route, reachable_by
from birdpy.desired.originate import own_blocks
from birdpy.rib.best_path import Choice
from birdpy.rib.next_hops import Resolution, Resolved, Unresolved
from birdpy.rib.path import Path
from birdpy.rib.prefixes import PrefixMap
from felixpy.model.addresses import Address
from felixpy.model.routes import Device, Hop, Route, RouteKey, RouteKind
from tests.unit.birdpy.builders import affinity, attributes, external, path, snapshot, speaker

RULES = FibRules(services=PrefixMap({ip_network("10.96.0.0/12"): "s"}))


def way(of: Path | Address) -> Resolution:
    hop = of.next_hop if isinstance(of, Path) else of
    assert hop is not None
    if hop in ip_network("10.9.0.0/16"):
        return Unresolved(f"no route to {hop}")
    return Resolved((Hop(hop, Device("eth0")),), ())


def chosen(*paths: Path, because: str = "only path") -> Choice:
    return Choice(paths[0], because, paths)


def test_a_learned_route_has_a_plain_gateway_and_its_provenance() -> None:
    route = learned_route(chosen(path(attributes=attributes(7), since=5.0)), way, RULES)
    assert isinstance(route, Route)
    assert route.key == RouteKey(ip_network("10.65.1.0/26"), 254, 1024)
    assert (route.kind, route.hops) == (RouteKind.LEARNED, (Hop(ip_address("10.0.0.2"), Device("eth0")),))
    origin = route.origin
    assert origin is not None
    assert (origin.kind, origin.name, str(origin.peer)) == ("peer", "Node_10_0_0_2", "10.0.0.2")
    assert (origin.as_path, origin.rule, origin.since) == ((7,), "only path", 5.0)


def test_paths_that_share_the_load_are_one_multipath_route() -> None:
    route = learned_route(chosen(path(), path(next_hop="10.0.0.3"), path(next_hop="10.9.0.1")), way, RULES)
    assert isinstance(route, Route)
    assert [str(hop.via) for hop in route.hops] == ["10.0.0.2", "10.0.0.3"]


def test_what_is_not_installed_says_why() -> None:
    own = path(next_hop=None, source="local", session="", peer=None)
    assert learned_route(chosen(own), way, RULES) == OURS
    assert learned_route(chosen(path("10.96.0.10/32")), way, RULES) == SERVICE
    assert learned_route(chosen(path("10.96.0.0/12")), way, RULES) == SERVICE
    assert learned_route(chosen(path(next_hop="10.9.0.1")), way, RULES) == "no route to 10.9.0.1"


def test_every_own_block_has_a_blackhole() -> None:
    blocks = own_blocks(snapshot(affinity("n1", "10.65.0.0/26"), affinity("n1", "10.65.9.9/32")), "n1")
    (route,) = blackholes(blocks, RULES).values()
    assert (route.kind, str(route.key.prefix), route.key.metric) == (RouteKind.BLACKHOLE, "10.65.0.0/26", 1024)
    assert route.origin is not None and route.origin.name == "n1-10-65-0-0-26"


def test_reachable_by_is_a_host_route_to_the_peer() -> None:
    peers = (
        external("192.0.2.9", reachable_by=ip_address("10.0.0.254"), defined_by="tor"),
        external("192.0.2.10", reachable_by=ip_address("10.9.0.1")),
        external(),
    )
    (route,) = reachable_by(speaker(*peers), way, RULES).values()
    assert (str(route.key.prefix), [str(hop.via) for hop in route.hops]) == ("192.0.2.9/32", ["10.0.0.254"])
    assert route.origin is not None and (route.origin.kind, route.origin.name) == ("reachable-by", "tor")


def test_all_routes_together_and_the_fixed_ones_win() -> None:
    blocks = blackholes(own_blocks(snapshot(affinity("n1", "10.65.0.0/26")), "n1"), RULES)
    other = path("10.65.0.0/26")
    choices: dict[Any, Choice] = {
        p.prefix: chosen(p) for p in (path(), other, path("10.96.0.1/32"), path("10.70.0.0/26", next_hop="10.9.0.1"))
    }
    found = desired_routes(choices, way, blocks.values(), RULES)
    assert {str(key.prefix): route.kind.value for key, route in found.items()} == {
        "10.65.1.0/26": "learned",
        "10.65.0.0/26": "blackhole",
    }


def test_what_a_filter_says_to_drop_is_dropped() -> None:
    route = learned_route(chosen(path(discard=True, next_hop="10.9.0.1")), way, RULES)
    assert isinstance(route, Route)
    assert (route.kind, route.hops) == (RouteKind.BLACKHOLE, ())
    assert route.origin is not None and route.origin.kind == "peer"
