"""One address given back by hand or by the collection, without an allocator."""

from dataclasses import replace

from felixpy.datastore.source import Datastore
from felixpy.ipam.blocks import attribute_at, ordinal_of, released_address
from felixpy.ipam.claims import RETRIES, Block
from felixpy.ipam.handles import count_down
from felixpy.model.addresses import Address
from felixpy.model.errors import Conflict
from felixpy.model.resources import IPAMBlock


async def block_of(store: Datastore, address: Address) -> Block | None:
    """The block that holds `address`."""
    for block in (await store.list(IPAMBlock)).objects.values():
        if address in block.spec.cidr and not block.spec.deleted:
            return block
    return None


async def release_address(
    store: Datastore, address: Address, handle: str | None = None, sequence: int | None = None
) -> str | None:
    """Give `address` back; the handle that held it, or None when nobody did (which is no error).

    NotTheHolder when `handle` or `sequence` is given and is not the present one's: nothing is released then.
    """
    for _ in range(RETRIES):
        block = await block_of(store, address)
        if block is None:
            return None
        holder = attribute_at(block.spec, ordinal_of(block.spec, address))
        after = released_address(block.spec, address, handle, sequence)
        if holder is None or after == block.spec:
            return None
        try:
            if after.affinity is None and not any(i is not None for i in after.allocations):
                await store.delete(block)
            else:
                await store.update(replace(block, spec=after))
        except Conflict:
            continue
        if holder.handle_id:
            await count_down(store, holder.handle_id, {block.spec.cidr: 1})
        return holder.handle_id or ""
    raise Conflict(f"{address} could not be released: its block was changed by others {RETRIES} times")
