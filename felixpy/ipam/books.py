"""The blocks as they stand, and whether one contradicts itself. Pure."""

from collections import Counter

from felixpy.model.resources import IPAMBlock, Resource
from felixpy.model.snapshot import Snapshot


def blocks_of(snapshot: Snapshot) -> dict[str, Resource[IPAMBlock]]:
    """The blocks that are not marked deleted, by name, in order of their addresses."""
    blocks = {name: block for name, block in snapshot.of(IPAMBlock).items() if not block.spec.deleted}
    return dict(sorted(blocks.items(), key=lambda item: _place(item[1].spec)))


def _place(block: IPAMBlock) -> tuple[int, int, int]:
    return block.cidr.version, int(block.cidr.network_address), block.cidr.prefixlen


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
