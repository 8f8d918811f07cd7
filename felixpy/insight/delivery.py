"""Whether every pod's address and every block leads home from every node. Pure.

A block's fate from each node is worked out once. A pod of that block goes the same way from wherever nobody knows it
better than by its block, which is everywhere but at home: so a cluster costs nodes x blocks, not nodes x pods.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from felixpy.insight.lookup import parsed
from felixpy.insight.outcomes import Fate, fates
from felixpy.insight.view import NetworkView, NodeView
from felixpy.insight.walk import End
from felixpy.model.addresses import Address, IPv4Network, IPv6Network, Prefix
from felixpy.model.resources import BlockAffinity, Node

CONFIRMED = ("", "confirmed")
LOOKED_AT = 4096  # addresses of a block among which one is sought that no pod holds


class Undelivered(NamedTuple):
    """One way that does not lead where it must; the fields of a Violation."""

    invariant: str  # pod-reachable | block-deliverable | loop
    subject: str
    node: str
    proof: str
    fix: str


@dataclass(frozen=True)
class Led:
    """A block, its node, and the fate of an unused address of it from every node of the cluster."""

    block: Prefix
    home: str
    free: Address
    fates: Mapping[str, Fate]

    @property
    def home_from_everywhere(self) -> bool:
        """Whether it ends in the block's own blackhole, wherever it starts."""
        return all((fate.end, fate.at) == (End.DROPPED, self.home) for fate in self.fates.values())


def undelivered(view: NetworkView) -> Iterator[Undelivered]:
    """Every pod's address and every block that does not lead home from somewhere: pods first."""
    cluster = [name for name in view.nodes if name in view.snapshot.of(Node)]
    led = [
        Led(block, home, free, fates(view, free, cluster))
        for block, home in sorted(own_blocks(view).items(), key=lambda item: _order(item[0].network_address))
        if home in view.nodes and view.nodes[home].facts is not None and (free := _free(view, block)) is not None
    ]
    yield from _pods(view, cluster, led)
    for each in led:
        yield from _strays(each)


def own_blocks(view: NetworkView) -> dict[Prefix, str]:
    """The blocks that nodes hold, with the node of each."""
    return {
        affinity.spec.cidr: affinity.spec.node
        for affinity in view.snapshot.of(BlockAffinity).values()
        if affinity.spec.state in CONFIRMED and not affinity.spec.deleted and affinity.spec.type != "virtual"
    }


def _order(address: Address) -> tuple[int, int]:
    return address.version, int(address)


def _free(view: NetworkView, block: Prefix) -> Address | None:
    """An address of the block that no pod holds; None when there is none (a /32, or a full block)."""
    size = block.num_addresses
    candidates = (block[number] for number in range(size - 1, max(-1, size - 1 - LOOKED_AT), -1))
    return next((address for address in candidates if address not in view.pods), None)


def _pods(view: NetworkView, cluster: Collection[str], led: Collection[Led]) -> Iterator[Undelivered]:
    sure = {each.block: each.home for each in led if each.home_from_everywhere}
    if any(_peculiar(node) for node in view.nodes.values()):
        sure = {}
    better = _known_better(view, sure)
    lengths = {(block.version, block.prefixlen) for block in sure}
    for address, held in sorted(view.pods.items(), key=lambda item: _order(item[0])):
        if len(held) > 1:
            names = " and ".join(f"{endpoint.pod} on {node}" for node, endpoint in held)
            yield Undelivered(
                "pod-reachable", str(address), "", f"held by {names}", f"felixpy ipam why {address} names the owner"
            )
            continue
        ((home, endpoint),) = held
        blocks = (_network(address, length) for version, length in lengths if version == address.version)
        by_block = any(sure.get(block) == home for block in blocks) and better.get(address, set()) <= {home}
        found = fates(view, address, {home} & set(cluster) if by_block else cluster)
        unseen = (End.UNKNOWN,) if view.nodes[home].facts else (End.UNKNOWN, End.LEAVES)
        for node, fate in found.items():
            if (fate.end, fate.at) != (End.POD, endpoint.pod) and fate.end not in unseen:
                yield _stray(f"{address} ({endpoint.pod} on {home})", str(address), node, fate)


def _peculiar(node: NodeView) -> bool:
    """Whether the node has rules that tell packets of one block apart."""
    rules = node.facts.rules if node.facts else ()
    return any(rule.destination or rule.source or rule.action != "lookup" for rule in rules)


def _known_better(view: NetworkView, blocks: Collection[Prefix]) -> dict[Address, set[str]]:
    """For each pod's address: the nodes with a route for it that is longer than the shortest of `blocks`."""
    shortest = {
        version: min((b.prefixlen for b in blocks if b.version == version), default=129) for version in (4, 6)
    }
    holders: dict[Prefix, set[str]] = {}
    for node in view.nodes.values():
        for route in node.facts.routes if node.facts else ():
            prefix = parsed(route.prefix)
            if prefix.prefixlen > shortest[prefix.version]:
                holders.setdefault(prefix, set()).add(node.name)
    lengths = {(prefix.version, prefix.prefixlen) for prefix in holders}
    found: dict[Address, set[str]] = {}
    for address in view.pods:
        for version, length in lengths:
            if version == address.version:
                found.setdefault(address, set()).update(holders.get(_network(address, length), ()))
    return found


def _network(address: Address, length: int) -> Prefix:
    host_bits = address.max_prefixlen - length
    number = int(address) >> host_bits << host_bits
    return IPv4Network((number, length)) if address.version == 4 else IPv6Network((number, length))


def _strays(led: Led) -> Iterator[Undelivered]:
    """A packet to an unused address of a block ends in that block's blackhole, at its node."""
    for node, fate in led.fates.items():
        if (fate.end, fate.at) not in ((End.DROPPED, led.home), (End.UNKNOWN, fate.at)):
            yield _stray(f"block {led.block} of {led.home}", str(led.block), node, fate)


def _stray(subject: str, prefix: str, node: str, fate: Fate) -> Undelivered:
    invariant = "loop" if fate.end is End.LOOP else "block-deliverable" if "block" in subject else "pod-reachable"
    path = f" ({fate.path})" if len(fate.hops) > 1 else ""
    proof = f"from {node}: {fate.end.value} at {fate.at}{path}"
    return Undelivered(invariant, subject, node, proof, f"birdpy explain {prefix} --node {node}")
