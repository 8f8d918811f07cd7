"""Which peers this node has: mesh, global, node, reverse and local workload (Calico: confd bgp_processor.go). Pure.

A `Peering` is a wish before it has become a session. Order matters: the first definition of an address wins.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from birdpy.policy.cluster import BGP_PORT, Cluster, ClusterNode
from felixpy.model.addresses import Address, Asn, Family, family
from felixpy.model.errors import InvalidResource
from felixpy.model.resources import BGPPeer, Resource, WorkloadEndpoint
from felixpy.model.resources.formats import parse_peer_ip
from felixpy.model.selectors import matches, parse_selector
from felixpy.model.snapshot import Snapshot

Kind = Literal["Mesh", "Global", "Node", "Local_Workload"]
FAMILIES: tuple[Family, ...] = (4, 6)


@dataclass(frozen=True, slots=True)
class Peering:
    """One peer of this node, as one resource wishes it."""

    kind: Kind
    address: Address
    asn: Asn | None  # of the peer; None: nobody says
    port: int | None = None  # None: 179, and the session's name carries no port
    peer: Resource[BGPPeer] | None = None  # None for the mesh
    owner: ClusterNode | None = None  # the node of the cluster that has `address`
    by_address: bool = False  # given by peerIP here: only then its own AS settings hold
    reverse: bool = False  # made from another node's definition


Found = Iterator[Peering | InvalidResource]


def mesh(cluster: Cluster, here: ClusterNode) -> Iterator[Peering]:
    """A session with every other node, reflectors left out; none when this node is one or the mesh is off."""
    if here.cluster_id is not None or not cluster.configuration.node_to_node_mesh_enabled:
        return
    for other in cluster.nodes.values():
        if other.cluster_id is not None or other.name == here.name:
            continue
        for kind, address in other.addresses.items():
            if kind in here.addresses and cluster.owners.get(address) == other.name:
                yield Peering("Mesh", address, other.own_as or cluster.asn(here), other.port, owner=other)


def forward(cluster: Cluster, here: ClusterNode, peers: Mapping[str, Resource[BGPPeer]], kind: Kind) -> Found:
    """What BGPPeers say about this node itself: the "Global" ones, or the "Node" ones."""
    for peer in _in_order(peers):
        spec = peer.spec
        everywhere = not spec.node and not spec.node_selector
        if spec.local_workload_selector or everywhere != (kind == "Global"):
            continue
        try:
            if selected(spec, here):
                yield from _named(cluster, peer, kind) if spec.peer_ip else _chosen(cluster, peer, kind)
        except ValueError as error:
            yield _problem(peer, str(error))


def reverse(cluster: Cluster, here: ClusterNode, peers: Mapping[str, Resource[BGPPeer]]) -> Iterator[Peering]:
    """What follows for this node from other nodes' definitions, unless reversePeering is Manual.

    Malformed definitions are passed over: the node that they are for names them.
    """
    for peer in _in_order(peers):
        spec = peer.spec
        if spec.reverse_peering == "Manual" or spec.local_workload_selector:
            continue
        try:
            families = _aimed_at(cluster, here, spec)
            dialling = [node for node in cluster.nodes.values() if families and selected(spec, node)]
        except ValueError:
            continue
        for node in dialling:
            asn = spec.local_as_number if spec.peer_ip and spec.local_as_number else cluster.asn(node)
            for kind in families:
                if kind in node.addresses:
                    yield Peering("Node", node.addresses[kind], asn, node.port, peer=peer, owner=node, reverse=True)


def workloads(here: ClusterNode, snapshot: Snapshot) -> Found:
    """Sessions with pods of this node; a pod that several BGPPeers select goes with the first by name."""
    taken: set[str] = set()
    for peer in _in_order(snapshot.of(BGPPeer)):
        spec = peer.spec
        if not spec.local_workload_selector:
            continue
        try:
            wanted = parse_selector(spec.local_workload_selector)
            pods = _pods(here, snapshot) if selected(spec, here) else []
        except ValueError as error:
            yield _problem(peer, str(error))
            continue
        for pod in pods:
            if wanted.matches(pod.meta.labels) and pod.name not in taken:
                taken.add(pod.name)
                for address in _first_addresses(pod.spec):
                    yield Peering("Local_Workload", address, spec.as_number, peer=peer, by_address=True)


def selected(spec: BGPPeer, node: ClusterNode) -> bool:
    """Whether `node` is one of those that a BGPPeer is for; ValueError for a selector that cannot be read."""
    if spec.node_selector:
        return matches(spec.node_selector, node.labels)
    return not spec.node or spec.node == node.name


def _in_order(peers: Mapping[str, Resource[BGPPeer]]) -> list[Resource[BGPPeer]]:
    return [peers[name] for name in sorted(peers)]


def _problem(peer: Resource[BGPPeer], reason: str, field: str = "spec") -> InvalidResource:
    return InvalidResource(f"BGPPeer {peer.name}", field, reason)


def _named(cluster: Cluster, peer: Resource[BGPPeer], kind: Kind) -> Found:
    """The peer that `peerIP` names. A node's own port is implied only when address and AS are both that node's."""
    spec = peer.spec
    address, port = parse_peer_ip(spec.peer_ip)
    owner = cluster.owner(address)
    asn = spec.as_number or (cluster.asn(owner) if owner else None)
    if asn is None:
        yield _problem(peer, f"the AS of {address} is not known; set it", "spec.asNumber")
        return
    if port is None and owner is not None and asn == cluster.asn(owner):
        port = owner.port
    yield Peering(kind, address, asn, port, peer, owner, by_address=True)


def _chosen(cluster: Cluster, peer: Resource[BGPPeer], kind: Kind) -> Found:
    """The nodes that `peerSelector` selects, in each family that they have."""
    if not peer.spec.peer_selector:
        yield _problem(peer, "names no peer; set peerIP or peerSelector")
        return
    for node in cluster.nodes.values():
        if matches(peer.spec.peer_selector, node.labels):
            for address in node.addresses.values():
                yield Peering(kind, address, cluster.asn(node), node.port, peer, node)


def _aimed_at(cluster: Cluster, here: ClusterNode, spec: BGPPeer) -> tuple[Family, ...]:
    """The families in which a definition points at this node."""
    if spec.peer_selector:
        if spec.reachable_by is not None:  # needs peerIP: the forward end names the fault
            return ()
        return FAMILIES if matches(spec.peer_selector, here.labels) else ()
    if not spec.peer_ip:
        return ()
    address, port = parse_peer_ip(spec.peer_ip)
    mine = here.addresses.get(family(address)) == address
    mine = mine and (spec.reachable_by is None or family(spec.reachable_by) == family(address))
    same_as = (spec.as_number or cluster.configuration.as_number) == cluster.asn(here)
    same_port = port is None or port == (here.port or BGP_PORT)
    return (family(address),) if mine and same_as and same_port else ()


def _pods(here: ClusterNode, snapshot: Snapshot) -> list[Resource[WorkloadEndpoint]]:
    pods = snapshot.of(WorkloadEndpoint)
    return [pods[name] for name in sorted(pods) if pods[name].spec.node == here.name]


def _first_addresses(endpoint: WorkloadEndpoint) -> list[Address]:
    """The pod's first address of each family."""
    first: dict[Family, Address] = {}
    for network in endpoint.ip_networks:
        first.setdefault(family(network), network.network_address)
    return list(first.values())
