"""One node's allocator, and several that want the same."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from msgspec import structs

from felixpy.datastore.memory import MemoryDatastore
from felixpy.ipam.blocks import Owner, fresh_block, is_confirmed
from felixpy.ipam.claims import claim, give_up, owned_blocks
from felixpy.ipam.errors import NoQualifiedPool, NotTheHolder, Shortage, Taken
from felixpy.ipam.release import release_address
from felixpy.model.resources import BlockAffinity, IPAMBlock, IPAMHandle, IPPool, IPReservation, Metadata, Resource
from tests.ipam_world import allocator, config, endpoint, pool, request, trouble, world

STRICT = config(strict_affinity=True)


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, 20))


async def blocks(store: MemoryDatastore) -> dict[str, IPAMBlock]:
    return {name: block.spec for name, block in (await store.list(IPAMBlock)).objects.items()}


async def affinities(store: MemoryDatastore) -> dict[str, str]:
    return {name: a.spec.state for name, a in (await store.list(BlockAffinity)).objects.items()}


def test_the_first_address_claims_a_block_and_the_next_comes_from_it() -> None:
    async def story() -> None:
        store = world(pool())
        node = allocator(store)
        (first,) = await node.assign(request("net.a", 4))
        (second,) = await node.assign(request("net.b", 4))
        assert int(second) == int(first) + 1
        ((name, block),) = (await blocks(store)).items()
        assert block.affinity == "host:n1" and first in block.cidr
        assert await affinities(store) == {f"n1-{name}": "confirmed"}
        handle = await store.get(IPAMHandle, "net.a")
        assert handle is not None and dict(handle.spec.block) == {str(block.cidr): 1}
        assert await node.release("net.a") == (first,)
        assert await node.release("net.a") == ()
        assert await store.get(IPAMHandle, "net.a") is None
        await endpoint(store, "net.b", [second])
        assert await trouble(store) == []

    run(story())


def test_a_burst_is_served_together_in_order_of_arrival() -> None:
    async def story() -> None:
        store = world(pool())
        node = allocator(store)
        answers = await asyncio.gather(*(node.assign(request(f"net.{n}", 4)) for n in range(100)))
        assert len({address for (address,) in answers}) == 100
        found = await blocks(store)
        assert sorted(block.sequence_number for block in found.values()) == [36, 64]
        versions = {name: int(b.meta.version) for name, b in (await store.list(IPAMBlock)).objects.items()}
        assert len(versions) == 2
        first = [address for (address,) in answers[:64]]
        assert first == sorted(first, key=int)

    run(story())


def test_dual_stack_is_all_or_nothing() -> None:
    async def story() -> None:
        store = world(pool(), pool("six", "fd00:65::/112"))
        node = allocator(store)
        four, six = await node.assign(request("net.a", 4, 6))
        assert (four.version, six.version) == (4, 6)
        await node.release("net.a")
        poor = world(pool())
        node = allocator(poor)
        with pytest.raises(NoQualifiedPool, match="no IPv6 pool"):
            await node.assign(request("net.a", 4, 6))
        (block,) = (await blocks(poor)).values()
        assert block.allocations == (None,) * 64 and block.unallocated == tuple(range(64))
        assert not (await poor.list(IPAMHandle)).objects

    run(story())


def test_a_full_pool_says_so_and_one_refused_request_does_not_stop_the_others() -> None:
    async def story() -> None:
        store = world(pool(cidr="10.65.0.0/30", block_size=30), STRICT)
        node = allocator(store)
        asked = [node.assign(request(f"net.{n}", 4)) for n in range(5)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert sum(isinstance(answer, tuple) for answer in answers) == 4
        (refused,) = [answer for answer in answers if isinstance(answer, Shortage)]
        assert str(refused) == (
            "No IPs available in pools: [10.65.0.0/30]; no more free affine blocks and strict affinity enabled; "
            "add an IPPool, or see felixpy ipam show and felixpy ipam check"
        )

    run(story())


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"max_blocks_per_host": 1}, "limit of 1 blocks reached for this node"),
        ({"auto_allocate_blocks": False}, "autoAllocateBlocks is false"),
    ],
)
def test_a_node_takes_no_more_blocks_than_it_may(settings: dict[str, Any], reason: str) -> None:
    async def story() -> None:
        store = world(pool(block_size=31), config(strict_affinity=True, **settings))
        node = allocator(store)
        with pytest.raises(Shortage, match=reason):
            for n in range(3):
                await node.assign(request(f"net.{n}", 4))

    run(story())


def test_a_block_declared_by_hand_is_used_without_a_restart() -> None:
    async def story() -> None:
        store = world(pool(), config(strict_affinity=True, auto_allocate_blocks=False))
        node = allocator(store)
        with pytest.raises(Shortage):
            await node.assign(request("net.a", 4))
        assert await claim(store, "n1", ip_network("10.65.0.64/26"), 0.0) is not None
        assert await node.assign(request("net.a", 4)) == (ip_address("10.65.0.64"),)

    run(story())


def test_a_full_node_borrows_only_without_strict_affinity() -> None:
    async def story() -> None:
        store = world(pool(block_size=30, cidr="10.65.0.0/29"), config(max_blocks_per_host=1))
        one, two = allocator(store, "n1"), allocator(store, "n2")
        await asyncio.gather(*(one.assign(request(f"net.{n}", 4)) for n in range(4)))
        await two.assign(request("net.owner", 4))
        (borrowed,) = await one.assign(request("net.x", 4))
        (owner,) = [b for b in (await blocks(store)).values() if borrowed in b.cidr]
        assert owner.affinity == "host:n2"
        again = await two.assign(request("net.y", 4))
        assert again != (borrowed,)
        assert await one.release("net.x") == (borrowed,)

    run(story())


def test_a_reserved_address_is_never_given() -> None:
    async def story() -> None:
        reserved = Resource(Metadata("r"), IPReservation(reserved_cidrs=("10.65.0.0/31",)))
        store = world(pool(cidr="10.65.0.0/30", block_size=30), reserved, STRICT)
        node = allocator(store)
        got = {(await node.assign(request(f"net.{n}", 4)))[0] for n in range(2)}
        assert got == {ip_address("10.65.0.2"), ip_address("10.65.0.3")}

    run(story())


def test_one_wanted_address_is_given_once_and_its_block_claimed() -> None:
    async def story() -> None:
        store = world(pool(), STRICT)
        wanted = ip_address("10.65.0.200")
        node = allocator(store)
        assert await node.assign(request("net.a", addresses=(wanted,))) == (wanted,)
        assert await affinities(store) == {"n1-10-65-0-192-26": "confirmed"}
        with pytest.raises(Taken, match="already assigned"):
            await node.assign(request("net.b", addresses=(wanted,)))
        with pytest.raises(Taken, match="strictAffinity"):
            await allocator(store, "n2").assign(request("net.b", addresses=(ip_address("10.65.0.201"),)))
        with pytest.raises(NoQualifiedPool, match="it lies in no pool"):
            await node.assign(request("net.b", addresses=(ip_address("9.9.9.9"),)))
        with pytest.raises(NoQualifiedPool, match="not for Tunnel"):
            only = world(pool(allowed_uses=("Workload",)))
            await allocator(only).assign(request("net.b", addresses=(wanted,), use="Tunnel"))

    run(story())


def test_a_wanted_address_claims_no_block_where_blocks_are_declared_by_hand() -> None:
    async def story() -> None:
        store = world(pool(), config(strict_affinity=True, auto_allocate_blocks=False))
        with pytest.raises(Shortage, match=r"declare block 10.65.0.0/26"):
            await allocator(store).assign(request("net.a", addresses=(ip_address("10.65.0.9"),)))
        assert (await store.list(IPAMBlock)).objects == {}

    asyncio.run(story())


def test_many_nodes_that_grow_at_once_never_share_a_block() -> None:
    async def story() -> None:
        store = world(pool(block_size=29), STRICT)
        nodes = [allocator(store, f"n{i}") for i in range(1, 4)]
        asked = [nodes[n % 3].assign(request(f"net.{n}", 4)) for n in range(60)]
        answers = await asyncio.gather(*asked)
        assert len({address for (address,) in answers}) == 60
        owners = [b.affinity for b in (await blocks(store)).values()]
        assert sorted(f"{a.split('-', 1)[0]}" for a in await affinities(store)) == sorted(
            o.removeprefix("host:") for o in owners if o
        )

    run(story())


def test_the_loser_of_a_block_removes_its_pending_affinity() -> None:
    async def story() -> None:
        store = world(pool())
        cidr = ip_network("10.65.0.0/26")
        first, second = await asyncio.gather(claim(store, "n1", cidr, 0.0), claim(store, "n2", cidr, 0.0))
        assert (first is None) != (second is None)
        assert list((await affinities(store)).values()) == ["confirmed"]

    run(story())


def test_an_empty_block_of_another_node_is_taken_over_after_a_minute() -> None:
    async def story() -> None:
        store = world(pool(cidr="10.65.0.0/30", block_size=30), STRICT)
        await claim(store, "n2", ip_network("10.65.0.0/30"), 1000.0)
        with pytest.raises(Shortage):
            await allocator(store, clock=lambda: 1059.0).assign(request("net.a", 4))
        await allocator(store, clock=lambda: 1061.0).assign(request("net.a", 4))
        assert await affinities(store) == {"n1-10-65-0-0-30": "confirmed"}
        with pytest.raises(Shortage):
            await allocator(store, "n2", clock=lambda: 9999.0).assign(request("net.b", 4))

    run(story())


def test_what_a_crash_left_half_done_is_finished_or_removed() -> None:
    async def story() -> None:
        store = world(pool())
        halves = [
            ("10.65.0.0/26", "pending", None),
            ("10.65.0.64/26", "pending", "host:n1"),
            ("10.65.0.128/26", "pendingDeletion", "host:n1"),
            ("10.65.0.192/26", "confirmed", "host:n2"),
        ]
        for text, state, owner in halves:
            cidr = ip_network(text)
            name = text.translate(str.maketrans("./", "--"))
            await store.create(Resource(Metadata(f"n1-{name}"), BlockAffinity(cidr=cidr, node="n1", state=state)))
            if owner:
                await store.create(Resource(Metadata(name), fresh_block(cidr, owner, 0.0)))
        owned = await owned_blocks(store, "n1")
        assert [str(cidr) for cidr in owned] == ["10.65.0.64/26"]
        assert await affinities(store) == {"n1-10-65-0-64-26": "confirmed", "n1-10-65-0-192-26": "confirmed"}
        assert sorted(await blocks(store)) == ["10-65-0-192-26", "10-65-0-64-26"]

    run(story())


def test_a_block_in_use_is_not_given_up() -> None:
    async def story() -> None:
        store = world(pool())
        node = allocator(store)
        (address,) = await node.assign(request("net.a", 4))
        (block,) = (await blocks(store)).values()
        assert not await give_up(store, "n1", block.cidr)
        await node.release("net.a")
        assert await give_up(store, "n1", block.cidr)
        assert await affinities(store) == {} and await blocks(store) == {}
        assert await node.assign(request("net.b", 4)) == (address,)

    run(story())


def test_an_address_is_released_by_hand_only_by_its_holder() -> None:
    async def story() -> None:
        store = world(pool())
        node = allocator(store)
        (address,) = await node.assign(request("net.a", 4))
        with pytest.raises(NotTheHolder, match=r"held by net\.a"):
            await release_address(store, address, "net.b")
        assert await release_address(store, address, "net.a", 0) == "net.a"
        assert await release_address(store, address) is None
        assert not (await store.list(IPAMHandle)).objects
        (again,) = await node.assign(request("net.c", 4))
        assert int(again) == int(address) + 1

    run(story())


def test_an_empty_block_that_belongs_to_nobody_goes_with_its_last_address() -> None:
    async def story() -> None:
        store = world(pool())
        node = allocator(store)
        (address,) = await node.assign(request("net.a", 4))
        (stored,) = (await store.list(IPAMBlock)).objects.values()
        await store.update(replace(stored, spec=structs.replace(stored.spec, affinity=None)))
        assert await allocator(store).release("net.a") == (address,)
        assert await blocks(store) == {}

    run(story())


def test_an_address_rests_as_long_as_the_configuration_says() -> None:
    async def story() -> None:
        now = [1000.0]
        store = world(pool(cidr="10.65.0.0/31", block_size=31), config(ip_cooldown_seconds=30, strict_affinity=True))
        node = allocator(store, clock=lambda: now[0])
        for n in range(2):
            await node.assign(request(f"net.{n}", 4))
            await node.release(f"net.{n}")
        with pytest.raises(Shortage):
            await node.assign(request("net.x", 4))
        now[0] += 31
        assert await node.assign(request("net.x", 4)) == (ip_address("10.65.0.0"),)

    run(story())


def test_a_cancelled_caller_does_not_hold_up_the_others() -> None:
    async def story() -> None:
        store = world(pool())
        node = allocator(store)
        first = asyncio.create_task(node.assign(request("net.a", 4)))
        second = asyncio.create_task(node.assign(request("net.b", 4)))
        await asyncio.sleep(0)
        second.cancel()
        assert len(await first) == 1
        assert second.cancelled() or (await asyncio.wait([second]))[0]

    run(story())


def test_the_owner_of_an_address_is_written_with_it() -> None:
    async def story() -> None:
        store = world(pool())
        await allocator(store).assign(replace(request("net.a", 4), owner=Owner("net.a", {"pod": "web"})))
        (block,) = (await blocks(store)).values()
        assert [(a.handle_id, a.secondary) for a in block.attributes] == [("net.a", {"pod": "web"})]

    run(story())


def test_every_affinity_that_counts_is_confirmed_or_old() -> None:
    made = [Resource(Metadata("a"), BlockAffinity(cidr=ip_network("10.0.0.0/26"), node="n", state=s))
            for s in ("confirmed", "", "pending", "pendingDeletion")]  # fmt: skip
    assert [is_confirmed(a) for a in made] == [True, True, False, False]


def test_an_empty_block_of_a_pool_that_selects_the_node_no_more_is_given_up() -> None:
    async def story() -> None:
        store = world(pool("a", "10.66.0.0/24"), pool("b"))
        node = allocator(store)
        (first,) = await node.assign(request("net.a", 4))
        stored = (await store.list(IPPool)).objects["a"]
        await store.update(replace(stored, spec=structs.replace(stored.spec, node_selector="has(rack)")))
        (second,) = await node.assign(request("net.b", 4))
        assert (str(first)[:5], str(second)[:5]) == ("10.66", "10.65")
        assert len(await affinities(store)) == 2, "it is in use"
        await node.release("net.a")
        (left,) = await affinities(store)
        assert left.startswith("n1-10-65")
        assert len(await blocks(store)) == 1

    run(story())
