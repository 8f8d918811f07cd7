"""One node's allocator: serves many requests with few writes, and never gives an address twice.

Requests that arrive while a write is under way wait and are served together by the next one: a burst of 100 pods
costs two writes of a block, not 100. The node's own blocks stay in memory with their versions; a write that
conflicts (another process, a borrower, the garbage collection) reads the block again and serves those it hit anew.

Handles and the node's own blocks are written at the same time: an address is found again by its handle, or, when a
crash came between the two, by looking through the node's own blocks. For blocks of others the order is handles, then
blocks, and on release the reverse. So a crash leaves at most an address that nobody uses, and releasing its handle
mends that.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace

from felixpy.datastore.source import Datastore
from felixpy.ipam.allocate import Request, Trial, shortage
from felixpy.ipam.blocks import is_empty, ordinals_of
from felixpy.ipam.claims import RETRIES, Block, claim, owned_blocks
from felixpy.ipam.errors import NoQualifiedPool, Shortage, Taken
from felixpy.ipam.growth import Growth, unselected
from felixpy.ipam.handles import count_down, count_up, forget
from felixpy.ipam.names import affinity_of, block_name, handle_name
from felixpy.ipam.pools import Rules, Wish, block_cidr, pool_of, pools_for, unserved
from felixpy.ipam.shelf import Shelf
from felixpy.ipam.tickets import Ticket, apart, together
from felixpy.model.addresses import Address, Prefix, parse_prefix
from felixpy.model.errors import Conflict, Trouble
from felixpy.model.resources import IPAMBlock, IPAMHandle, IPPool, Resource

ReadRules = Callable[[], Awaitable[Rules]]


class Allocator:
    """Addresses for the pods of `node`. One instance for all tasks of a process; other processes may run too."""

    def __init__(
        self,
        store: Datastore,
        node: str,
        rules: ReadRules,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._node, self._rules, self._clock = store, node, rules, clock
        self._shelf = Shelf(node)  # as last read or written: own blocks, and others in use
        self._loaded = False
        self._lock = asyncio.Lock()
        self._waiting: list[Ticket] = []

    async def assign(self, request: Request) -> tuple[Address, ...]:
        """One address for each wish, in their order, then the fixed ones; all or none.

        NoQualifiedPool, Shortage, Taken say why not, and nothing is held. After Unreachable or Conflict (the
        datastore does not take it) something may be: release the handle.
        """
        return await self._ask(Ticket(request.owner.handle, request, asyncio.get_running_loop().create_future()))

    async def release(self, handle: str) -> tuple[Address, ...]:
        """Give back everything that `handle` holds; what it was. Nothing when it holds nothing."""
        return await self._ask(Ticket(handle, None, asyncio.get_running_loop().create_future()))

    async def _ask(self, ticket: Ticket) -> tuple[Address, ...]:
        self._waiting.append(ticket)
        try:
            async with self._lock:
                while not ticket.answer.done():
                    batch, self._waiting = apart(self._waiting)
                    await self._serve(batch)
        except BaseException:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
            raise
        return await ticket.answer

    async def _serve(self, batch: list[Ticket]) -> None:
        left = batch
        try:
            for _ in range(RETRIES):
                left = await self._attempt(left)
                if not left:
                    return
        except Trouble as error:
            self._loaded = False  # what was written is not known: read it all again
            for ticket in batch:
                ticket.fail(error)
        except BaseException:
            self._loaded = False
            for ticket in batch:
                ticket.answer.cancel()
            raise
        for ticket in left:
            ticket.fail(Conflict(f"allocation met changes by others {RETRIES} times; try again"))

    async def _attempt(self, batch: list[Ticket]) -> list[Ticket]:
        """Serve the batch; those that must be served again because another wrote their block."""
        rules = await self._rules()
        await self._load()
        trial = Trial({}, rules.reserved, rules.config.ip_cooldown_seconds, self._clock())
        leaving = {ticket.handle: await self._where(ticket.handle) for ticket in batch if ticket.request is None}
        served = []
        for ticket in batch:
            try:
                if ticket.request is None:
                    self._give_back(trial, ticket, leaving[ticket.handle])
                else:
                    ticket.addresses = list(await self._place(trial, ticket.request, rules))
            except (NoQualifiedPool, Shortage, Taken) as error:
                trial.undo(ticket.handle)
                ticket.fail(error)
            else:
                served.append(ticket)
        again = await self._commit(trial, served)
        for cidr in await unselected(self._store, self._node, self._shelf.own(), rules):
            self._shelf.drop(cidr)
        return again

    async def _load(self) -> None:
        if not self._loaded:
            self._shelf = Shelf(self._node, (await owned_blocks(self._store, self._node)).values())
            self._loaded = True

    async def _refresh(self, cidr: Prefix) -> Block | None:
        """Read a block again; without one we hold none."""
        block = await self._store.get(IPAMBlock, block_name(cidr))
        if block is None or block.spec.deleted:
            self._shelf.drop(cidr)
            return None
        self._shelf.put(block)
        return block

    async def _where(self, handle: str) -> list[Prefix]:
        """The blocks to look in for what `handle` holds: those that its object names, and own ones with some of it.

        One that is named and of which we know nothing is read again: another process of this node may have written
        to it.
        """
        record = await self._store.get(IPAMHandle, handle_name(handle))
        found = self._shelf.holding(handle)
        for cidr in sorted({parse_prefix(text) for text in record.spec.block} if record else (), key=str):
            if cidr not in found and await self._refresh(cidr) is not None:
                found.append(cidr)
        return found

    def _give_back(self, trial: Trial, ticket: Ticket, cidrs: Sequence[Prefix]) -> None:
        for cidr in cidrs:
            if cidr not in self._shelf:
                continue  # it went while another of this batch was served
            if cidr not in trial.blocks:
                trial.add(self._shelf[cidr].spec)
            block = trial.blocks[cidr]
            found_here = [cidr[ordinal] for ordinal in ordinals_of(block, ticket.handle)]
            ticket.addresses += [address for address in found_here if address not in ticket.addresses]
            trial.give_back(cidr, ticket.handle)

    async def _place(self, trial: Trial, request: Request, rules: Rules) -> Sequence[Address]:
        taken = [await self._wish(trial, wish, request, rules) for wish in request.wishes]
        for address in request.addresses:
            await self._exactly(trial, address, request, rules)
        return (*taken, *request.addresses)

    async def _wish(self, trial: Trial, wish: Wish, request: Request, rules: Rules) -> Address:
        pools = pools_for(wish, rules)
        address = self._from_own(trial, pools, wish, request)
        if address is not None:
            return address
        declared = await owned_blocks(self._store, self._node, self._shelf)  # by hand, or another's work
        for block in declared.values():
            if block.spec.cidr not in self._shelf:
                self._shelf.put(block)
        address = self._from_own(trial, pools, wish, request)
        growth = Growth(self._store, self._node, rules, pools, self._shelf.count(wish.family), self._clock())
        if address is None:
            async with aclosing(growth.blocks()) as more:
                async for block in more:
                    if block.spec.cidr not in trial.blocks:
                        self._hold(trial, block)
                    address = trial.take([block.spec.cidr], request.owner)
                    if address is not None:
                        break
        if address is None:
            raise Shortage(shortage(pools, growth.reasons))
        return address

    def _from_own(
        self, trial: Trial, pools: Collection[Resource[IPPool]], wish: Wish, request: Request
    ) -> Address | None:
        for block in self._shelf.with_room(wish.family, pools):
            if block.spec.cidr not in trial.blocks:
                trial.add(block.spec)
            address = trial.take([block.spec.cidr], request.owner)
            if address is not None:
                return address
        return None

    def _hold(self, trial: Trial, block: Block) -> None:
        self._shelf.put(block)
        trial.add(block.spec)

    async def _exactly(self, trial: Trial, address: Address, request: Request, rules: Rules) -> None:
        pool = pool_of(address, rules)
        reason = "it lies in no pool" if pool is None else unserved(pool)
        if pool is None or reason:
            raise NoQualifiedPool(f"{address} cannot be assigned: {reason}")
        if request.use not in pool.spec.allowed_uses:
            raise NoQualifiedPool(f"{address} cannot be assigned: pool {pool.name} is not for {request.use}")
        cidr = block_cidr(pool.spec, address)
        if cidr not in trial.blocks:
            block = await self._refresh(cidr)
            if block is None and not rules.config.auto_allocate_blocks:
                raise Shortage(f"{address} is in no block, and autoAllocateBlocks is false: declare block {cidr}")
            block = block or await claim(self._store, self._node, cidr, self._clock())
            self._hold(trial, block or await self._existing(cidr))
        owner = trial.blocks[cidr].affinity
        if rules.config.strict_affinity and owner != affinity_of(self._node):
            raise Taken(f"{address} is in block {cidr} of {owner or 'no node'}, and strictAffinity is on")
        trial.take_address(cidr, address, request.owner)

    async def _existing(self, cidr: Prefix) -> Block:
        block = await self._refresh(cidr)
        if block is None:
            raise Conflict(f"block {cidr} came and went")
        return block

    async def _commit(self, trial: Trial, served: list[Ticket]) -> list[Ticket]:
        changed = {c: block for c, block in trial.blocks.items() if block != self._shelf[c].spec}
        lost = await self._write_all(trial, served, changed)
        again = []
        for ticket in served:
            if lost and ticket.request is None:
                again.append(ticket)
            elif lost.intersection(trial.taken_by(ticket.handle)):
                await self._take_back(trial, ticket, lost)
                again.append(ticket)
            elif not ticket.answer.done():
                ticket.answer.set_result(tuple(ticket.addresses))
        for cidr in trial.blocks:  # what was borrowed is read afresh when it is wanted again
            if cidr in self._shelf and not self._shelf.owns(cidr):
                self._shelf.drop(cidr)
        return again

    async def _write_all(
        self, trial: Trial, served: list[Ticket], changed: Mapping[Prefix, IPAMBlock]
    ) -> set[Prefix]:
        """Handles and blocks; the blocks that another has changed since."""
        takers = [ticket for ticket in served if trial.taken_by(ticket.handle)]
        counting = [count_up(self._store, ticket.handle, trial.taken_by(ticket.handle)) for ticket in takers]
        leavers = [ticket.handle for ticket in served if ticket.request is None]
        if all(block.affinity == affinity_of(self._node) for block in changed.values()):
            forgetting = [forget(self._store, handle) for handle in leavers]
            written = asyncio.ensure_future(self._write_blocks(changed))
            await together(written, *counting, *forgetting)
            return written.result()
        await together(*counting)
        lost = await self._write_blocks(changed)
        if not lost:
            await together(*(forget(self._store, handle) for handle in leavers))
        return lost

    async def _write_blocks(self, changed: Mapping[Prefix, IPAMBlock]) -> set[Prefix]:
        return {cidr for cidr, block in changed.items() if not await self._write(cidr, block)}

    async def _write(self, cidr: Prefix, block: IPAMBlock) -> bool:
        stored: Resource[IPAMBlock] = replace(self._shelf[cidr], spec=block)
        try:
            if is_empty(block) and block.affinity is None:
                await self._store.delete(stored)
                self._shelf.drop(cidr)
            else:
                self._shelf.put(await self._store.update(stored))
        except Conflict:
            await self._refresh(cidr)
            return False
        return True

    async def _take_back(self, trial: Trial, ticket: Ticket, lost: set[Prefix]) -> None:
        """Undo what was written for one whose other block another changed: it is served anew."""
        counts = trial.taken_by(ticket.handle)
        for cidr in counts.keys() - lost:
            undone = Trial({cidr: self._shelf[cidr].spec})
            undone.give_back(cidr, ticket.handle)
            while not await self._write(cidr, undone.blocks[cidr]):
                undone = Trial({cidr: (await self._existing(cidr)).spec})
                undone.give_back(cidr, ticket.handle)
        await count_down(self._store, ticket.handle, counts)
