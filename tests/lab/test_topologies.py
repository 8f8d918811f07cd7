"""The other topologies that we ship, each on the real kernel and against real FRR: what it is there to show."""

import json
from collections.abc import Iterator
from functools import partial

import pytest

from tests.lab.conftest import Running, deployed, until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def leaf_spine() -> Iterator[Running]:
    yield from deployed("leaf-spine")


@pytest.fixture(scope="module")
def route_reflector() -> Iterator[Running]:
    yield from deployed("route-reflector")


@pytest.fixture(scope="module")
def dual_stack() -> Iterator[Running]:
    yield from deployed("dual-stack")


@pytest.fixture(scope="module")
def routed() -> Iterator[Running]:
    yield from deployed("routed")


def gateways(lab: Running, node: str, *options: str) -> dict[str, set[str]]:
    """The learned routes of a node's kernel: prefix -> gateways."""
    learned = [
        route for route in lab.routes(node, *options) if route.get("protocol") == "bird" and "type" not in route
    ]
    return {
        route["dst"]: {hop["gateway"] for hop in route["nexthops"]} if "nexthops" in route else {route["gateway"]}
        for route in learned
    }


def blocks(lab: Running) -> dict[str, str]:
    """Each node's first block, by node."""
    listed = lab.labs.felixpy("get", "blockaffinities", "--lab", lab.name, "-o", "json").stdout
    return {item["spec"]["node"]: item["spec"]["cidr"] for item in json.loads(listed)["items"]}


def test_leaf_spine_has_two_equal_paths_everywhere_and_no_mesh(leaf_spine: Running) -> None:
    own = blocks(leaf_spine)
    until(lambda: gateways(leaf_spine, "n1").get(own["n3"]) == {"10.1.1.1", "10.1.2.1"})
    until(lambda: gateways(leaf_spine, "n3").get(own["n1"]) == {"10.2.1.1", "10.2.2.1"})
    peers = leaf_spine.ask("birdpy", "peers", node="n1")["peers"]
    assert {peer["address"] for peer in peers} == {"10.1.1.1", "10.1.2.1"}
    table = leaf_spine.vtysh("spine1", "show ip route")
    assert len(table[own["n1"]][0]["nexthops"]) == 2
    pods = leaf_spine.pods()
    until(lambda: leaf_spine.reaches(pods["a"].where, pods["c"].address))
    assert leaf_spine.reaches(pods["a"].where, pods["b"].address)


def test_leaf_spine_survives_a_leaf(leaf_spine: Running) -> None:
    own, pods = blocks(leaf_spine), leaf_spine.pods()
    until(lambda: leaf_spine.reaches(pods["a"].where, pods["c"].address))
    leaf_spine.exec("leaf1a", "ip", "link", "set", "eth3", "down")
    try:
        until(lambda: gateways(leaf_spine, "n1").get(own["n3"]) == {"10.1.2.1"})
        assert leaf_spine.reaches(pods["a"].where, pods["c"].address)
    finally:
        leaf_spine.exec("leaf1a", "ip", "link", "set", "eth3", "up")
    until(lambda: gateways(leaf_spine, "n1").get(own["n3"]) == {"10.1.1.1", "10.1.2.1"}, 60)


def test_a_reflector_hands_on_and_its_clients_speak_with_it_alone(route_reflector: Running) -> None:
    own, pods = blocks(route_reflector), route_reflector.pods()
    wanted = {own["n2"]: {"172.20.0.12"}, own["n3"]: {"172.20.0.13"}}  # the reflected next hop is the owner's
    until(lambda: gateways(route_reflector, "n1") == wanted)
    for node in ("n1", "n2", "n3"):
        peers = route_reflector.ask("birdpy", "peers", node=node)["peers"]
        assert [peer["address"] for peer in peers] == ["172.20.0.10"]
    until(lambda: route_reflector.reaches(pods["a"].where, pods["c"].address))


def test_without_the_reflector_nobody_knows_anybody(route_reflector: Running) -> None:
    """The negative control: it really is the reflector that tells. A peer that is gone for good is forgotten."""
    sessions = route_reflector.ask("birdpy", "config", node="rr")["sessions"]
    assert {session["address"] for session in sessions} == {"172.20.0.11", "172.20.0.12", "172.20.0.13"}
    assert all(session["route_reflector_client"] and session["cluster_id"] == "244.0.0.1" for session in sessions)
    done = route_reflector.labs.felixpy("delete", "bgppeer", "reflectors", "--lab", route_reflector.name)
    assert done.returncode == 0, done.stderr
    until(lambda: gateways(route_reflector, "n1") == {})
    route_reflector.exec("rr", "felixpy", "apply", "-f", "/etc/felixpy/resources.yaml")
    until(lambda: len(gateways(route_reflector, "n1")) == 2)


def test_dual_stack_carries_each_family_on_its_own_session(dual_stack: Running) -> None:
    pods = dual_stack.pods()
    four, six = pods["b"].addresses
    for address in (four, six):
        until(partial(dual_stack.reaches, "n1/a", address))
        until(partial(dual_stack.reaches, "out", address))
    until(lambda: {"172.20.0.12"} in gateways(dual_stack, "n1").values())
    until(lambda: {"2001:db8:20::12"} in gateways(dual_stack, "n1", "-6").values())
    summary = dual_stack.vtysh("tor", "show bgp summary")
    assert set(summary["ipv4Unicast"]["peers"]) >= {"172.20.0.11", "172.20.0.12"}
    assert all(peer["pfxRcd"] == 1 for peer in summary["ipv6Unicast"]["peers"].values())


def test_a_next_hop_behind_a_router_is_reached_through_it(routed: Running) -> None:
    own, pods = blocks(routed), routed.pods()
    until(lambda: gateways(routed, "n1").get(own["n2"]) == {"172.20.1.1"})
    until(lambda: routed.reaches(pods["a"].where, pods["b"].address))
    assert not [route for route in routed.routes("n1") if "onlink" in route.get("flags", [])]


def test_without_the_way_to_the_next_hop_the_route_goes_and_explain_says_why(routed: Running) -> None:
    own, pods = blocks(routed), routed.pods()
    until(lambda: own["n2"] in gateways(routed, "n1"))
    routed.exec("n1", "ip", "route", "delete", "172.20.2.0/24")
    try:
        until(lambda: own["n2"] not in gateways(routed, "n1"), 5)
        told = str(routed.ask("birdpy", "explain", own["n2"], node="n1"))
        assert "172.20.2.12" in told
        assert "unresolved" in told
        assert not routed.reaches(pods["a"].where, pods["b"].address)
    finally:
        routed.exec("n1", "ip", "route", "add", "172.20.2.0/24", "via", "172.20.1.1")
    until(lambda: gateways(routed, "n1").get(own["n2"]) == {"172.20.1.1"}, 60)
    until(lambda: routed.reaches(pods["a"].where, pods["b"].address))
