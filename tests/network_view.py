"""A network on paper: nodes on one segment, each with its block, its pods and routes to all other blocks."""

from collections.abc import Iterable
from ipaddress import ip_network

import msgspec

from felixpy.insight.view import NetworkView, NodeView
from felixpy.ipam.blocks import fresh_block
from felixpy.model.facts import AddressFact, LinkFact, NodeFacts, RouteFact, WayFact
from felixpy.model.resources import BlockAffinity, IPAMBlock, IPPool, Metadata, Node, Resource
from felixpy.model.snapshot import Listed, Snapshot
from felixpy.model.status import EndpointsStatus, EndpointStatus, PeersStatus, PeerStatus

SYSCTLS = {"net/ipv4/ip_forward": "1"}


def route(prefix: str, *ways: WayFact, kind: str = "unicast", metric: int = 0, table: int = 254) -> RouteFact:
    """One route of a node's facts."""
    return RouteFact(prefix=prefix, table=table, metric=metric, kind=kind, protocol="bird", ways=ways)


def via(address: str, device: str = "eth1") -> WayFact:
    """A next hop."""
    return WayFact(via=address, device=device)


def onto(device: str) -> WayFact:
    """Straight onto a device."""
    return WayFact(via=None, device=device)


def segment(count: int, pods: int = 1) -> NetworkView:
    """`count` nodes n0.. at 172.20.x.y with the block 10.(65+).x.0/24 each, `pods` pods on each, in perfect order."""
    numbers = range(count)
    nodes = {f"n{number}": _node(number, count, pods) for number in numbers}
    return NetworkView(nodes, _resources(numbers))


def changed(view: NetworkView, name: str, *extra: RouteFact, without: Iterable[str] = ()) -> NetworkView:
    """The same network with other routes on one node."""
    node = view.nodes[name]
    assert node.facts is not None
    gone = set(without)
    routes = (*(it for it in node.facts.routes if it.prefix not in gone), *extra)
    facts = msgspec.structs.replace(node.facts, routes=routes)
    other = NodeView(name, facts, node.endpoints, node.routes, node.peers, node.health, node.system, node.why)
    return NetworkView({**view.nodes, name: other}, view.snapshot)


def address(number: int) -> str:
    """A node's own address."""
    return f"172.20.{number >> 8}.{(number & 255)}"


def block(number: int) -> str:
    """A node's block."""
    return f"10.{65 + (number >> 8)}.{number & 255}.0/24"


def pod(number: int, pod: int) -> str:
    """A pod's address."""
    return block(number).replace(".0/24", f".{pod + 1}")


def _node(number: int, count: int, pods: int) -> NodeView:
    name = f"n{number}"
    links = [
        LinkFact(
            name="eth1",
            index=2,
            up=True,
            carrier=True,
            mac=f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}",
            mtu=1500,
            kind="veth",
        )
    ]
    links += [
        LinkFact(
            name=f"cali{it}", index=3 + it, up=True, carrier=True, mac="ee:ee:ee:ee:ee:ee", mtu=1500, kind="veth"
        )
        for it in range(pods)
    ]
    routes = [
        route("172.20.0.0/16", onto("eth1")),
        route(f"{address(number)}/32", onto("eth1"), kind="local", table=255),
    ]
    routes += [route(f"{pod(number, it)}/32", onto(f"cali{it}")) for it in range(pods)]
    routes += [route(block(number), kind="blackhole", metric=1024)]
    routes += [route(block(it), via(address(it)), metric=1024) for it in range(count) if it != number]
    facts = NodeFacts(
        node=name, taken=1000.0, links=tuple(links), routes=tuple(routes), sysctls=SYSCTLS,
        addresses=(AddressFact(device="eth1", address=address(number), subnet="172.20.0.0/16"),),
    )  # fmt: skip
    endpoints = tuple(
        EndpointStatus(
            name=f"default/{name}-p{it}", pod=f"default/p{number}-{it}", device=f"cali{it}",
            addresses=(pod(number, it),), mac=None, state="up",
        )
        for it in range(pods)
    )  # fmt: skip
    peers = tuple(
        PeerStatus(
            name=f"Mesh_{it}", address=address(it), type="mesh", asn=64512, local_as=64512, state="established"
        )
        for it in range(count) if it != number
    )  # fmt: skip
    return NodeView(
        name, facts, EndpointsStatus(node=name, endpoints=endpoints),
        peers=PeersStatus(node=name, router_id=address(number), local_as=64512, peers=peers),
    )  # fmt: skip


def _resources(numbers: Iterable[int]) -> Snapshot:
    nodes = {f"n{it}": Resource(Metadata(f"n{it}"), Node()) for it in numbers}
    claims = [BlockAffinity(cidr=ip_network(block(it)), node=f"n{it}", state="confirmed") for it in numbers]
    affinities = {it.node: Resource(Metadata(f"{it.node}-block"), it) for it in claims}
    pools = {"all": Resource(Metadata("all"), IPPool(cidr=ip_network("10.64.0.0/10"), block_size=24))}
    snapshot = Snapshot()
    books = {it.node: Resource(Metadata(it.node), fresh_block(it.cidr, f"host:{it.node}", 0.0)) for it in claims}
    for kind, objects in ((Node, nodes), (BlockAffinity, affinities), (IPAMBlock, books), (IPPool, pools)):
        snapshot = snapshot.after(Listed(kind, objects))
    return snapshot
