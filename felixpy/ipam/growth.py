"""Where the next address may come from when the node's own blocks are full: a block more, or somebody else's."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field

from felixpy.datastore.source import Datastore
from felixpy.ipam.allocate import inside, with_room
from felixpy.ipam.blocks import is_empty, seconds
from felixpy.ipam.claims import Block, claim, give_up
from felixpy.ipam.cooldown import rested
from felixpy.ipam.names import HOST, affinity_of
from felixpy.ipam.pools import Rules, candidates, pool_of
from felixpy.model.addresses import Prefix
from felixpy.model.errors import Conflict
from felixpy.model.resources import IPAMBlock, IPPool, Resource
from felixpy.model.selectors import matches

EMPTY_FOR_S = 60.0  # a block of another node is taken over only when it is empty and was claimed that long ago


@dataclass(slots=True)
class Growth:
    """One request's search through `pools` for `node`, which owns `owned` blocks of that family.

    `reasons` collects why there was no more, for the error.
    """

    store: Datastore
    node: str
    rules: Rules
    pools: Sequence[Resource[IPPool]]
    owned: int
    now: float
    reasons: list[str] = field(default_factory=list)

    async def blocks(self) -> AsyncGenerator[Block, None]:
        """Blocks to try, best first: fresh ones, then empty ones of others, then, without strictAffinity, borrowed
        ones. The caller stops when it has what it needs.
        """
        existing = await self._existing()
        if self._may_grow():
            async for block in self._fresh(existing):
                yield block
            async for block in self._reclaimed(existing):
                yield block
        if self.rules.config.strict_affinity:
            self.reasons.append("no more free affine blocks and strict affinity enabled")
            return
        for block in self._foreign(existing):
            yield block

    async def _existing(self) -> dict[Prefix, Block]:
        listed = (await self.store.whole().list(IPAMBlock)).objects.values()
        return {block.spec.cidr: block for block in listed if not block.spec.deleted}

    def _may_grow(self) -> bool:
        config = self.rules.config
        if not config.auto_allocate_blocks:
            self.reasons.append("autoAllocateBlocks is false: blocks are declared by hand")
        elif self.owned >= self.rules.max_blocks:
            self.reasons.append(
                "need to allocate an IPAM block but could not - "
                f"limit of {self.rules.max_blocks} blocks reached for this node"
            )
        else:
            return True
        return False

    async def _fresh(self, existing: dict[Prefix, Block]) -> AsyncIterator[Block]:
        sizes = {cidr.prefixlen for cidr in existing}
        for pool in self.pools:
            odd = [cidr for cidr in existing if sizes != {pool.spec.block_size} and cidr.overlaps(pool.spec.cidr)]
            for cidr in candidates(pool.spec, self.node):
                if cidr in existing or any(cidr.overlaps(other) for other in odd):
                    continue
                block = await claim(self.store, self.node, cidr, self.now)
                if block is not None:
                    yield block

    async def _reclaimed(self, existing: dict[Prefix, Block]) -> AsyncIterator[Block]:
        for cidr in inside(existing, self.pools):
            block = self._clear(existing[cidr].spec)
            owner = block.affinity or ""
            old = seconds(block.affinity_claim_time) + EMPTY_FOR_S <= self.now
            if not owner.startswith(HOST) or owner == affinity_of(self.node) or not old or not is_empty(block):
                continue
            try:
                given_up = await give_up(self.store, owner.removeprefix(HOST), cidr, self._clear)
            except Conflict:
                continue  # its owner has just used it
            taken = await claim(self.store, self.node, cidr, self.now) if given_up else None
            if taken is not None:
                yield taken

    def _clear(self, block: IPAMBlock) -> IPAMBlock:
        return rested(block, self.rules.config.ip_cooldown_seconds, self.now)

    def _foreign(self, existing: dict[Prefix, Block]) -> list[Block]:
        ours = affinity_of(self.node)
        order = [c for pool in self.pools for c in candidates(pool.spec, self.node) if c in existing]
        blocks = [existing[cidr] for cidr in order if existing[cidr].spec.affinity != ours]
        return [block for block in blocks if with_room(self._clear(block.spec), self.rules.reserved)]


async def unselected(store: Datastore, node: str, blocks: Iterable[Block], rules: Rules) -> set[Prefix]:
    """Give up `node`'s empty blocks of pools that do not select it any more; those that it gave up.

    A pool that is gone or cannot be read says nothing about the node: its blocks stay.
    """
    gone: set[Prefix] = set()
    pools = [pool for pool in rules.pools if not matches(pool.spec.node_selector, rules.labels)]
    if not pools:
        return gone
    for block in blocks:
        cidr = block.spec.cidr
        if pool_of(cidr.network_address, rules) not in pools or not is_empty(block.spec):
            continue
        try:
            if await give_up(store, node, cidr):
                gone.add(cidr)
        except Conflict:
            continue  # somebody has just used it
    return gone
