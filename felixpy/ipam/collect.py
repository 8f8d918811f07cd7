"""What is wrong with the books: addresses that leaked or were given twice, owners that do not agree. Pure.

`problems` compares blocks, affinities, handles and endpoints with each other; each finding carries its proof and
what mends it. The agent's collection and `felixpy ipam check` use the same answer.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from felixpy.ipam.blocks import held, is_confirmed, seconds
from felixpy.ipam.names import HOST, handle_name
from felixpy.model.addresses import Address, contains
from felixpy.model.resources import (
    BlockAffinity,
    IPAMBlock,
    IPAMHandle,
    IPPool,
    Node,
    Resource,
    WorkloadEndpoint,
)
from felixpy.model.snapshot import Snapshot

KINDS_READ = (IPPool, IPAMBlock, BlockAffinity, IPAMHandle, Node, WorkloadEndpoint)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: `kind` is leaked, doubled, orphaned, unallocated, count, owner or broken."""

    kind: str
    subject: str  # the address, block, handle or affinity
    proof: str  # what says so, by object name and field
    fix: str  # what to type, or what to look at


@dataclass(frozen=True, slots=True)
class Holding:
    """One address that a block says is in use."""

    address: Address
    block: str
    handle: str
    attributes: Mapping[str, str]

    @property
    def who(self) -> str:
        """`pod default/web on n1 (handle …)`, as far as it is known."""
        pod = self.attributes.get("pod")
        name = f"pod {self.attributes.get('namespace', '')}/{pod} " if pod else ""
        node = f"on {self.attributes['node']} " if "node" in self.attributes else ""
        return f"{name}{node}(handle {self.handle or 'none'})"


def blocks_of(snapshot: Snapshot) -> dict[str, Resource[IPAMBlock]]:
    """The blocks that are not marked deleted, by name, in order of their addresses."""
    blocks = {name: block for name, block in snapshot.of(IPAMBlock).items() if not block.spec.deleted}
    return dict(sorted(blocks.items(), key=lambda item: _place(item[1].spec)))


def _place(block: IPAMBlock) -> tuple[int, int, int]:
    return block.cidr.version, int(block.cidr.network_address), block.cidr.prefixlen


def holdings(snapshot: Snapshot) -> list[Holding]:
    """Every address that is in use, in order of the blocks' names."""
    return [
        Holding(block.spec.cidr[ordinal], name, entry.handle_id or "", entry.secondary or {})
        for name, block in blocks_of(snapshot).items()
        if not shape(block.spec)
        for ordinal, entry in held(block.spec)
    ]


def shape(block: IPAMBlock) -> str:
    """How a block contradicts itself; empty when it does not."""
    size = block.cidr.num_addresses
    if len(block.allocations) != size:
        return f"allocations has {len(block.allocations)} entries, the block {size} addresses"
    indices = {index for index in block.allocations if index is not None}
    if any(not 0 <= index < len(block.attributes) for index in indices):
        return f"allocations names an entry of attributes that is not there ({len(block.attributes)} entries)"
    taken = [ordinal for ordinal, index in enumerate(block.allocations) if index is not None]
    seen = Counter((*taken, *block.unallocated))
    wrong = sorted(o for o in seen.keys() | set(range(size)) if seen[o] != 1)
    return f"ordinals {wrong[:8]} are not exactly once in allocations or unallocated" if wrong else ""


def problems(snapshot: Snapshot, now: float, grace_s: float = 0.0) -> list[Problem]:
    """Everything that does not agree. An allocation younger than `grace_s` may still be on its way to its pod."""
    return [
        *(Problem("broken", f"{kind.__name__} {name}", str(error), "repair or delete the object")
          for (kind, name), error in sorted(snapshot.problems.items(), key=str) if kind in KINDS_READ),
        *_broken_blocks(snapshot),
        *_owners(snapshot),
        *_doubled(snapshot),
        *_leaked(snapshot, now, grace_s),
        *_counts(snapshot),
    ]  # fmt: skip


def _broken_blocks(snapshot: Snapshot) -> Iterator[Problem]:
    blocks = blocks_of(snapshot)
    pools = [pool.spec.cidr for pool in snapshot.of(IPPool).values()]
    for name, block in blocks.items():
        why = shape(block.spec)
        if why:
            yield Problem("broken", f"block {block.spec.cidr}", f"IPAMBlock {name}: {why}", "restore the object")
        if not any(contains(pool, block.spec.cidr) for pool in pools):
            proof = f"IPAMBlock {name} lies in no IPPool"
            yield Problem("orphaned", f"block {block.spec.cidr}", proof, "create its pool, or release its addresses")
    for one, other in pairwise(block.spec.cidr for block in blocks.values()):
        if one.version == other.version and one.overlaps(other):
            yield Problem("doubled", f"block {other}", f"it overlaps block {one}", "empty and delete one of them")


def _owners(snapshot: Snapshot) -> Iterator[Problem]:
    blocks = {str(block.spec.cidr): block for block in blocks_of(snapshot).values()}
    confirmed: dict[str, list[Resource[BlockAffinity]]] = defaultdict(list)
    for affinity in snapshot.of(BlockAffinity).values():
        if is_confirmed(affinity):
            confirmed[str(affinity.spec.cidr)].append(affinity)
    for cidr, affinities in sorted(confirmed.items()):
        owner = blocks[cidr].spec.affinity if cidr in blocks else None
        nodes = sorted(affinity.spec.node for affinity in affinities)
        if len(nodes) > 1:
            proof = f"confirmed affinities of {', '.join(nodes)}; IPAMBlock.affinity says {owner}"
            yield Problem("owner", f"block {cidr}", proof, "delete the affinity that IPAMBlock does not name")
        for affinity in affinities:
            wanted = f"{affinity.spec.type or 'host'}:{affinity.spec.node}"
            if owner != wanted and len(nodes) == 1:
                found = f"IPAMBlock.affinity is {owner}" if cidr in blocks else "there is no such IPAMBlock"
                proof = f"BlockAffinity {affinity.name} is confirmed, {found}"
                yield Problem("owner", f"block {cidr}", proof, f"felixpy delete blockaffinity {affinity.name}")
            if affinity.spec.type != "virtual" and affinity.spec.node not in snapshot.of(Node):
                proof = f"BlockAffinity {affinity.name} is of node {affinity.spec.node}, which does not exist"
                yield Problem("orphaned", f"block {cidr}", proof, "release what it holds; its node is gone")
    for cidr, block in sorted(blocks.items()):
        owner = block.spec.affinity or ""
        if owner.startswith(HOST) and cidr not in confirmed:
            proof = f"IPAMBlock {block.name} says {owner}, which has no confirmed affinity"
            yield Problem("owner", f"block {cidr}", proof, "its agent confirms it at its next allocation")


def _endpoint_addresses(snapshot: Snapshot) -> dict[Address, list[str]]:
    users: dict[Address, list[str]] = defaultdict(list)
    for name, endpoint in sorted(snapshot.of(WorkloadEndpoint).items()):
        for prefix in endpoint.spec.ip_networks:
            users[prefix.network_address].append(name)
    return users


def _doubled(snapshot: Snapshot) -> Iterator[Problem]:
    for address, names in _endpoint_addresses(snapshot).items():
        if len(names) > 1:
            proof = f"WorkloadEndpoints {', '.join(names)} have it"
            yield Problem("doubled", str(address), proof, "delete all of these pods but one")


def _leaked(snapshot: Snapshot, now: float, grace_s: float) -> Iterator[Problem]:
    users = _endpoint_addresses(snapshot)
    taken = {holding.address: holding for holding in holdings(snapshot)}
    for address, holding in taken.items():
        age = now - seconds(holding.attributes.get("timestamp"))
        workload = "type" not in holding.attributes  # tunnel addresses have a type and no endpoint
        if address not in users and workload and age >= grace_s:
            proof = f"IPAMBlock {holding.block} says {holding.who}, no WorkloadEndpoint has it"
            yield Problem("leaked", str(address), proof, f"felixpy ipam release {address}")
    pools = [pool.spec.cidr for pool in snapshot.of(IPPool).values()]
    for address, names in users.items():
        if address not in taken and any(address in pool for pool in pools):
            proof = f"WorkloadEndpoint {names[0]} has it, its block says it is free"
            yield Problem("unallocated", str(address), proof, "delete and re-create the pod")


def _counts(snapshot: Snapshot) -> Iterator[Problem]:
    blocks = {name: str(block.spec.cidr) for name, block in blocks_of(snapshot).items()}
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for holding in holdings(snapshot):
        if holding.handle:
            found[handle_name(holding.handle)][blocks[holding.block]] += 1
    handles = {name: h.spec for name, h in snapshot.of(IPAMHandle).items() if not h.spec.deleted}
    for name in sorted(found.keys() | handles.keys()):
        said = dict(handles[name].block) if name in handles else None
        counted = dict(found[name])
        if counted and said == counted:
            continue
        says = "there is no such IPAMHandle" if said is None else f"IPAMHandle says {said or 'nothing'}"
        fix = "felixpy ipam release its addresses" if counted else f"felixpy delete ipamhandle {name}"
        yield Problem("count", f"handle {name}", f"{says}, the blocks say {counted or 'nothing'}", fix)
