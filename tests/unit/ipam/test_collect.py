"""What is wrong with the books, each planted once: the check must see it and say what mends it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from msgspec import structs

from felixpy.datastore.memory import MemoryDatastore
from felixpy.ipam.blocks import Owner, assigned, fresh_block, timestamp
from felixpy.ipam.collect import problems
from felixpy.ipam.usage import borrowed, usages
from felixpy.ipam.why import why
from felixpy.model.resources import (
    BlockAffinity,
    IPAMBlock,
    IPAMHandle,
    IPReservation,
    Metadata,
    Node,
    Resource,
    WorkloadEndpoint,
)
from felixpy.model.snapshot import Snapshot
from tests.ipam_world import allocator, config, endpoint, pool, request, snapshot, world

Plant = Callable[[MemoryDatastore], Awaitable[None]]
NOW = 1_800_000_000.0


async def the(store: MemoryDatastore, kind: Any) -> Any:
    (found,) = (await store.list(kind)).objects.values()
    return found


async def change(store: MemoryDatastore, kind: Any, **fields: Any) -> None:
    stored = await the(store, kind)
    await store.update(replace(stored, spec=structs.replace(stored.spec, **fields)))


async def nobody_has_it(store: MemoryDatastore) -> None:
    await store.delete(await the(store, WorkloadEndpoint))


async def two_pods_have_it(store: MemoryDatastore) -> None:
    await endpoint(store, "net.twin", [ip_address("10.65.0.64")])


async def a_pod_has_a_free_one(store: MemoryDatastore) -> None:
    await endpoint(store, "net.thief", [ip_address("10.65.0.65")])


async def no_handle(store: MemoryDatastore) -> None:
    await store.delete(await the(store, IPAMHandle))


async def wrong_count(store: MemoryDatastore) -> None:
    await change(store, IPAMHandle, block={"10.65.0.64/26": 7})


async def handle_of_nothing(store: MemoryDatastore) -> None:
    await store.create(Resource(Metadata("net.ghost"), IPAMHandle(handle_id="net.ghost")))


async def two_owners(store: MemoryDatastore) -> None:
    spec = BlockAffinity(cidr=ip_network("10.65.0.64/26"), node="n2", state="confirmed")
    await store.create(Resource(Metadata("n2-10-65-0-64-26"), spec))


async def another_owner(store: MemoryDatastore) -> None:
    await change(store, IPAMBlock, affinity="host:n2")


async def unconfirmed(store: MemoryDatastore) -> None:
    await change(store, BlockAffinity, state="pending")


async def no_such_block(store: MemoryDatastore) -> None:
    spec = BlockAffinity(cidr=ip_network("10.65.0.128/26"), node="n2", state="confirmed")
    await store.create(Resource(Metadata("n2-10-65-0-128-26"), spec))


async def node_is_gone(store: MemoryDatastore) -> None:
    for node in (await store.list(Node)).objects.values():
        await store.delete(node)


async def outside_all_pools(store: MemoryDatastore) -> None:
    cidr = ip_network("10.99.0.0/26")
    await store.create(Resource(Metadata("10-99-0-0-26"), fresh_block(cidr, None, NOW)))


async def overlapping(store: MemoryDatastore) -> None:
    cidr = ip_network("10.65.0.64/27")
    await store.create(Resource(Metadata("10-65-0-64-27"), fresh_block(cidr, None, NOW)))


async def twice_in_the_block(store: MemoryDatastore) -> None:
    block = (await the(store, IPAMBlock)).spec
    await change(store, IPAMBlock, unallocated=(0, *block.unallocated))


async def too_short(store: MemoryDatastore) -> None:
    await change(store, IPAMBlock, allocations=(None,) * 63)


async def names_nobody(store: MemoryDatastore) -> None:
    block = (await the(store, IPAMBlock)).spec
    await change(store, IPAMBlock, allocations=(9, *block.allocations[1:]))


async def healthy() -> MemoryDatastore:
    store = world(pool(), nodes=("n1", "n2"))
    addresses = await allocator(store).assign(request("net.a", addresses=(ip_address("10.65.0.64"),)))
    await endpoint(store, "net.a", addresses)
    return store


@pytest.mark.parametrize(
    ("plant", "kind", "subject", "proof"),
    [
        (nobody_has_it, "leaked", "10.65.0.64", "no WorkloadEndpoint has it"),
        (two_pods_have_it, "doubled", "10.65.0.64", "WorkloadEndpoints default/net.a, default/net.twin have it"),
        (a_pod_has_a_free_one, "unallocated", "10.65.0.65", "its block says it is free"),
        (no_handle, "count", "handle net.a", "there is no such IPAMHandle"),
        (wrong_count, "count", "handle net.a", "IPAMHandle says {'10.65.0.64/26': 7}"),
        (handle_of_nothing, "count", "handle net.ghost", "the blocks say nothing"),
        (two_owners, "owner", "block 10.65.0.64/26", "confirmed affinities of n1, n2"),
        (another_owner, "owner", "block 10.65.0.64/26", "IPAMBlock.affinity is host:n2"),
        (unconfirmed, "owner", "block 10.65.0.64/26", "host:n1, which has no confirmed affinity"),
        (no_such_block, "owner", "block 10.65.0.128/26", "there is no such IPAMBlock"),
        (node_is_gone, "orphaned", "block 10.65.0.64/26", "node n1, which does not exist"),
        (outside_all_pools, "orphaned", "block 10.99.0.0/26", "lies in no IPPool"),
        (overlapping, "doubled", "block 10.65.0.64/27", "it overlaps block 10.65.0.64/26"),
        (twice_in_the_block, "broken", "block 10.65.0.64/26", "ordinals [0] are not exactly once"),
        (too_short, "broken", "block 10.65.0.64/26", "allocations has 63 entries"),
        (names_nobody, "broken", "block 10.65.0.64/26", "names an entry of attributes that is not there"),
    ],
)
def test_what_is_planted_is_found_with_its_proof(plant: Plant, kind: str, subject: str, proof: str) -> None:
    async def story() -> None:
        store = await healthy()
        assert problems(await snapshot(store), NOW) == []
        await plant(store)
        found = [p for p in problems(await snapshot(store), NOW) if (p.kind, p.subject) == (kind, subject)]
        assert [proof in problem.proof for problem in found] == [True]
        assert all(problem.fix for problem in found)

    asyncio.run(story())


def test_an_address_on_its_way_to_its_pod_is_not_leaked_yet() -> None:
    async def story() -> None:
        store = world(pool())
        young = Owner("net.a", {"timestamp": timestamp(NOW - 3)})
        await allocator(store).assign(replace(request("net.a", 4), owner=young))
        assert problems(await snapshot(store), NOW, grace_s=5) == []
        assert [p.kind for p in problems(await snapshot(store), NOW)] == ["leaked"]

    asyncio.run(story())


def test_a_tunnels_address_has_no_pod() -> None:
    async def story() -> None:
        store = world(pool())
        tunnel = Owner("tunnel", {"type": "ipipTunnelAddress", "node": "n1"})
        await allocator(store).assign(replace(request("tunnel", 4), owner=tunnel))
        assert problems(await snapshot(store), NOW) == []

    asyncio.run(story())


def test_usage_counts_addresses_by_pool_and_block() -> None:
    async def story() -> Snapshot:
        reserved = Resource(Metadata("r"), IPReservation(reserved_cidrs=("10.65.0.96/28", "10.65.0.97")))
        store = world(
            pool(), pool("six", "fd00:65::/112", vxlan_mode="Always"), reserved, config(max_blocks_per_host=1)
        )
        await allocator(store).assign(request("net.a", addresses=(ip_address("10.65.0.64"),)))
        await allocator(store, "n2").assign(request("net.b", addresses=(ip_address("10.65.0.128"),)))
        lent = Owner("net.c", {"node": "n2", "pod": "c", "namespace": "default"})
        block = (await store.list(IPAMBlock)).objects["10-65-0-64-26"]
        await store.update(replace(block, spec=assigned(block.spec, 1, lent)[0]))
        return await snapshot(store)

    seen = asyncio.run(story())
    rows = [(u.grouping, str(u.cidr), u.owner, u.total, u.used, u.reserved, u.free) for u in usages(seen)]
    assert rows == [
        ("IP Pool", "10.65.0.0/24", "", 256, 3, 16, 237),
        ("Block", "10.65.0.64/26", "n1", 64, 2, 16, 46),
        ("Block", "10.65.0.128/26", "n2", 64, 1, 0, 63),
        ("IP Pool", "fd00:65::/112", "", 65536, 0, 0, 65536),
    ]
    assert [u.note for u in usages(seen) if u.name == "six"] == [
        "not served: vxlanMode is Always: there is no encapsulation here, set it to Never"
    ]
    (one,) = [row for row in borrowed(seen) if row.borrower == "n2"]
    assert (str(one.address), one.owner) == ("10.65.0.65", "n1")


@pytest.mark.parametrize(
    ("address", "state"),
    [
        ("10.65.0.64", "in use"),
        ("10.65.0.65", "free"),
        ("10.65.0.66", "reserved"),
        ("10.65.0.200", "in no block"),
        ("9.9.9.9", "in no pool"),
    ],
)
def test_why_says_who_has_an_address_or_why_nobody_has(address: str, state: str) -> None:
    async def story() -> Snapshot:
        store = await healthy()
        await store.create(Resource(Metadata("r"), IPReservation(reserved_cidrs=("10.65.0.66/32",))))
        return await snapshot(store)

    found = why(asyncio.run(story()), ip_address(address))
    assert found.state == state
    if state == "in use":
        assert (found.pool, str(found.block), found.owner, found.affinity) == (
            "p",
            "10.65.0.64/26",
            "n1",
            "confirmed",
        )
        assert (found.handle, found.handle_count, found.endpoints) == ("net.a", 1, ("default/net.a",))
