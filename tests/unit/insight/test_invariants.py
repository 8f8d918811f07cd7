"""What `felixpy check` finds on networks on paper: each fault planted, found with its proof, and nothing else."""

from dataclasses import replace

import msgspec
import pytest

from felixpy.insight.invariants import violations
from felixpy.insight.view import NetworkView, NodeView
from felixpy.model.addresses import parse_address
from felixpy.model.facts import NodeFacts, RuleFact
from felixpy.model.resources import BGPConfiguration, BlockAffinity, IPAMBlock, Metadata, Resource
from felixpy.model.resources.node import Node, NodeBGP
from felixpy.model.snapshot import Listed, Put
from tests.network_view import address, block, changed, onto, pod, route, segment, via

NOW = 2000.0


def found(view: NetworkView) -> list[tuple[str, str, str, str]]:
    return [(it.invariant, it.subject, it.node, it.proof) for it in violations(view, NOW) if it.invariant != "books"]


def without_facts(view: NetworkView, name: str) -> NetworkView:
    return NetworkView({**view.nodes, name: replace(view.nodes[name], facts=None)}, view.snapshot)


def with_facts(view: NetworkView, name: str, **fields: object) -> NetworkView:
    facts = view.nodes[name].facts
    assert facts is not None
    other: NodeFacts = msgspec.structs.replace(facts, **fields)
    return NetworkView({**view.nodes, name: replace(view.nodes[name], facts=other)}, view.snapshot)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_network_in_order_has_no_fault(count: int) -> None:
    assert found(segment(count, pods=2)) == []


def test_two_nodes_that_send_a_block_to_each_other_are_a_loop_for_its_pods_and_for_itself() -> None:
    view = changed(segment(3), "n1", route(block(0), via(address(2))), without=[block(0)])
    view = changed(view, "n2", route(block(0), via(address(1))), without=[block(0)])
    loops = {(what, subject, node) for what, subject, node, _ in found(view)}
    assert loops == {
        ("loop", f"{pod(0, 0)} (default/p0-0 on n0)", "n1"),
        ("loop", f"{pod(0, 0)} (default/p0-0 on n0)", "n2"),
        ("loop", f"block {block(0)} of n0", "n1"),
        ("loop", f"block {block(0)} of n0", "n2"),
    }


def test_a_node_without_a_route_to_a_block_reaches_none_of_its_pods() -> None:
    view = changed(segment(3), "n1", without=[block(0)])
    assert found(view) == [
        ("pod-reachable", f"{pod(0, 0)} (default/p0-0 on n0)", "n1", "from n1: no route at n1"),
        ("block-deliverable", f"block {block(0)} of n0", "n1", "from n1: no route at n1"),
    ]


def test_a_wrong_host_route_on_one_node_misleads_that_pod_only() -> None:
    view = changed(segment(3, pods=2), "n1", route(f"{pod(0, 1)}/32", via(address(2))))
    # n2 itself knows better than n1 does, so the packet comes home all the same: a detour, no fault.
    assert found(view) == []
    view = changed(view, "n2", route(f"{pod(0, 1)}/32", kind="unreachable"))
    assert found(view) == [
        ("pod-reachable", f"{pod(0, 1)} (default/p0-1 on n0)", "n1", "from n1: dropped by a route at n2 (n1 > n2)"),
        ("pod-reachable", f"{pod(0, 1)} (default/p0-1 on n0)", "n2", "from n2: dropped by a route at n2"),
    ]


def test_a_pod_without_its_own_route_at_home_is_dropped_by_the_blackhole() -> None:
    view = changed(segment(2), "n0", without=[f"{pod(0, 0)}/32"])
    proof = "from n0: dropped by a route at n0"
    assert found(view) == [("pod-reachable", f"{pod(0, 0)} (default/p0-0 on n0)", "n0", proof)]


def test_a_block_without_blackhole_is_named_at_its_node() -> None:
    view = changed(segment(2), "n0", route("0.0.0.0/0", via("172.20.9.9")), without=[block(0)])
    assert ("blackhole", f"block {block(0)}", "n0") in [row[:3] for row in found(view)]
    assert ("block-deliverable", f"block {block(0)} of n0", "n1") in [row[:3] for row in found(view)]


def test_an_address_on_two_nodes_is_named_with_both() -> None:
    view = segment(2)
    endpoints = view.nodes["n1"].endpoints
    assert endpoints is not None
    twice = msgspec.structs.replace(endpoints.endpoints[0], addresses=(pod(0, 0),))
    node = replace(view.nodes["n1"], endpoints=msgspec.structs.replace(endpoints, endpoints=(twice,)))
    rows = found(NetworkView({**view.nodes, "n1": node}, view.snapshot))
    assert rows[0] == ("pod-reachable", pod(0, 0), "", "held by default/p0-0 on n0 and default/p1-0 on n1")


def test_a_node_that_does_not_forward_delivers_no_packet_of_others() -> None:
    view = with_facts(segment(2), "n0", sysctls={"net/ipv4/ip_forward": "0"})
    assert {(row[0], row[2]) for row in found(view)} == {("pod-reachable", "n1"), ("block-deliverable", "n1")}
    assert all("the node does not forward" in row[3] for row in found(view))


def test_a_link_without_carrier_is_named() -> None:
    view = segment(2)
    facts = view.nodes["n1"].facts
    assert facts is not None
    down = tuple(msgspec.structs.replace(it, carrier=False) if it.name == "eth1" else it for it in facts.links)
    rows = found(with_facts(view, "n1", links=down))
    assert {(row[2], row[3]) for row in rows} == {("n1", "from n1: the link is down at n1")}


def test_a_node_that_nobody_could_look_into_is_no_fault() -> None:
    assert found(without_facts(segment(3), "n1")) == []


def test_a_session_that_only_one_end_has_and_one_that_is_down_are_named() -> None:
    view = segment(2)
    peers = view.nodes["n0"].peers
    assert peers is not None
    alone = replace(view.nodes["n0"], peers=msgspec.structs.replace(peers, peers=()))
    rows = found(NetworkView({**view.nodes, "n0": alone}, view.snapshot))
    assert rows == [("sessions", "n1 - n0", "n1", "n1 has Mesh_0, and n0 has no session with an address of n1")]
    down = msgspec.structs.replace(peers.peers[0], state="connect", last_error="connection refused")
    broken = replace(view.nodes["n0"], peers=msgspec.structs.replace(peers, peers=(down,)))
    rows = found(NetworkView({**view.nodes, "n0": broken}, view.snapshot))
    assert rows == [("sessions", "n0 - n1", "n0", "Mesh_1 is connect: connection refused")]


def test_the_only_reflector_of_a_cluster_without_mesh_is_named() -> None:
    view = segment(3)
    off = Resource(Metadata("default"), BGPConfiguration(node_to_node_mesh_enabled=False))
    reflector = Resource(Metadata("n0"), Node(bgp=NodeBGP(route_reflector_cluster_id=parse_address("1.0.0.1"))))
    snapshot = view.snapshot.after(Listed(BGPConfiguration, {"default": off})).after(Put(Node, reflector))
    assert [row[:3] for row in found(NetworkView(view.nodes, snapshot))] == [("reflectors", "n0", "")]


def test_the_books_of_addresses_are_part_of_the_check() -> None:
    view = segment(2)
    affinity = view.snapshot.of(BlockAffinity)["n0"].spec
    wrong = IPAMBlock(
        cidr=affinity.cidr, affinity="host:n1", allocations=(None,) * 256, unallocated=tuple(range(256))
    )
    snapshot = view.snapshot.after(Listed(IPAMBlock, {"b": Resource(Metadata("b"), wrong)}))
    books = [it for it in violations(NetworkView(view.nodes, snapshot), NOW) if it.invariant == "books"]
    assert any(f"block {block(0)}" in it.subject and "host:n1" in it.proof for it in books)


def test_switches_and_outsiders_need_not_know_every_pod() -> None:
    view = segment(2)
    facts = view.nodes["n0"].facts
    assert facts is not None
    tor = NodeView("tor", msgspec.structs.replace(facts, node="tor", routes=(), addresses=()))
    assert found(NetworkView({**view.nodes, "tor": tor}, view.snapshot)) == []


def test_equal_ways_are_all_followed() -> None:
    view = changed(segment(3), "n1", route(block(0), via(address(0)), via(address(2))), without=[block(0)])
    assert found(view) == []
    broken = changed(view, "n2", route(block(0), kind="unreachable"), without=[block(0)])
    assert {row[2] for row in found(broken)} == {"n1", "n2"}


def test_a_route_onto_the_wrong_interface_is_not_the_pods() -> None:
    view = changed(segment(2, pods=2), "n0", route(f"{pod(0, 0)}/32", onto("cali1")), without=[f"{pod(0, 0)}/32"])
    assert ("pod-reachable", f"{pod(0, 0)} (default/p0-0 on n0)", "n0") in [row[:3] for row in found(view)]


def test_a_rule_about_one_pod_is_seen_although_its_block_is_in_order() -> None:
    rules = (
        RuleFact(family=4, priority=0, table=255, action="lookup"),
        RuleFact(family=4, priority=10, table=0, action="prohibit", destination=f"{pod(0, 0)}/32"),
        RuleFact(family=4, priority=32766, table=254, action="lookup"),
    )
    proof = "from n1: dropped by a route at n1"
    assert found(with_facts(segment(3), "n1", rules=rules)) == [
        ("pod-reachable", f"{pod(0, 0)} (default/p0-0 on n0)", "n1", proof)
    ]
