"""What objects may not do to each other."""

from ipaddress import ip_network
from typing import Any

import pytest

from felixpy.model.addresses import Asn
from felixpy.model.resources import (
    BGPConfiguration,
    BGPPeer,
    FelixConfiguration,
    IPAMBlock,
    IPPool,
    Metadata,
    Node,
    NodeBGP,
    Resource,
)
from felixpy.model.resources.cross import changed_what_is_fixed, cross_problems
from felixpy.model.snapshot import Put, Snapshot


def world(*resources: Resource[Any]) -> Snapshot:
    snapshot = Snapshot()
    for resource in resources:
        snapshot = snapshot.after(Put(type(resource.spec), resource))
    return snapshot


def pool(name: str, cidr: str, size: int = 26) -> Resource[IPPool]:
    return Resource(Metadata(name), IPPool(cidr=ip_network(cidr), block_size=size))


def node(name: str, address: str, **labels: str) -> Resource[Node]:
    return Resource(Metadata(name, labels=labels), Node(bgp=NodeBGP(ipv4_address=address)))


def peer(**fields: Any) -> Resource[BGPPeer]:
    return Resource(Metadata("p"), BGPPeer(**fields))


N1, N2 = node("n1", "10.0.0.1/24", rack="a"), node("n2", "10.0.0.2/24", rack="b")

FATAL = [
    (world(pool("a", "10.65.0.0/16"), pool("b", "10.65.128.0/17")), "spec.cidr", "overlaps 10.65.0.0/16 of IPPool/a"),
    (world(pool("a", "10.65.0.0/24"), pool("b", "10.0.0.0/8")), "spec.cidr", "overlaps"),
    (world(N1, node("n9", "10.0.0.1/16")), "spec.bgp.ipv4Address", "is the address of Node/n1 too"),
    (world(N1, N2, peer(peer_ip="10.0.0.1", node="n1")), "spec.peerIP", "is Node/n1 itself"),
    (world(N1, N2, peer(peer_ip="10.0.0.1:1179", node_selector="rack == 'a'")), "spec.peerIP", "is Node/n1 itself"),
    (world(pool("a", "10.65.0.0/16"), Resource(Metadata("b"), IPAMBlock(cidr=ip_network("10.65.0.0/28")))),
     "spec.blockSize", "IPAMBlock/b is a /28"),
]  # fmt: skip
FINE = [
    world(pool("a", "10.65.0.0/16"), pool("b", "10.66.0.0/16"), pool("c", "fd00::/48", 122)),
    world(N1, N2),
    world(N1, Resource(Metadata("n3"), Node()), peer(peer_ip="10.0.0.9", filters=())),
    world(Resource(Metadata("default"), BGPConfiguration()), Resource(Metadata("default"), FelixConfiguration())),
    world(N1, N2, peer(peer_ip="10.0.0.1")),  # a route reflector that all others peer with
    world(N1, N2, peer(peer_ip="10.0.0.1", node_selector="all()")),
    world(N1, N2, peer(peer_ip="10.0.0.1", node="n2")),
    world(N1, peer(peer_selector="all()", node="n1")),
    world(pool("a", "10.65.0.0/16"), Resource(Metadata("b"), IPAMBlock(cidr=ip_network("10.65.0.0/26")))),
]
NOTES = [
    (world(peer(filters=("gone",))), "spec.filters[0]", "there is no BGPFilter gone"),
    (world(N1, peer(node="n7")), "spec.node", "there is no Node n7"),
    (world(Resource(Metadata("n1"), BGPConfiguration(as_number=Asn(1)))), "metadata.name", "no effect"),
    (world(Resource(Metadata("default"), BGPConfiguration()),
           Resource(Metadata("default"), FelixConfiguration(ipv4_normal_route_priority=7))),
     "spec.ipv4NormalRoutePriority", "must be what FelixConfiguration/default has, 7"),
]  # fmt: skip


@pytest.mark.parametrize(("snapshot", "field", "reason"), FATAL, ids=range(len(FATAL)))
def test_a_fatal_problem_names_both_objects(snapshot: Snapshot, field: str, reason: str) -> None:
    (problem,) = cross_problems(snapshot)
    assert problem.fatal and problem.other
    assert problem.field == field and reason in problem.reason


@pytest.mark.parametrize("snapshot", FINE, ids=range(len(FINE)))
def test_what_only_looks_like_one_is_fine(snapshot: Snapshot) -> None:
    assert cross_problems(snapshot) == ()


@pytest.mark.parametrize(("snapshot", "field", "reason"), NOTES, ids=range(len(NOTES)))
def test_what_has_no_effect_is_noted(snapshot: Snapshot, field: str, reason: str) -> None:
    (problem,) = cross_problems(snapshot)
    assert not problem.fatal
    assert problem.field == field and reason in problem.reason


def test_a_problem_concerns_both_of_its_objects() -> None:
    first, second, third = pool("a", "10.65.0.0/16"), pool("b", "10.65.0.0/24"), pool("c", "10.66.0.0/16")
    (problem,) = cross_problems(world(first, second, third))
    assert [problem.concerns(it) for it in (first, second, third)] == [True, True, False]


def test_a_pool_keeps_its_range_and_block_size() -> None:
    old = pool("a", "10.65.0.0/16")
    assert changed_what_is_fixed(old, old) is None
    assert changed_what_is_fixed(N1, N2) is None
    for new in (pool("a", "10.66.0.0/16"), pool("a", "10.65.0.0/16", 27)):
        problem = changed_what_is_fixed(old, new)
        assert problem is not None and "delete the pool" in problem.reason
