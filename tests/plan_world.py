"""Clusters on paper, for plans: nodes on one segment with a block each, and the changes that people make to them."""

from dataclasses import replace
from ipaddress import IPv4Address, ip_network
from typing import Any

from msgspec import structs

from felixpy.ipam.blocks import fresh_block
from felixpy.model.resources import BGPPeer, IPAMBlock, Node, Resource
from felixpy.model.snapshot import Gone, Put, Snapshot
from tests.unit.birdpy.builders import affinity, configuration, node, peer, pool, resource, snapshot


def address(number: int) -> str:
    """A node's own."""
    return str(IPv4Address("172.20.0.0") + number + 1)


def block(number: int) -> str:
    """A node's."""
    return f"{IPv4Address('10.64.0.0') + number * 64}/26"


def cluster(count: int, *more: Resource[Any], mesh: bool = True) -> Snapshot:
    """`count` nodes n0.. in a full mesh."""
    names = [f"n{number}" for number in range(count)]
    return snapshot(
        *(node(name, f"{address(i)}/16") for i, name in enumerate(names)),
        *(affinity(name, block(i)) for i, name in enumerate(names)),
        *(books(name, block(i)) for i, name in enumerate(names)),
        pool("10.64.0.0/12", "pods"), configuration(node_to_node_mesh_enabled=mesh),
        *more,
    )  # fmt: skip


def books(owner: str, cidr: str, used: int = 0) -> Resource[IPAMBlock]:
    """A block's books, with its first addresses given out."""
    made = fresh_block(ip_network(cidr), f"host:{owner}", 0.0)
    allocations = tuple(0 if i < used else it for i, it in enumerate(made.allocations))
    return resource(cidr.replace("/", "-").replace(".", "-"), structs.replace(made, allocations=allocations))


def put(before: Snapshot, *resources: Resource[Any]) -> Snapshot:
    """The snapshot with these objects in place of what has their names."""
    for one in resources:
        before = before.after(Put(type(one.spec), one))
    return before


def gone(before: Snapshot, kind: Any, name: str) -> Snapshot:
    """The snapshot without one object."""
    return before.after(Gone(kind, name))


def reflector(before: Snapshot, name: str) -> Resource[Node]:
    """The node as a route reflector, labelled so."""
    old = before.of(Node)[name]
    assert old.spec.bgp is not None
    bgp = structs.replace(old.spec.bgp, route_reflector_cluster_id=IPv4Address("224.0.0.1"))
    labels = {**old.meta.labels, "reflector": "yes"}
    return replace(old, meta=replace(old.meta, labels=labels), spec=structs.replace(old.spec, bgp=bgp))


def clients() -> Resource[BGPPeer]:
    """Every node with every reflector."""
    return peer("reflectors", node_selector="all()", peer_selector="has(reflector)")


def reflected(before: Snapshot, *names: str, mesh: bool = False) -> Snapshot:
    """The same cluster with reflectors instead of (or beside) the mesh."""
    made = put(before, *(reflector(before, name) for name in names), clients())
    return put(made, configuration(node_to_node_mesh_enabled=mesh))
