"""The datastore in memory: compare-and-swap, and a watch that lists first."""

import asyncio
from dataclasses import replace
from ipaddress import ip_network

import pytest

from felixpy.datastore.memory import MemoryDatastore
from felixpy.model.errors import Conflict
from felixpy.model.resources import IPPool, Metadata, Node, Resource
from felixpy.model.snapshot import Event, Gone, Listed, Put

POOL = Resource(Metadata("p"), IPPool(cidr=ip_network("10.65.0.0/16"), block_size=26))


def test_an_object_is_created_once() -> None:
    async def story() -> None:
        store = MemoryDatastore()
        made = await store.create(POOL)
        assert made.meta.uid and made.meta.version
        assert await store.get(IPPool, "p") == made
        with pytest.raises(Conflict, match="exists already"):
            await store.create(POOL)

    asyncio.run(story())


def test_only_the_object_that_was_read_is_replaced_or_removed() -> None:
    async def story() -> None:
        store = MemoryDatastore([POOL])
        read = await store.get(IPPool, "p")
        assert read is not None
        newer = await store.update(replace(read, spec=IPPool(cidr=POOL.spec.cidr, disabled=True)))
        with pytest.raises(Conflict, match="changed by another"):
            await store.update(read)
        with pytest.raises(Conflict, match="changed by another"):
            await store.delete(read)
        await store.delete(newer)
        await store.delete(newer)
        with pytest.raises(Conflict, match="gone"):
            await store.update(newer)

    asyncio.run(story())


def test_the_same_name_made_anew_is_another_object() -> None:
    async def story() -> None:
        store = MemoryDatastore([POOL])
        old = await store.get(IPPool, "p")
        assert old is not None
        await store.delete(old)
        await store.create(POOL)
        with pytest.raises(Conflict):
            await store.delete(old)

    asyncio.run(story())


def test_a_watch_lists_each_kind_and_then_tells_of_changes() -> None:
    async def story() -> list[Event]:
        store = MemoryDatastore([POOL])
        seen: list[Event] = []
        watch = store.watch([IPPool, Node])
        seen.extend([await anext(watch), await anext(watch)])
        made = await store.create(Resource(Metadata("n1"), Node()))
        seen.append(await anext(watch))
        await store.delete(made)
        seen.append(await anext(watch))
        return seen

    pools, nodes, put, gone = asyncio.run(story())
    assert isinstance(pools, Listed) and list(pools.objects) == ["p"]
    assert isinstance(nodes, Listed) and not nodes.objects
    assert isinstance(put, Put) and put.resource.name == "n1"
    assert gone == Gone(Node, "n1")
