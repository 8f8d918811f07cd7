"""Join: one snapshot of the datastore, worked out into everything that this node's router has to do. Pure.

Made anew for every snapshot. Two orders are compared part by part, so that only what changed is done again.
"""

from dataclasses import dataclass, replace

from birdpy.desired.fib import FibRules, blackholes, peering_addresses
from birdpy.desired.originate import Blocks, local_path, local_paths, own_blocks
from birdpy.desired.rules import export_rules, filters
from birdpy.desired.services import never_installed, ranges, service_routes
from birdpy.policy.cluster import cluster_configuration
from birdpy.policy.exports import ExportRules
from birdpy.policy.guard import Own
from birdpy.policy.session import Speaker
from birdpy.policy.sessions import SpeakerSettings, speaker
from birdpy.rib.path import Path
from felixpy.model.addresses import Address, Prefix
from felixpy.model.errors import InvalidResource
from felixpy.model.resources import (
    BGPConfiguration,
    BGPFilter,
    BGPPeer,
    BlockAffinity,
    EndpointSlice,
    IPAMBlock,
    IPPool,
    Node,
    Secret,
    Service,
    WorkloadEndpoint,
)
from felixpy.model.routes import Route, RouteKey
from felixpy.model.snapshot import Snapshot

KINDS = (
    Node, BGPConfiguration, BGPPeer, BGPFilter, IPPool, BlockAffinity, IPAMBlock, WorkloadEndpoint, Secret, Service,
    EndpointSlice,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Orders:
    """What one snapshot asks of `node`."""

    speaker: Speaker
    blocks: Blocks
    paths: dict[Prefix, Path]  # our own
    blackholes: dict[RouteKey, Route]
    peering: dict[RouteKey, Route]  # the addresses that local workload peers dial
    fib: FibRules
    export: ExportRules
    pools: frozenset[Prefix]
    pods: frozenset[Address]  # of this node
    holders: dict[Address, str]  # who holds the addresses of own blocks that are given out
    problems: tuple[InvalidResource, ...] = ()
    recalled: bool = False  # an earlier time's word: the datastore is away
    import_key: object = None  # equal when import policy is, but for a session's own options; likewise the others
    export_key: object = None
    fib_key: object = None

    @property
    def own(self) -> Own:
        """What import's guard protects of ours."""
        return Own(tuple(self.blocks.affinities), self.pods, self.holders.get)


def orders(snapshot: Snapshot, node: str, metric: int, settings: SpeakerSettings) -> Orders:
    """Everything that follows from `snapshot` for `node`."""
    me = speaker(snapshot, node, settings)
    blocks = own_blocks(snapshot, node)
    networks = local_networks(snapshot, node)
    services = service_routes(snapshot, node)
    fib = FibRules(never_installed(snapshot, services), metric)
    paths = local_paths(snapshot, node, networks)
    for prefix in services:
        paths.setdefault(prefix, local_path(prefix, snapshot, "static"))
    pods = frozenset(network.network_address for network in networks)
    held = holders(snapshot, frozenset(blocks.affinities))
    chosen = filters(snapshot)
    return Orders(
        speaker=me,
        blocks=blocks,
        paths=paths,
        blackholes=blackholes(blocks, fib),
        peering=peering_addresses(me, cluster_configuration(snapshot), fib),
        fib=fib,
        export=export_rules(snapshot, me, blocks.announced, services),
        pools=frozenset(pool.spec.cidr for pool in snapshot.of(IPPool).values()),
        pods=pods,
        holders=held,
        problems=(*me.problems, *blocks.problems),
        import_key=(
            frozenset(session.address for session in me.sessions), me.router_id, me.cluster_id, me.addresses,
            me.owners, tuple(blocks.affinities), pods, held, chosen,
        ),
        export_key=(
            me.sessions, me.cluster_id, blocks.announced, services, chosen,
            *({name: found.spec for name, found in snapshot.of(kind).items()} for kind in (IPPool, BGPConfiguration)),
        ),
        fib_key=(services, ranges(snapshot)),
    )  # fmt: skip


def concerning(snapshot: Snapshot, node: str) -> Snapshot:
    """`snapshot` without other nodes' blocks and pods: `orders` of `node` follow from it alone.

    A block that two nodes claim concerns both.
    """
    affinities, pods = snapshot.of(BlockAffinity), snapshot.of(WorkloadEndpoint)
    mine = {it.spec.cidr for it in affinities.values() if it.spec.node == node}
    kinds = {
        **snapshot.kinds,
        BlockAffinity: {n: it for n, it in affinities.items() if it.spec.node == node or it.spec.cidr in mine},
        IPAMBlock: {n: it for n, it in snapshot.of(IPAMBlock).items() if it.spec.cidr in mine},
        WorkloadEndpoint: {n: it for n, it in pods.items() if it.spec.node == node},
    }
    return replace(snapshot, kinds=kinds)


def local_networks(snapshot: Snapshot, node: str) -> frozenset[Prefix]:
    """The host prefixes of this node's pods."""
    return frozenset(
        network
        for endpoint in snapshot.of(WorkloadEndpoint).values()
        if endpoint.spec.node == node
        for network in endpoint.spec.ip_networks
    )


def holders(snapshot: Snapshot, blocks: frozenset[Prefix]) -> dict[Address, str]:
    """Which node holds each address that is given out in one of `blocks` (IPAMBlock.allocations)."""
    found: dict[Address, str] = {}
    for resource in snapshot.of(IPAMBlock).values():
        block = resource.spec
        if block.cidr not in blocks:
            continue
        for ordinal, index in enumerate(block.allocations):
            if index is not None and index < len(block.attributes):
                node = (block.attributes[index].secondary or {}).get("node")
                if node:
                    found[block.cidr[ordinal]] = node
    return found
