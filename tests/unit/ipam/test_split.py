"""A pool cut into smaller ones."""

import asyncio
from dataclasses import replace

import pytest

from felixpy.ipam.split import children, split
from felixpy.model.errors import Conflict, Usage
from felixpy.model.resources import IPPool, Metadata
from tests.ipam_world import allocator, endpoint, pool, request, trouble, world


def test_the_parts_have_the_pools_settings_and_all_its_addresses() -> None:
    whole = pool("pods", "10.65.0.0/24", block_size=27, node_selector="rack == 'r1'", assignment_mode="Manual")
    parts = children(whole, 4)
    assert [part.name for part in parts] == [f"split-pods-{index}" for index in range(4)]
    assert [str(part.spec.cidr) for part in parts] == [f"10.65.0.{64 * index}/26" for index in range(4)]
    assert {(p.spec.block_size, p.spec.node_selector, p.spec.assignment_mode) for p in parts} == {
        (27, "rack == 'r1'", "Manual")
    }


@pytest.mark.parametrize("number", [0, 1, 3, 6, -2, 2048])
def test_only_a_power_of_two_cuts_evenly(number: int) -> None:
    with pytest.raises(Usage, match=f"not {number}"):
        children(pool(), number)


def test_a_block_is_never_cut() -> None:
    assert len(children(pool(cidr="10.65.0.0/24", block_size=26), 4)) == 4
    with pytest.raises(Usage, match="holds 4 blocks of /26: it has no 8 parts"):
        children(pool(cidr="10.65.0.0/24", block_size=26), 8)


def test_addresses_stay_and_a_split_that_was_interrupted_is_finished() -> None:
    async def story() -> None:
        store = world(pool("pods", block_size=28))
        before = await allocator(store).assign(request("net.a", 4))
        await endpoint(store, "net.a", before)
        stored = await store.get(IPPool, "pods")
        assert stored is not None
        parts = children(stored, 4)
        await store.create(parts[0])
        await split(store, stored, parts)
        assert set((await store.list(IPPool)).objects) == {part.name for part in parts}
        assert await trouble(store) == []
        await allocator(store).release("net.a")
        assert len(await allocator(store).assign(request("net.b", 4))) == 1

    asyncio.run(story())


def test_a_name_that_another_pool_has_is_refused_and_the_pool_stays() -> None:
    async def story() -> None:
        store = world(pool("pods"), replace(pool("x", "10.99.0.0/24"), meta=Metadata("split-pods-0")))
        stored = await store.get(IPPool, "pods")
        assert stored is not None
        with pytest.raises(Conflict, match="exists and is another pool"):
            await split(store, stored, children(stored, 2))
        assert await store.get(IPPool, "pods") is not None

    asyncio.run(story())
