"""The blocks that an allocator has at hand, as last read or written, and where to look in them. Pure.

What is asked for at every request (which own block has room, which hold something of a handle) costs no walk through
their addresses.
"""

from bisect import insort
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from felixpy.ipam.names import affinity_of
from felixpy.model.addresses import Prefix, contains
from felixpy.model.resources import IPAMBlock, IPPool, Resource

Block = Resource[IPAMBlock]


@dataclass(slots=True, eq=False)
class Slot:
    """One block and what was worked out of it."""

    cidr: Prefix
    block: Block
    room: bool = False  # something is free, or rests
    handles: frozenset[str | None] = frozenset()

    def hold(self, block: Block) -> None:
        """Take the block as it is now."""
        self.block = block
        self.handles = frozenset(entry.handle_id for entry in block.spec.attributes)
        self.room = bool(block.spec.unallocated) or any(entry.released_at for entry in block.spec.attributes)


class Shelf:
    """Blocks by prefix; those of `node` in order, by family."""

    def __init__(self, node: str, blocks: Iterable[Block] = ()) -> None:
        self._mine = affinity_of(node)
        self._slots: dict[Prefix, Slot] = {}
        self._own: dict[int, list[Slot]] = {4: [], 6: []}
        for block in blocks:
            self.put(block)

    def __contains__(self, cidr: object) -> bool:
        return cidr in self._slots

    def __getitem__(self, cidr: Prefix) -> Block:
        return self._slots[cidr].block

    def put(self, block: Block) -> None:
        """A block that is new, or was read or written again."""
        cidr = block.spec.cidr
        slot = self._slots.get(cidr)
        if slot is not None and slot.block.spec.affinity == block.spec.affinity:
            slot.hold(block)
            return
        self.drop(cidr)
        slot = self._slots[cidr] = Slot(cidr, block)
        slot.hold(block)
        if block.spec.affinity == self._mine:
            insort(self._own[cidr.version], slot, key=lambda it: int(it.cidr.network_address))

    def drop(self, cidr: Prefix) -> None:
        """Forget a block; one that is not here is forgotten already."""
        slot = self._slots.pop(cidr, None)
        if slot is not None and slot.block.spec.affinity == self._mine:
            self._own[cidr.version].remove(slot)

    def own(self) -> list[Block]:
        """The node's blocks of both families."""
        return [slot.block for slots in self._own.values() for slot in slots]

    def count(self, version: int) -> int:
        """How many blocks of a family the node owns."""
        return len(self._own[version])

    def owns(self, cidr: Prefix) -> bool:
        """Whether a block that is here is the node's."""
        return self._slots[cidr].block.spec.affinity == self._mine

    def with_room(self, version: int, pools: Collection[Resource[IPPool]]) -> Iterator[Block]:
        """The node's blocks that may have an address to give; the first pool's first, as it is used up first."""
        left = [slot for slot in self._own[version] if slot.room]
        for pool in pools:
            yield from (slot.block for slot in left if contains(pool.spec.cidr, slot.cidr))

    def holding(self, handle: str) -> list[Prefix]:
        """The node's blocks that hold something of `handle`, as they were last read or written."""
        return [slot.cidr for slots in self._own.values() for slot in slots if handle in slot.handles]
