"""One address given back by hand or by the collection, without an allocator."""

import time
from dataclasses import replace

from felixpy.datastore.source import Datastore
from felixpy.ipam.blocks import attribute_at, is_empty, ordinal_of, released_address
from felixpy.ipam.claims import RETRIES, Block
from felixpy.ipam.cooldown import resting
from felixpy.ipam.handles import count_down
from felixpy.model.addresses import Address
from felixpy.model.errors import Conflict
from felixpy.model.resources import IPAMBlock, IPAMConfig


async def block_of(store: Datastore, address: Address) -> Block | None:
    """The block that holds `address`."""
    for block in (await store.list(IPAMBlock)).objects.values():
        if address in block.spec.cidr and not block.spec.deleted:
            return block
    return None


async def release_address(
    store: Datastore, address: Address, handle: str | None = None, sequence: int | None = None, block: str = ""
) -> str | None:
    """Give `address` back; the handle that held it, or None when nobody did (which is no error).

    `block` names its IPAMBlock where that is known. NotTheHolder when `handle` or `sequence` is given and is not the
    present one's: nothing is released then.
    """
    config = await store.get(IPAMConfig, "default")
    cooldown_s = config.spec.ip_cooldown_seconds if config else 0
    for _ in range(RETRIES):
        stored = await store.get(IPAMBlock, block) if block else await block_of(store, address)
        if stored is None or stored.spec.deleted:
            return None
        ordinal = ordinal_of(stored.spec, address)
        holder = attribute_at(stored.spec, ordinal)
        after = released_address(stored.spec, address, handle, sequence)
        if holder is None or after == stored.spec:
            return None
        if cooldown_s:
            after = resting(stored.spec, [ordinal], time.time())
        try:
            if after.affinity is None and is_empty(after):
                await store.delete(stored)
            else:
                await store.update(replace(stored, spec=after))
        except Conflict:
            continue
        if holder.handle_id:
            await count_down(store, holder.handle_id, {stored.spec.cidr: 1})
        return holder.handle_id or ""
    raise Conflict(f"{address} could not be released: its block was changed by others {RETRIES} times")
