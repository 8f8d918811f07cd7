"""The IPAMHandle of one owner: how many addresses it holds in which block. Written before addresses are taken and
after they are given back, so that it never says less than the blocks do and every address can be found by it.
"""

from collections.abc import Mapping
from dataclasses import replace

from msgspec import structs

from felixpy.datastore.source import Datastore
from felixpy.ipam.claims import RETRIES
from felixpy.ipam.names import handle_name
from felixpy.model.addresses import Prefix
from felixpy.model.errors import Conflict
from felixpy.model.resources import IPAMHandle, Metadata, Resource


async def count_up(store: Datastore, handle: str, counts: Mapping[Prefix, int]) -> None:
    """Note that `handle` is about to take so many addresses in these blocks.

    Nearly every handle is new: it is made without looking for it first.
    """
    block = {str(cidr): count for cidr, count in counts.items()}
    try:
        await store.create(Resource(Metadata(handle_name(handle)), IPAMHandle(handle_id=handle, block=block)))
    except Conflict:
        await _change(store, handle, block)


async def count_down(store: Datastore, handle: str, counts: Mapping[Prefix, int]) -> None:
    """Note that `handle` gave back so many addresses of these blocks; without any it is removed."""
    await _change(store, handle, {str(cidr): -count for cidr, count in counts.items()})


async def forget(store: Datastore, handle: str) -> None:
    """Remove the handle: it holds nothing any more."""
    for _ in range(RETRIES):
        stored = await store.get(IPAMHandle, handle_name(handle))
        if stored is None:
            return
        try:
            await store.delete(stored)
        except Conflict:
            continue
        return
    raise Conflict(f"handle {handle} could not be removed: changed by others {RETRIES} times")


async def _change(store: Datastore, handle: str, changes: Mapping[str, int]) -> None:
    for _ in range(RETRIES):
        stored = await store.get(IPAMHandle, handle_name(handle))
        before = stored.spec.block if stored else {}
        after = {block: before.get(block, 0) + changes.get(block, 0) for block in (*before, *changes)}
        after = {block: count for block, count in after.items() if count > 0}
        try:
            if stored is None:
                if after:
                    spec = IPAMHandle(handle_id=handle, block=after)
                    await store.create(Resource(Metadata(handle_name(handle)), spec))
            elif after:
                await store.update(replace(stored, spec=structs.replace(stored.spec, block=after, deleted=False)))
            else:
                await store.delete(stored)
        except Conflict:
            continue
        return
    raise Conflict(f"handle {handle} could not be written: changed by others {RETRIES} times")
