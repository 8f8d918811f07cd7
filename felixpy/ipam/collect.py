"""What is wrong with the books: addresses that leaked or were given twice, owners that do not agree. Pure.

`problems` compares blocks, affinities, handles, endpoints, pods, namespaces and nodes with each other; each finding
carries its proof, what a person does about it, and whether `repair` can. The agent's collection and `felixpy ipam
check` use the same answer.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from felixpy.ipam.blocks import is_confirmed, is_empty
from felixpy.ipam.books import blocks_of, shape
from felixpy.ipam.cooldown import rested
from felixpy.ipam.leaks import WITNESSES, endpoint_addresses, holdings, leaks
from felixpy.ipam.names import HOST, affinity_name, handle_name
from felixpy.model.addresses import contains
from felixpy.model.resources import (
    BlockAffinity,
    IPAMBlock,
    IPAMConfig,
    IPAMHandle,
    IPPool,
    Node,
    Resource,
    WorkloadEndpoint,
)
from felixpy.model.snapshot import Snapshot

KINDS_READ = (IPPool, IPAMBlock, BlockAffinity, IPAMHandle, IPAMConfig, *WITNESSES)

Mend = Literal["", "release", "recount", "settle", "disown", "give up"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: `kind` is leaked, doubled, orphaned, unallocated, unfinished, count, owner, broken."""

    kind: str
    subject: str  # the address, block, handle, endpoint or affinity
    proof: str  # what says so, by object name and field
    fix: str  # what to type, or what to look at
    mend: Mend = ""  # what `repair` does about it; empty: a person must decide
    about: str = ""  # the object to mend: a handle, an affinity, a block


@dataclass(frozen=True, slots=True)
class Patience:
    """What is younger than `grace_s` at `now` (Unix seconds) may be somebody's work that is just being done."""

    now: float
    grace_s: float = 0.0

    def over(self, since: float) -> bool:
        """Whether something that is so since then has had its time; another node's clock may be ahead of ours."""
        return not self.grace_s or self.now - since >= self.grace_s


def problems(snapshot: Snapshot, now: float, grace_s: float = 0.0) -> list[Problem]:
    """Everything that does not agree, but for what is younger than `grace_s` and may be on its way."""
    patience = Patience(now, grace_s)
    return [
        *(Problem("broken", f"{kind.__name__} {name}", str(error), "repair or delete the object")
          for (kind, name), error in sorted(snapshot.problems.items(), key=str) if kind in KINDS_READ),
        *_broken_blocks(snapshot),
        *_owners(snapshot, patience),
        *_orphaned(snapshot, patience),
        *_doubled(snapshot),
        *_leaked(snapshot, patience),
        *_unallocated(snapshot),
        *_counts(snapshot, patience),
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


def _owners(snapshot: Snapshot, patience: Patience) -> Iterator[Problem]:
    """Affinities and blocks that do not say the same; the block decides."""
    blocks = {str(block.spec.cidr): block for block in blocks_of(snapshot).values()}
    claims: dict[str, list[Resource[BlockAffinity]]] = defaultdict(list)
    for affinity in snapshot.of(BlockAffinity).values():
        if not affinity.spec.deleted and affinity.spec.type != "virtual":
            claims[str(affinity.spec.cidr)].append(affinity)
    for cidr, affinities in sorted(claims.items()):
        block = blocks.get(cidr)
        owner = (block.spec.affinity or "") if block else ""
        confirmed = [affinity for affinity in affinities if is_confirmed(affinity)]
        if len(confirmed) > 1:
            nodes = ", ".join(sorted(affinity.spec.node for affinity in confirmed))
            proof = f"confirmed affinities of {nodes}; IPAMBlock.affinity says {owner or 'nothing'}"
            fix = "delete the affinity that IPAMBlock does not name"
            yield Problem("owner", f"block {cidr}", proof, fix, "disown" if owner else "", cidr)
        for affinity in affinities:
            if problem := _claim(affinity, block, patience, alone=len(confirmed) == 1):
                yield problem
    nodes_known = snapshot.of(Node)
    for cidr, block in sorted(blocks.items()):
        owner = (block.spec.affinity or "").removeprefix(HOST)
        known = claims.get(cidr, [])
        gone = bool(nodes_known) and owner not in nodes_known
        if not (block.spec.affinity or "").startswith(HOST) or any(is_confirmed(one) for one in known) or gone:
            continue
        if patience.over(max((one.meta.created for one in known), default=block.meta.created)):
            proof = f"IPAMBlock {block.name} says {HOST}{owner}, which has no confirmed affinity"
            fix = "its agent confirms it at its next allocation"
            yield Problem("owner", f"block {cidr}", proof, fix, "settle", affinity_name(owner, block.spec.cidr))


def _claim(
    affinity: Resource[BlockAffinity], block: Resource[IPAMBlock] | None, patience: Patience, *, alone: bool
) -> Problem | None:
    """What one affinity says that its block does not."""
    owner = block.spec.affinity if block else None
    if owner == f"{HOST}{affinity.spec.node}":
        return None
    subject, found = (
        f"block {affinity.spec.cidr}",
        f"IPAMBlock.affinity is {owner}" if block else "there is no such IPAMBlock",
    )
    fix = f"felixpy delete blockaffinity {affinity.name}"
    if not is_confirmed(affinity):
        if not patience.over(affinity.meta.created):
            return None
        proof = f"BlockAffinity {affinity.name} is {affinity.spec.state}, {found}"
        return Problem("unfinished", subject, proof, fix, "settle", affinity.name)
    if not alone:
        return None
    mend: Mend = "disown" if owner else ""
    return Problem(
        "owner", subject, f"BlockAffinity {affinity.name} is confirmed, {found}", fix, mend, str(affinity.spec.cidr)
    )


def _orphaned(snapshot: Snapshot, patience: Patience) -> Iterator[Problem]:
    """What belongs to nodes that do not exist. A store without any Node says nothing of any."""
    nodes = snapshot.of(Node)
    empty = {block.spec.cidr for block in blocks_of(snapshot).values() if vacant(snapshot, block.spec, patience.now)}
    exist = {block.spec.cidr for block in blocks_of(snapshot).values()}
    owned = {
        (affinity.spec.cidr, affinity.spec.node): f"BlockAffinity {affinity.name} is of"
        for affinity in snapshot.of(BlockAffinity).values()
        if not affinity.spec.deleted and affinity.spec.type != "virtual"
    }
    for name, block in blocks_of(snapshot).items():
        if (block.spec.affinity or "").startswith(HOST):
            owner = (block.spec.affinity or "").removeprefix(HOST)
            owned.setdefault((block.spec.cidr, owner), f"IPAMBlock {name} is of")
    for (cidr, node), said in owned.items():
        if node not in nodes:
            free = bool(nodes) and (cidr in empty or cidr not in exist)
            fix = "give it back with --fix" if free else "release what it holds; its node is gone"
            proof = f"{said} node {node}, which does not exist"
            yield Problem("orphaned", f"block {cidr}", proof, fix, "give up" if free else "", f"{node} {cidr}")
    for name, endpoint in sorted(snapshot.of(WorkloadEndpoint).items()):
        if nodes and endpoint.spec.node not in nodes:
            proof = f"WorkloadEndpoint {name} is of node {endpoint.spec.node}, which does not exist"
            yield Problem("orphaned", f"endpoint {name}", proof, f"felixpy delete workloadendpoint {name}")


def vacant(snapshot: Snapshot, block: IPAMBlock, now: float) -> bool:
    """Whether nobody holds anything of a block and nothing in it must rest any longer."""
    config = snapshot.of(IPAMConfig).get("default")
    return not shape(block) and is_empty(rested(block, config.spec.ip_cooldown_seconds if config else 0, now))


def _doubled(snapshot: Snapshot) -> Iterator[Problem]:
    for address, names in endpoint_addresses(snapshot).items():
        if len(names) > 1:
            proof = f"WorkloadEndpoints {', '.join(names)} have it"
            yield Problem("doubled", str(address), proof, "delete all of these pods but one")


def _leaked(snapshot: Snapshot, patience: Patience) -> Iterator[Problem]:
    for leak in leaks(snapshot):
        if patience.over(leak.since):
            for holding in leak.holdings:
                proof = f"{leak.proof}; IPAMBlock {holding.block} says {holding.who}"
                fix = f"felixpy ipam release {holding.address}"
                yield Problem("leaked", str(holding.address), proof, fix, "release", holding.handle)


def _unallocated(snapshot: Snapshot) -> Iterator[Problem]:
    taken = {holding.address for holding in holdings(snapshot)}
    pools = [pool.spec.cidr for pool in snapshot.of(IPPool).values()]
    for address, names in endpoint_addresses(snapshot).items():
        if address not in taken and any(address in pool for pool in pools):
            proof = f"WorkloadEndpoint {names[0]} has it, its block says it is free"
            yield Problem("unallocated", str(address), proof, "delete and re-create the pod")


def _counts(snapshot: Snapshot, patience: Patience) -> Iterator[Problem]:
    found = counted(snapshot)
    handles = {name: handle for name, handle in snapshot.of(IPAMHandle).items() if not handle.spec.deleted}
    for name in sorted(found.keys() | handles.keys()):
        handle = handles.get(name)
        said = dict(handle.spec.block) if handle else None
        there = dict(found[name]) if name in found else {}
        if (there and said == there) or (handle and not patience.over(handle.meta.created)):
            continue
        says = "there is no such IPAMHandle" if said is None else f"IPAMHandle says {said or 'nothing'}"
        fix = "felixpy ipam release its addresses" if there else f"felixpy delete ipamhandle {name}"
        proof = f"{says}, the blocks say {there or 'nothing'}"
        yield Problem("count", f"handle {name}", proof, fix, "recount", name)


def counted(snapshot: Snapshot) -> dict[str, Counter[str]]:
    """How many addresses of which block each handle holds, by the name of its object, as the blocks have it."""
    blocks = {name: str(block.spec.cidr) for name, block in blocks_of(snapshot).items()}
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for holding in holdings(snapshot):
        if holding.handle:
            found[handle_name(holding.handle)][blocks[holding.block]] += 1
    return found
