"""Rest for released addresses: with `ipCooldownSeconds` they keep their place until they have rested. Pure."""

from collections.abc import Collection

from msgspec.structs import replace

from felixpy.ipam.blocks import attribute_at, released, seconds, timestamp
from felixpy.model.resources import AllocationAttribute, IPAMBlock


def resting(block: IPAMBlock, ordinals: Collection[int], now: float) -> IPAMBlock:
    """The block with these ordinals held by nobody and not free yet (`releasedAt`)."""
    if not ordinals:
        return block
    stamp = AllocationAttribute(released_at=timestamp(now))
    gone = released(block, ordinals)
    attributes = gone.attributes if stamp in gone.attributes else (*gone.attributes, stamp)
    index = attributes.index(stamp)
    left = frozenset(ordinals)
    return replace(
        gone,
        allocations=tuple(index if o in left else old for o, old in enumerate(gone.allocations)),
        unallocated=tuple(o for o in gone.unallocated if o not in left),
        attributes=attributes,
    )


def rested(block: IPAMBlock, cooldown_s: float, now: float) -> IPAMBlock:
    """The block with every ordinal free whose rest of `cooldown_s` seconds is over, the longest rested first."""
    if all(attribute.released_at is None for attribute in block.attributes):
        return block
    due = []
    for ordinal in range(len(block.allocations)):
        holder = attribute_at(block, ordinal)
        if holder is not None and holder.released_at is not None:
            since = seconds(holder.released_at)
            if since + cooldown_s <= now:
                due.append((since, ordinal))
    return released(block, [ordinal for _, ordinal in sorted(due)])
