"""What this node announces of its own: confirmed blocks, borrowed addresses, service routes. Pure.

A block is announced when its affinity is confirmed (an absent state means confirmed), `pending` counts as absent, and
`pendingDeletion` is withdrawn at once while its blackhole stays until the affinity is gone.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from birdpy.rib.path import HIGHEST_LOCAL_PREF, Attributes, OriginCode, Path, Source
from birdpy.rib.prefixes import PrefixMap, by_number
from felixpy.model.addresses import Prefix, family
from felixpy.model.errors import InvalidResource
from felixpy.model.resources import BGPConfiguration, BlockAffinity, IPAMBlock, IPPool, Resource
from felixpy.model.snapshot import Snapshot

CONFIRMED = ("", "confirmed")
LEAVING = "pendingDeletion"


@dataclass(frozen=True, slots=True)
class Blocks:
    """The blocks of one node. `announced` and `blackholed` differ while a block is being released."""

    announced: tuple[Prefix, ...] = ()
    blackholed: frozenset[Prefix] = frozenset()  # never a /32 or /128: that would shadow the pod's own route
    affinities: Mapping[Prefix, str] = field(default_factory=dict)  # block -> name of its BlockAffinity
    problems: tuple[InvalidResource, ...] = ()


def own_blocks(snapshot: Snapshot, node: str) -> Blocks:
    """The blocks of `node`; a block that another node claims too goes to the one that IPAMBlock.affinity names."""
    problems: list[InvalidResource] = []
    claims = _claims(snapshot)
    announced: set[Prefix] = set()
    held: dict[Prefix, str] = {}
    for name, affinity in sorted(snapshot.of(BlockAffinity).items()):
        spec = affinity.spec
        if spec.node != node or spec.type != "host" or spec.deleted:
            continue
        if spec.state == LEAVING:
            held.setdefault(spec.cidr, name)
        elif spec.state in CONFIRMED and _served(snapshot, name, affinity, problems):
            owner = _owner(snapshot, spec.cidr, claims.get(spec.cidr, frozenset()), problems)
            if owner == node:
                announced.add(spec.cidr)
                held[spec.cidr] = name
    blackholed = frozenset(block for block in held if block.prefixlen < block.max_prefixlen)
    return Blocks(tuple(sorted(announced, key=by_number)), blackholed, held, tuple(problems))


def local_paths(snapshot: Snapshot, node: str, pods: Iterable[Prefix] = ()) -> dict[Prefix, Path]:
    """Every path of our own to the node's blocks, and to `pods` (its host routes) where the address is borrowed.

    Host routes inside an own block are what the block's announcement stands for; those outside every pool are
    nobody's business.
    """
    blocks = own_blocks(snapshot, node)
    inside: PrefixMap[str] = PrefixMap(dict(blocks.affinities))
    pools: PrefixMap[str] = PrefixMap({pool.spec.cidr: name for name, pool in snapshot.of(IPPool).items()})
    found = {block: local_path(block, snapshot) for block in blocks.announced}
    for pod in pods:
        if inside.longest(pod) is None and pools.longest(pod) is not None:
            found[pod] = local_path(pod, snapshot, "kernel")
    return found


def local_path(prefix: Prefix, snapshot: Snapshot, source: Source = "local") -> Path:
    """A path of our own, with the cluster's normal route priority carried in LOCAL_PREF as Calico carries it."""
    priority = normal_priority(snapshot)[family(prefix)]
    attributes = Attributes(origin=OriginCode.IGP, local_pref=HIGHEST_LOCAL_PREF - priority)
    return Path(prefix=prefix, next_hop=None, attributes=attributes, source=source)


def normal_priority(snapshot: Snapshot) -> dict[int, int]:
    """The route priority (kernel metric) of ordinary routes, by family."""
    found = snapshot.of(BGPConfiguration).get("default")
    spec = found.spec if found else BGPConfiguration()
    return {4: spec.ipv4_normal_route_priority, 6: spec.ipv6_normal_route_priority}


def _claims(snapshot: Snapshot) -> dict[Prefix, frozenset[str]]:
    """Which nodes have a confirmed affinity for each block."""
    found: dict[Prefix, frozenset[str]] = {}
    for affinity in snapshot.of(BlockAffinity).values():
        spec = affinity.spec
        if spec.type == "host" and spec.state in CONFIRMED and not spec.deleted:
            found[spec.cidr] = found.get(spec.cidr, frozenset()) | {spec.node}
    return found


def _owner(snapshot: Snapshot, block: Prefix, nodes: Collection[str], problems: list[InvalidResource]) -> str | None:
    """Who announces `block`: the one claimant, else whom the IPAMBlock names; both nodes report the conflict."""
    if len(nodes) < 2:
        return next(iter(nodes), None)
    named = next((b.spec.affinity for b in snapshot.of(IPAMBlock).values() if b.spec.cidr == block), None)
    owner = (named or "").removeprefix("host:")
    says = f"its IPAMBlock gives it to {owner}" if owner in nodes else "its IPAMBlock names none of them"
    reason = f"nodes {', '.join(sorted(nodes))} all have a confirmed affinity for {block}; {says}; release the others"
    problems.append(InvalidResource(f"BlockAffinity for {block}", "spec.node", reason))
    return owner if owner in nodes else None


def _served(
    snapshot: Snapshot, name: str, affinity: Resource[BlockAffinity], problems: list[InvalidResource]
) -> bool:
    """Whether the block's pool is one of plain routing; tunnelled pools are refused out loud."""
    pools: PrefixMap[Resource[IPPool]] = PrefixMap({p.spec.cidr: p for p in snapshot.of(IPPool).values()})
    found = pools.longest(affinity.spec.cidr)
    if found is None or (found[1].spec.ipip_mode == "Never" and found[1].spec.vxlan_mode == "Never"):
        return True
    reason = (
        f"block {affinity.spec.cidr} is in IPPool {found[1].name}, whose tunnel mode is not served; set it to Never"
    )
    problems.append(InvalidResource(f"BlockAffinity {name}", "spec.cidr", reason))
    return False
