"""What is wrong between objects, each of them valid alone. Pure.

`apply` refuses an object that brings in a fatal problem; daemons go on with the rest and may show all of them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from felixpy.model.addresses import Address, Prefix, contains, parse_address
from felixpy.model.resources.base import Resource
from felixpy.model.resources.bgp import BGPConfiguration, BGPFilter, BGPPeer
from felixpy.model.resources.felix import FelixConfiguration
from felixpy.model.resources.formats import parse_peer_ip
from felixpy.model.resources.ipam import IPAMBlock, IPPool
from felixpy.model.resources.kinds import Spec, kind_of
from felixpy.model.resources.node import Node
from felixpy.model.resources.problem import Problem
from felixpy.model.selectors import matches
from felixpy.model.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class CrossProblem:
    """A problem between the object `kind`/`name` and, if there is one, `other`. Not fatal: shown, never refused."""

    kind: type[Spec]
    name: str
    field: str
    reason: str
    other: str = ""
    fatal: bool = True

    def concerns(self, resource: Resource[Any]) -> bool:
        """Whether `resource` is one of the two objects."""
        shown = f"{kind_of(resource.spec).name}/{resource.name}"
        return shown in (f"{kind_of(self.kind).name}/{self.name}", self.other)


KINDS_NEEDED: tuple[type[Spec], ...] = (
    IPPool, Node, BGPPeer, BGPFilter, BGPConfiguration, FelixConfiguration, IPAMBlock,
)  # fmt: skip


def cross_problems(snapshot: Snapshot) -> tuple[CrossProblem, ...]:
    """Every problem between the objects of `snapshot`, in a stable order."""
    checks: tuple[Callable[[Snapshot], Iterator[CrossProblem]], ...] = (
        _overlapping_pools, _blocks_of_another_size, _one_address_twice, _peers_to_themselves, _missing_references,
        _unread_names, _different_priorities,
    )  # fmt: skip
    return tuple(problem for check in checks for problem in check(snapshot))


def changed_what_is_fixed(old: Resource[Any], new: Resource[Any]) -> Problem | None:
    """The field that may not change while the object lives."""
    if isinstance(old.spec, IPPool):
        for field, before, after in (
            ("cidr", old.spec.cidr, new.spec.cidr),
            ("blockSize", old.spec.block_size, new.spec.block_size),
        ):
            if before != after:
                return Problem(field, f"cannot change from {before} to {after}: delete the pool and make a new one")
    return None


def overlap(one: Prefix, other: Prefix) -> bool:
    """Whether the two share an address."""
    return contains(one, other) or contains(other, one)


def _overlapping_pools(snapshot: Snapshot) -> Iterator[CrossProblem]:
    for (first, one), (second, other) in combinations(sorted(snapshot.of(IPPool).items()), 2):
        if overlap(one.spec.cidr, other.spec.cidr):
            reason = f"{other.spec.cidr} overlaps {one.spec.cidr} of IPPool/{first}: choose another range"
            yield CrossProblem(IPPool, second, "spec.cidr", reason, f"IPPool/{first}")


def _blocks_of_another_size(snapshot: Snapshot) -> Iterator[CrossProblem]:
    for name, pool in sorted(snapshot.of(IPPool).items()):
        for block, resource in snapshot.of(IPAMBlock).items():
            cidr = resource.spec.cidr
            if cidr.prefixlen != pool.spec.block_size and overlap(pool.spec.cidr, cidr):
                reason = (
                    f"IPAMBlock/{block} is a /{cidr.prefixlen} inside {pool.spec.cidr}: use that size, or free it"
                )
                yield CrossProblem(IPPool, name, "spec.blockSize", reason, f"IPAMBlock/{block}")
                break


def node_addresses(node: Node) -> Iterator[tuple[str, Address]]:
    """The BGP addresses of a node with the fields that hold them; what cannot be read is left out."""
    if node.bgp is None:
        return
    for field, text in (("ipv4Address", node.bgp.ipv4_address), ("ipv6Address", node.bgp.ipv6_address)):
        if text:
            yield field, parse_address(text.partition("/")[0])


def _one_address_twice(snapshot: Snapshot) -> Iterator[CrossProblem]:
    owners: dict[Address, str] = {}
    for name, node in sorted(snapshot.of(Node).items()):
        for field, address in node_addresses(node.spec):
            owner = owners.setdefault(address, name)
            if owner != name:
                reason = f"{address} is the address of Node/{owner} too: every node needs its own"
                yield CrossProblem(Node, name, f"spec.bgp.{field}", reason, f"Node/{owner}")


def _peers_to_themselves(snapshot: Snapshot) -> Iterator[CrossProblem]:
    """A peer whose only nodes are the peer itself. One that also selects others is normal: a route reflector."""
    nodes = snapshot.of(Node)
    for name, resource in sorted(snapshot.of(BGPPeer).items()):
        peer = resource.spec
        if not peer.peer_ip or not (peer.node or peer.node_selector):
            continue
        address, _ = parse_peer_ip(peer.peer_ip)
        selected = [n for n, node in nodes.items() if _selects(peer, n, node.meta.labels)]
        if selected and all(address in _addresses(nodes[n]) for n in selected):
            reason = f"{address} is Node/{selected[0]} itself, the only node that would peer with it"
            yield CrossProblem(BGPPeer, name, "spec.peerIP", reason, f"Node/{selected[0]}")


def _selects(peer: BGPPeer, name: str, labels: Mapping[str, str]) -> bool:
    return peer.node == name if peer.node else matches(peer.node_selector, labels)


def _addresses(node: Resource[Node]) -> set[Address]:
    return {address for _, address in node_addresses(node.spec)}


def _missing_references(snapshot: Snapshot) -> Iterator[CrossProblem]:
    for name, peer in sorted(snapshot.of(BGPPeer).items()):
        for i, wanted in enumerate(peer.spec.filters):
            if wanted not in snapshot.of(BGPFilter):
                reason = f"there is no BGPFilter {wanted}: nothing is filtered by it"
                yield CrossProblem(BGPPeer, name, f"spec.filters[{i}]", reason, fatal=False)
        if peer.spec.node and snapshot.of(Node) and peer.spec.node not in snapshot.of(Node):
            reason = f"there is no Node {peer.spec.node}: nobody has this peer"
            yield CrossProblem(BGPPeer, name, "spec.node", reason, fatal=False)


def _unread_names(snapshot: Snapshot) -> Iterator[CrossProblem]:
    for kind in (BGPConfiguration, FelixConfiguration):
        for name in sorted(snapshot.of(kind)):
            if name != "default" and not name.startswith("node."):
                reason = "only default and node.NAME are read: this object has no effect"
                yield CrossProblem(kind, name, "metadata.name", reason, fatal=False)


def _different_priorities(snapshot: Snapshot) -> Iterator[CrossProblem]:
    bgp, felix = snapshot.of(BGPConfiguration).get("default"), snapshot.of(FelixConfiguration).get("default")
    if bgp is None or felix is None:
        return
    for field, one, other in (
        ("ipv4NormalRoutePriority", bgp.spec.ipv4_normal_route_priority, felix.spec.ipv4_normal_route_priority),
        ("ipv6NormalRoutePriority", bgp.spec.ipv6_normal_route_priority, felix.spec.ipv6_normal_route_priority),
    ):
        if one != other:
            reason = f"{one} must be what FelixConfiguration/default has, {other}"
            yield CrossProblem(BGPConfiguration, "default", f"spec.{field}", reason, fatal=False)
