"""A node takes a block and gives it up: every step is compare-and-swap, so one node at most ends as its owner.

Order of a claim: affinity `pending`, then the block with this node in `affinity`, then affinity `confirmed`. The
block decides: whoever creates it owns it, and the loser removes its own pending affinity. A crash between any two
steps leaves a pending affinity (counts as absent) or a block of ours whose affinity is not confirmed yet; `settle`
finishes or removes both. Giving up goes the other way round, over `pendingDeletion`.
"""

from collections.abc import Callable, Container
from dataclasses import replace

from msgspec import structs

from felixpy.datastore.source import Datastore
from felixpy.ipam.blocks import CONFIRMED, fresh_block, is_confirmed, is_empty
from felixpy.ipam.names import affinity_name, affinity_of, block_name
from felixpy.model.addresses import Prefix
from felixpy.model.errors import Conflict
from felixpy.model.resources import BlockAffinity, IPAMBlock, Metadata, Resource

RETRIES = 100  # as in Calico's library
PENDING, LEAVING = "pending", "pendingDeletion"

Block = Resource[IPAMBlock]
Affinity = Resource[BlockAffinity]
Clear = Callable[[IPAMBlock], IPAMBlock]


async def claim(store: Datastore, node: str, cidr: Prefix, now: float) -> Block | None:
    """The block, owned by `node` and confirmed; None when it is another node's. `now` is Unix seconds.

    Conflict when others changed the objects RETRIES times in a row.
    """
    for _ in range(RETRIES):
        try:
            affinity = await _pending(store, node, cidr)
            block = await _block(store, node, cidr, now)
            if block.spec.affinity != affinity_of(node):
                await store.delete(affinity)
                return None
            await _set_state(store, affinity, CONFIRMED)
        except Conflict:
            continue
        return block
    raise Conflict(f"block {cidr} could not be claimed for {node}: changed by others {RETRIES} times")


async def _pending(store: Datastore, node: str, cidr: Prefix) -> Affinity:
    """This node's affinity for the block; a new one is pending, and a confirmed one is left as it is."""
    name = affinity_name(node, cidr)
    found = await store.get(BlockAffinity, name)
    if found is not None and found.spec.deleted:
        await store.delete(found)
        found = None
    if found is None:
        return await store.create(
            Resource(Metadata(name), BlockAffinity(cidr=cidr, node=node, state=PENDING, type="host"))
        )
    return found if is_confirmed(found) else await _set_state(store, found, PENDING)


async def _block(store: Datastore, node: str, cidr: Prefix, now: float) -> Block:
    found = await store.get(IPAMBlock, block_name(cidr))
    if found is not None and found.spec.deleted:
        await store.delete(found)
        found = None
    if found is not None:
        return found
    return await store.create(Resource(Metadata(block_name(cidr)), fresh_block(cidr, affinity_of(node), now)))


async def _set_state(store: Datastore, affinity: Affinity, state: str) -> Affinity:
    if affinity.spec.state == state:
        return affinity
    return await store.update(replace(affinity, spec=structs.replace(affinity.spec, state=state)))


async def give_up(store: Datastore, node: str, cidr: Prefix, clear: Clear = lambda block: block) -> bool:
    """Remove an empty block and `node`'s affinity for it; False, and nothing changed, when it is in use.

    `clear` frees what has rested long enough: an address that rests keeps its block. Conflict when another wrote one
    of the two in between: look again and decide again.
    """
    affinity = await store.get(BlockAffinity, affinity_name(node, cidr))
    block = await store.get(IPAMBlock, block_name(cidr))
    if block is not None and block.spec.affinity == affinity_of(node):
        if not is_empty(clear(block.spec)):
            return False
        if affinity is not None:
            affinity = await _set_state(store, affinity, LEAVING)
        try:
            await store.delete(block)
        except Conflict:
            if affinity is not None:  # somebody took an address just now: the block stays the node's
                await _set_state(store, affinity, CONFIRMED)
            raise
    if affinity is not None:
        await store.delete(affinity)
    return True


async def settle(store: Datastore, affinity: Affinity) -> Block | None:
    """Finish what a crash left half done; the block when the node owns it after that, else None."""
    node, cidr = affinity.spec.node, affinity.spec.cidr
    for _ in range(RETRIES):
        try:
            block = await store.get(IPAMBlock, block_name(cidr))
            if block is None or block.spec.deleted or block.spec.affinity != affinity_of(node):
                if not is_confirmed(affinity):
                    await store.delete(affinity)
                return None
            if affinity.spec.state == LEAVING and await give_up(store, node, cidr):
                return None
            await _set_state(store, affinity, CONFIRMED if affinity.spec.state else "")
        except Conflict:
            again = await store.get(BlockAffinity, affinity.name)
            if again is None:
                return None
            affinity = again
            continue
        return block
    raise Conflict(f"affinity {affinity.name} could not be settled: changed by others {RETRIES} times")


async def owned_blocks(store: Datastore, node: str, known: Container[Prefix] = ()) -> dict[Prefix, Block]:
    """Every block that `node` owns but for the `known` ones, after finishing what a crash of it left half done.

    A confirmed affinity whose block names another owner is not ours: the block decides.
    """
    owned: dict[Prefix, Block] = {}
    for affinity in (await store.list(BlockAffinity)).objects.values():
        spec = affinity.spec
        if spec.cidr in known and is_confirmed(affinity):
            continue
        if spec.node == node and spec.type != "virtual" and not spec.deleted:
            block = await settle(store, affinity)
            if block is not None:
                owned[block.spec.cidr] = block
    return owned
