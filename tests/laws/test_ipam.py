"""Laws of allocation: nodes that work at once, and processes killed between any two writes."""

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from felixpy.datastore.memory import MemoryDatastore
from felixpy.ipam.allocator import Allocator
from felixpy.ipam.blocks import Owner, assigned, fresh_block, held, is_confirmed, released
from felixpy.ipam.books import shape
from felixpy.ipam.errors import Shortage
from felixpy.model.addresses import Address
from felixpy.model.errors import Conflict
from felixpy.model.resources import BlockAffinity, IPAMBlock
from tests.ipam_world import Killed, Process, allocator, config, pool, request, trouble, world

NODES = ("n1", "n2", "n3")


@dataclass(frozen=True)
class Round:
    """What happens at once: on each node some containers come and some go; processes die after so many writes."""

    come: tuple[int, int, int]
    go: tuple[int, int, int]
    deaths: tuple[int | None, int | None, int | None]
    after: bool
    pace: int


ROUNDS = st.lists(
    st.builds(
        Round,
        come=st.tuples(*[st.integers(0, 4)] * 3),
        go=st.tuples(*[st.integers(0, 4)] * 3),
        deaths=st.tuples(*[st.none() | st.integers(0, 12)] * 3),
        after=st.booleans(),
        pace=st.integers(0, 2),
    ),
    min_size=1,
    max_size=5,
)


@dataclass
class Cluster:
    """What the callers know: the addresses they were given, and handles whose fate they do not know."""

    store: MemoryDatastore
    running: dict[str, tuple[str, tuple[Address, ...]]] = field(default_factory=dict)
    unsure: dict[str, str] = field(default_factory=dict)
    count: int = 0

    async def come(self, node: str, process: Allocator) -> None:
        self.count += 1
        handle = f"net.c{self.count}"
        try:
            self.running[handle] = (node, await process.assign(request(handle, 4)))
        except Shortage:
            pass
        except (Killed, Conflict, asyncio.CancelledError):
            self.unsure[handle] = node

    async def go(self, node: str, process: Allocator) -> None:
        mine = [handle for handle, (where, _) in self.running.items() if where == node]
        if mine:
            handle = mine[0]
            del self.running[handle]
            try:
                await process.release(handle)
            except (Killed, Conflict, asyncio.CancelledError):
                self.unsure[handle] = node

    async def turn(self, plan: Round) -> None:
        tasks = []
        for index, node in enumerate(NODES):
            process = allocator(Process(self.store, plan.deaths[index], after=plan.after, pace=plan.pace), node)
            tasks += [self.come(node, process) for _ in range(plan.come[index])]
            tasks += [self.go(node, process) for _ in range(plan.go[index])]
        random.shuffle(tasks)
        await asyncio.gather(*tasks)

    async def replay(self) -> None:
        """What a restarted agent does with its journal: release what was half done."""
        for handle, node in self.unsure.items():
            await allocator(self.store, node).release(handle)
        self.unsure.clear()


async def hold_the_laws(cluster: Cluster) -> None:
    blocks = {b.spec.cidr: b.spec for b in (await cluster.store.list(IPAMBlock)).objects.values()}
    given_out = [address for _, addresses in cluster.running.values() for address in addresses]
    assert len(given_out) == len(set(given_out)), "an address was given twice"
    holders = {b.cidr[o]: entry.handle_id for b in blocks.values() for o, entry in held(b)}
    for handle, (_, addresses) in cluster.running.items():
        assert all(holders.get(address) == handle for address in addresses), "an address lost its holder"
    assert all(shape(block) == "" for block in blocks.values())
    owners: dict[Any, str] = {}
    for affinity in (await cluster.store.list(BlockAffinity)).objects.values():
        if is_confirmed(affinity):
            assert affinity.spec.cidr not in owners, "a block has two confirmed owners"
            owners[affinity.spec.cidr] = affinity.spec.node
            assert blocks[affinity.spec.cidr].affinity == f"host:{affinity.spec.node}"


async def play(rounds: list[Round], *, strict: bool, seed: int) -> None:
    random.seed(seed)
    cluster = Cluster(world(pool(cidr="10.65.0.0/27", block_size=30), config(strict_affinity=strict)))
    for plan in rounds:
        await cluster.turn(plan)
        await hold_the_laws(cluster)
        await cluster.replay()
        await hold_the_laws(cluster)
    found = [p for p in await trouble(cluster.store) if p.kind not in ("owner", "leaked")]
    assert found == [], "the counts do not agree"
    for handle, (node, _) in cluster.running.items():
        await allocator(cluster.store, node).release(handle)
    for node in NODES:
        with suppress(Shortage):  # the other nodes may own every block by now
            await allocator(cluster.store, node).assign(request("net.last", 4))
        await allocator(cluster.store, node).release("net.last")
    assert await trouble(cluster.store) == []


@settings(max_examples=60, deadline=None)
@given(rounds=ROUNDS, strict=st.booleans(), seed=st.integers(0, 2**16))
def test_no_address_is_given_twice_whoever_dies_when(rounds: list[Round], strict: bool, seed: int) -> None:
    asyncio.run(asyncio.wait_for(play(rounds, strict=strict, seed=seed), 60))


def test_the_law_turns_red_when_compare_and_swap_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def blind(self: MemoryDatastore, resource: Any) -> Any:
        return self._of(type(resource.spec)).get(resource.name)

    monkeypatch.setattr(MemoryDatastore, "_same", blind)
    busy = Round((4, 4, 4), (2, 2, 2), (None, None, None), after=False, pace=1)
    with pytest.raises((AssertionError, ExceptionGroup)):
        for seed in range(20):
            asyncio.run(asyncio.wait_for(play([busy] * 4, strict=False, seed=seed), 60))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 7)), max_size=60))
def test_a_block_gives_the_address_that_has_been_free_the_longest(steps: list[tuple[bool, int]]) -> None:
    block = fresh_block(ip_network("10.65.0.0/29"), None, 0.0)
    queue, owner = list(range(8)), Owner("net.a")
    for take, index in steps:
        if take:
            expected, queue = queue[:1], queue[1:]
            block, addresses = assigned(block, 1, owner)
            assert [int(a) & 7 for a in addresses] == expected
        else:
            taken = sorted(set(range(8)) - set(queue))
            if taken:
                ordinal = taken[index % len(taken)]
                block = released(block, [ordinal])
                queue.append(ordinal)
        assert list(block.unallocated) == queue
        assert shape(block) == ""
