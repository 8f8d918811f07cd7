"""What one block becomes when addresses are taken from it and given back. Pure: block in, block out.

A block of 2^n addresses holds for each ordinal an index into `attributes`, or None; the free ordinals stand in
`unallocated` in the order in which they became free, so an address rests as long as possible before it is given
out again (Calico's IPAMBlock).
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from msgspec.structs import replace

from felixpy.ipam.errors import NotTheHolder, Taken
from felixpy.model.addresses import Address, Prefix
from felixpy.model.resources import AllocationAttribute, BlockAffinity, IPAMBlock, Resource

CONFIRMED = "confirmed"


@dataclass(frozen=True, slots=True)
class Owner:
    """Who takes addresses: the handle, and what Calico calls the owner's attributes (pod, namespace, node…)."""

    handle: str
    attributes: dict[str, str] = field(default_factory=dict)

    @property
    def entry(self) -> AllocationAttribute:
        """The entry of `attributes` that all addresses of this owner point at."""
        return AllocationAttribute(handle_id=self.handle, secondary=self.attributes or None)


def timestamp(now: float) -> str:
    """Unix seconds as RFC 3339 in UTC: `2026-11-20T12:00:00Z`."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(text: str | None) -> float:
    """Unix seconds of an RFC 3339 text; 0 when it is absent or says nothing."""
    try:
        return datetime.fromisoformat(text).timestamp() if text else 0.0
    except ValueError:
        return 0.0


def fresh_block(cidr: Prefix, affinity: str | None, now: float) -> IPAMBlock:
    """A block nobody has taken anything from, owned by `affinity` (`host:<node>`)."""
    size = cidr.num_addresses
    return IPAMBlock(
        cidr=cidr,
        affinity=affinity,
        affinity_claim_time=timestamp(now),
        allocations=(None,) * size,
        unallocated=tuple(range(size)),
    )


def address_at(block: IPAMBlock, ordinal: int) -> Address:
    """The address that an ordinal stands for."""
    return block.cidr[ordinal]


def ordinal_of(block: IPAMBlock, address: Address) -> int:
    """The place of `address` in its block; ValueError when it is not in the block."""
    if address not in block.cidr:
        raise ValueError(f"{address} is not in {block.cidr}")
    return int(address) - int(block.cidr.network_address)


def attribute_at(block: IPAMBlock, ordinal: int) -> AllocationAttribute | None:
    """Who holds an ordinal; None when it is free."""
    index = block.allocations[ordinal]
    return None if index is None else block.attributes[index]


def held(block: IPAMBlock) -> Iterator[tuple[int, AllocationAttribute]]:
    """The ordinals in use and who holds each; those that only cool down are not in use."""
    for ordinal, index in enumerate(block.allocations):
        if index is not None and block.attributes[index].released_at is None:
            yield ordinal, block.attributes[index]


def in_use(block: IPAMBlock) -> int:
    """How many addresses somebody holds."""
    return sum(1 for _ in held(block))


def reserved_in(block: IPAMBlock, reserved: Collection[Prefix]) -> frozenset[int]:
    """The ordinals that a reservation keeps from being given out."""
    near = [prefix for prefix in reserved if prefix.version == block.cidr.version and prefix.overlaps(block.cidr)]
    if not near:
        return frozenset()
    return frozenset(o for o in range(block.cidr.num_addresses) if any(block.cidr[o] in prefix for prefix in near))


def free_ordinals(block: IPAMBlock, reserved: Collection[Prefix] = ()) -> tuple[int, ...]:
    """What may be given out, the longest free first."""
    kept = reserved_in(block, reserved)
    return tuple(o for o in block.unallocated if o not in kept) if kept else block.unallocated


def assigned(
    block: IPAMBlock, count: int, owner: Owner, reserved: Collection[Prefix] = ()
) -> tuple[IPAMBlock, tuple[Address, ...]]:
    """The block once `owner` took up to `count` addresses from the head of the queue, and those addresses."""
    ordinals = free_ordinals(block, reserved)[:count]
    return _given(block, ordinals, owner), tuple(address_at(block, o) for o in ordinals)


def assigned_address(block: IPAMBlock, address: Address, owner: Owner) -> IPAMBlock:
    """The block once `owner` has exactly this address; Taken when somebody holds it or it cools down."""
    ordinal = ordinal_of(block, address)
    holder = attribute_at(block, ordinal)
    if holder is not None:
        raise Taken(f"{address} is already assigned in block {block.cidr} to {holder.handle_id or 'no handle'}")
    return _given(block, (ordinal,), owner)


def _given(block: IPAMBlock, ordinals: Sequence[int], owner: Owner) -> IPAMBlock:
    if not ordinals:
        return block
    attributes = block.attributes if owner.entry in block.attributes else (*block.attributes, owner.entry)
    index = attributes.index(owner.entry)
    allocations = list(block.allocations)
    for ordinal in ordinals:
        allocations[ordinal] = index
    taken = frozenset(ordinals)
    return replace(
        block,
        allocations=tuple(allocations),
        unallocated=tuple(o for o in block.unallocated if o not in taken),
        attributes=attributes,
        sequence_number=block.sequence_number + 1,
        sequence_number_for_allocation={
            **block.sequence_number_for_allocation,
            **{str(o): block.sequence_number for o in ordinals},
        },
    )


def released_address(
    block: IPAMBlock, address: Address, handle: str | None = None, sequence: int | None = None
) -> IPAMBlock:
    """The block without this allocation; unchanged when nobody held it.

    NotTheHolder when `handle` or `sequence` is given and is not that of the present allocation: it was released
    and given out again since the caller looked.
    """
    ordinal = ordinal_of(block, address)
    holder = attribute_at(block, ordinal)
    if holder is None or holder.released_at is not None:
        return block
    if handle is not None and holder.handle_id != handle:
        raise NotTheHolder(f"{address} is held by {holder.handle_id}, not by {handle}; nothing was released")
    now = block.sequence_number_for_allocation.get(str(ordinal))
    if sequence is not None and now != sequence:
        raise NotTheHolder(f"{address} was given out again (sequence {now}, not {sequence}); nothing was released")
    return released(block, [ordinal])


def ordinals_of(block: IPAMBlock, handle: str) -> tuple[int, ...]:
    """What one handle holds in this block."""
    return tuple(o for o, attribute in held(block) if attribute.handle_id == handle)


def released(block: IPAMBlock, ordinals: Collection[int]) -> IPAMBlock:
    """The block with these ordinals at the tail of the queue, and without attributes that nothing points at."""
    if not ordinals:
        return block
    gone = frozenset(ordinals)
    allocations = [None if o in gone else index for o, index in enumerate(block.allocations)]
    kept = sorted({index for index in allocations if index is not None})
    renumbered = {old: new for new, old in enumerate(kept)}
    numbers = block.sequence_number_for_allocation
    return replace(
        block,
        allocations=tuple(None if index is None else renumbered[index] for index in allocations),
        unallocated=(*block.unallocated, *ordinals),
        attributes=tuple(block.attributes[index] for index in kept),
        sequence_number=block.sequence_number + 1,
        sequence_number_for_allocation={key: value for key, value in numbers.items() if int(key) not in gone},
    )


def is_empty(block: IPAMBlock) -> bool:
    """Whether nobody holds anything of it and nothing in it rests."""
    return all(index is None for index in block.allocations)


def is_confirmed(affinity: Resource[BlockAffinity]) -> bool:
    """Whether the node owns the block for good; an affinity without state is one (Calico's older objects)."""
    return affinity.spec.state in (CONFIRMED, "") and not affinity.spec.deleted
