"""Nodes that a change cannot tell apart: a few of each stand for all of them. Pure.

A full mesh of 500 nodes has 250,000 sessions. All that tells a node from another (which selectors choose it, its AS,
cluster id, subnet, configuration of its own, its blocks and what rules say of them) makes its class; what happens
between members of two classes happens between all of them.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from birdpy.desired.services import EXCLUDED
from birdpy.policy.cluster import cluster
from felixpy.model.addresses import Prefix, contains
from felixpy.model.resources import (
    BGPConfiguration,
    BGPFilter,
    BGPPeer,
    BlockAffinity,
    EndpointSlice,
    IPAMBlock,
    IPPool,
    Node,
    WorkloadEndpoint,
)
from felixpy.model.resources.formats import parse_peer_ip
from felixpy.model.selectors import matches
from felixpy.model.snapshot import Snapshot

SMALL = 32  # so many nodes are all worked out, each for itself
KEPT = 4  # of a class: the one that acts, its peer, a third whose prefix it is, and one to compare with


@dataclass(frozen=True, slots=True)
class NodeClass:
    """Nodes that are alike, and those of them that are worked out."""

    members: tuple[str, ...]
    kept: tuple[str, ...]


def node_classes(before: Snapshot, after: Snapshot, small: int = SMALL) -> tuple[NodeClass, ...]:
    """The classes of the nodes of either snapshot; up to `small` nodes each is its own."""
    names = sorted(before.of(Node).keys() | after.of(Node).keys())
    if len(names) <= small:
        return tuple(NodeClass((name,), (name,)) for name in names)
    looks = [Look(snapshot) for snapshot in (before, after)]
    singled = looks[0].singled | looks[1].singled
    selectors = sorted(looks[0].selectors | looks[1].selectors)
    cidrs = sorted(looks[0].cidrs | looks[1].cidrs, key=str)
    found: dict[object, list[str]] = defaultdict(list)
    for name in names:
        own = name if name in singled else ""
        found[own, *(look.key(name, selectors, cidrs) for look in looks)].append(name)
    return tuple(NodeClass(tuple(members), tuple(members[:KEPT])) for members in found.values())


def only(snapshot: Snapshot, names: Collection[str]) -> Snapshot:
    """The snapshot as if the cluster had these nodes alone: without the others' blocks and pods."""
    kinds = dict(snapshot.kinds)
    kinds[Node] = {name: it for name, it in snapshot.of(Node).items() if name in names}
    kept = {name: it for name, it in snapshot.of(BlockAffinity).items() if it.spec.node in names}
    kinds[BlockAffinity] = kept
    cidrs = {it.spec.cidr for it in kept.values()}
    kinds[IPAMBlock] = {name: it for name, it in snapshot.of(IPAMBlock).items() if it.spec.cidr in cidrs}
    pods = snapshot.of(WorkloadEndpoint)
    kinds[WorkloadEndpoint] = {name: it for name, it in pods.items() if it.spec.node in names}
    return Snapshot(kinds, snapshot.listed, snapshot.stale, snapshot.problems)


@dataclass
class Look:
    """What one snapshot says that may tell nodes apart."""

    snapshot: Snapshot
    selectors: set[str] = field(default_factory=set)
    cidrs: set[Prefix] = field(default_factory=set)
    singled: set[str] = field(default_factory=set)  # nodes that something names

    def __post_init__(self) -> None:
        """Read everything once."""
        self._blocks: dict[str, list[BlockAffinity]] = defaultdict(list)
        for it in self.snapshot.of(BlockAffinity).values():
            self._blocks[it.spec.node].append(it.spec)
        for peer in self.snapshot.of(BGPPeer).values():
            self.selectors |= {peer.spec.node_selector, peer.spec.peer_selector} - {""}
        for pool in self.snapshot.of(IPPool).values():
            self.cidrs.add(pool.spec.cidr)
        for rules in self.snapshot.of(BGPFilter).values():
            every = (*rules.spec.export_v4, *rules.spec.import_v4, *rules.spec.export_v6, *rules.spec.import_v6)
            self.cidrs |= {rule.cidr for rule in every if rule.cidr is not None}
        for configuration in self.snapshot.of(BGPConfiguration).values():
            self.cidrs |= {it.cidr for it in configuration.spec.prefix_advertisements}
        self._cluster = cluster(self.snapshot)
        self._single_out()

    def _single_out(self) -> None:
        """Nodes that are named, that share an address or a block, or that have a pod with another's address."""
        for name in self.snapshot.of(BGPConfiguration):
            self.singled.add(name.removeprefix("node."))
        for peer in self.snapshot.of(BGPPeer).values():
            self.singled.add(peer.spec.node)
            owner = self._cluster.owner(parse_peer_ip(peer.spec.peer_ip)[0]) if peer.spec.peer_ip else None
            self.singled.add(owner.name if owner else "")
        for slices in self.snapshot.of(EndpointSlice).values():
            self.singled |= {endpoint.node_name for endpoint in slices.spec.endpoints}
        for name, node in self._cluster.nodes.items():
            if any(self._cluster.owners[address] != name for address in node.addresses.values()):
                self.singled |= {name, *(self._cluster.owners[address] for address in node.addresses.values())}
        claims: dict[Prefix, list[str]] = defaultdict(list)
        for name, blocks in self._blocks.items():
            for block in blocks:
                claims[block.cidr].append(name)
        self.singled |= {name for names in claims.values() if len(names) > 1 for name in names}
        local = any(peer.spec.local_workload_selector for peer in self.snapshot.of(BGPPeer).values())
        for pod in self.snapshot.of(WorkloadEndpoint).values():
            own = [block.cidr for block in self._blocks[pod.spec.node]]
            if local or not all(any(contains(block, it) for block in own) for it in pod.spec.ip_networks):
                self.singled.add(pod.spec.node)

    def key(self, name: str, selectors: Iterable[str], cidrs: Collection[Prefix]) -> object:
        """Equal for nodes that nothing here tells apart; None when there is no such node."""
        resource = self.snapshot.of(Node).get(name)
        if resource is None:
            return None
        node = self._cluster.nodes[name]
        chosen = tuple(_matches(selector, resource.meta.labels) for selector in selectors)
        blocks = Counter(block_key(block, cidrs) for block in self._blocks[name])
        nets = tuple(sorted(map(str, node.networks.values())))
        excluded = resource.meta.labels.get(EXCLUDED)
        return chosen, excluded, node.own_as, node.cluster_id, node.port, nets, frozenset(blocks.items())


def block_key(block: BlockAffinity, cidrs: Iterable[Prefix]) -> tuple[Any, ...]:
    """What may tell a block from another."""
    touched = tuple(contains(it, block.cidr) or contains(block.cidr, it) for it in cidrs)
    return block.state, block.type, block.deleted, block.cidr.prefixlen, touched


def _matches(selector: str, labels: dict[str, str]) -> bool | None:
    try:
        return matches(selector, labels)
    except ValueError:
        return None
