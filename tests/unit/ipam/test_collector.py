"""Collection: by comparison, after a grace period, by one agent, and never what somebody uses."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from ipaddress import ip_address

import pytest

from felixpy.daemon.logs import make_log
from felixpy.datastore.memory import MemoryDatastore
from felixpy.elected import LEASE, Elected, Job
from felixpy.ipam.blocks import Owner, timestamp
from felixpy.ipam.collect import Problem
from felixpy.ipam.collector import Collector
from felixpy.ipam.leaks import leaks
from felixpy.model.resources import (
    BlockAffinity,
    IPAMBlock,
    IPAMHandle,
    Metadata,
    Namespace,
    Node,
    Pod,
    Resource,
    WorkloadEndpoint,
)
from felixpy.model.resources.core import PodIP
from felixpy.model.snapshot import Put
from tests.ipam_world import allocator, config, endpoint, pool, request, snapshot, trouble, world

START, GRACE_S = 1_800_000_000.0, 60.0


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


def collector(store: MemoryDatastore, clock: Clock, name: str = "n1") -> Collector:
    return Collector(store, GRACE_S, make_log("test", level="error"), clock)


def collecting(collector: Collector) -> Job:
    return Job("leaks", 0.05, collector.look, collector.forget)


async def take(store: MemoryDatastore, handle: str = "net.a", node: str = "n1", **attributes: str) -> None:
    said = {"pod": "web", "namespace": "team-a", "node": node, "timestamp": timestamp(START - 1000), **attributes}
    await allocator(store, node).assign(replace(request(handle, 4), owner=Owner(handle, said)))


async def looks(collecting: Collector, clock: Clock, *after_s: float) -> list[Problem]:
    done = []
    for pause in after_s:
        clock.now += pause
        done += await collecting.look()
    return done


def run(body: Callable[[MemoryDatastore, Clock], Awaitable[None]], *more: Resource[object]) -> None:
    store = world(pool(), nodes=("n1", "n2"))

    async def main() -> None:
        async with asyncio.timeout(10):
            await body(store, Clock())

    asyncio.run(main())


def test_a_leaked_address_is_given_back_after_the_grace_period_and_not_before() -> None:
    async def body(store: MemoryDatastore, clock: Clock) -> None:
        await take(store)
        collecting = collector(store, clock)
        assert await looks(collecting, clock, 0, GRACE_S / 2, GRACE_S / 2 - 1) == []
        assert [problem.subject for problem in await looks(collecting, clock, 1)] == ["10.65.0.64"]
        assert await trouble(store) == [] and (await store.list(IPAMHandle)).objects == {}

    run(body)


def test_an_address_that_was_given_out_anew_has_a_grace_period_of_its_own() -> None:
    async def body(store: MemoryDatastore, clock: Clock) -> None:
        await take(store)
        collecting = collector(store, clock)
        await looks(collecting, clock, 0)
        node = allocator(store)
        await node.release("net.a")
        await node.assign(replace(request("net.a", addresses=(ip_address("10.65.0.64"),)), owner=Owner("net.a", {})))
        assert await looks(collecting, clock, GRACE_S) == []
        assert [problem.subject for problem in await looks(collecting, clock, GRACE_S)] == ["10.65.0.64"]

    run(body)


def test_a_pod_that_comes_between_two_looks_keeps_its_address() -> None:
    async def body(store: MemoryDatastore, clock: Clock) -> None:
        await take(store)
        collecting = collector(store, clock)
        await looks(collecting, clock, 0)
        await endpoint(store, "net.a", [ip_address("10.65.0.64")])
        assert await looks(collecting, clock, GRACE_S, GRACE_S) == []
        assert await trouble(store) == []

    run(body)


@pytest.mark.parametrize("handle", ["other.network.a.bc", "net.a.bc@net1"])
def test_a_second_interface_is_live_while_its_container_has_an_endpoint(handle: str) -> None:
    async def body(store: MemoryDatastore, clock: Clock) -> None:
        await take(store, handle)
        spec = WorkloadEndpoint(node="n1", container_id="a.bc")
        await store.create(Resource(Metadata("web", "team-a"), spec))
        assert await looks(collector(store, clock), clock, 0, GRACE_S, GRACE_S) == []

    run(body)


def pod(uid: str = "u1", **fields: object) -> Resource[Pod]:
    return Resource(Metadata("web", "team-a", uid=uid), Pod(**fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("there", "proof"),
    [
        ([], "no WorkloadEndpoint has it"),
        ([Resource(Metadata("other"), Namespace())], "namespace team-a does not exist, no WorkloadEndpoint has it"),
        ([replace(pod(), meta=Metadata("db", "team-a"))], "pod team-a/web with UID u1 does not exist"),
        ([pod("u2")], "pod team-a/web has UID u2 now, the address was taken for u1"),
        ([pod(phase="Failed")], "pod team-a/web is Failed"),
        ([pod(host_network=True)], "pod team-a/web uses its node's own network"),
        ([pod(node_name="n2")], "pod team-a/web is on node n2"),
        ([pod(pod_ips=(PodIP(ip="10.65.0.99"),))], "pod team-a/web has 10.65.0.99"),
        ([pod()], None),
        ([pod(node_name="n1", phase="Pending")], None),
        ([Resource(Metadata("team-a"), Namespace()), pod()], None),
        ([replace(pod("u2"), meta=replace(pod("u2").meta, annotations={"kubernetes.io/config.mirror": "u1"}))], None),
    ],
)
def test_a_leak_has_its_proof_and_a_pod_that_waits_is_none(there: list[Resource[Pod]], proof: str | None) -> None:
    async def body() -> None:
        store = world(pool())
        await take(store, uid="u1")
        seen = await snapshot(store)
        for resource in there:
            seen = seen.after(Put(type(resource.spec), resource))
        found = [leak.proof for leak in leaks(seen)]
        assert found == [] if proof is None else [proof in text for text in found] == [True], found

    asyncio.run(body())


def test_nothing_is_collected_while_an_endpoint_cannot_be_read() -> None:
    from felixpy.model.errors import InvalidResource

    async def body(store: MemoryDatastore, clock: Clock) -> None:
        await take(store)
        seen = await snapshot(store)
        broken = InvalidResource("x.yaml", "spec", "garbage")
        assert list(leaks(replace(seen, problems={(WorkloadEndpoint, "team-a/x"): broken}))) == []
        assert len(list(leaks(seen))) == 1

    run(body)


def test_blocks_and_addresses_of_a_deleted_node_come_back() -> None:
    async def body(store: MemoryDatastore, clock: Clock) -> None:
        await take(store, node="n2")
        (node,) = [node for node in (await store.list(Node)).objects.values() if node.name == "n2"]
        await store.delete(node)
        done = await looks(collector(store, clock), clock, 0, GRACE_S, GRACE_S, GRACE_S)
        assert [problem.mend for problem in done] == ["release", "give up"]
        assert (await store.list(IPAMBlock)).objects == (await store.list(BlockAffinity)).objects == {}
        assert await trouble(store) == []

    run(body)


def test_where_no_node_has_an_object_no_block_is_taken_from_any() -> None:
    async def body(store: MemoryDatastore, clock: Clock) -> None:
        await take(store)
        await endpoint(store, "net.a", [ip_address("10.65.0.64")])
        for node in (await store.list(Node)).objects.values():
            await store.delete(node)
        assert await looks(collector(store, clock), clock, 0, GRACE_S, GRACE_S) == []
        assert len((await store.list(IPAMBlock)).objects) == 1

    run(body)


def test_a_collected_address_rests_as_any_other() -> None:
    async def body(store: MemoryDatastore, clock: Clock) -> None:
        await store.create(config(ip_cooldown_seconds=600))
        await take(store)
        assert len(await looks(collector(store, clock), clock, 0, GRACE_S)) == 1
        (block,) = (await store.list(IPAMBlock)).objects.values()
        assert [entry.released_at is not None for entry in block.spec.attributes] == [True]
        assert 0 not in block.spec.unallocated

    run(body)


def test_one_of_several_agents_collects_and_the_next_takes_over() -> None:
    async def body(store: MemoryDatastore, clock: Clock) -> None:
        log = make_log("t", level="error")
        first, second = (Elected(store.lease(LEASE, n), [collecting(Collector(store, 0.1, log))], log) for n in "ab")
        lease = store.lease(LEASE, "asks")
        one = asyncio.create_task(first.run())
        await asyncio.sleep(0.01)
        two = asyncio.create_task(second.run())
        await asyncio.sleep(0.15)
        assert await lease.holder() == "a"
        one.cancel()
        await asyncio.gather(one, return_exceptions=True)
        await take(store)
        while (await store.list(IPAMHandle)).objects:
            await asyncio.sleep(0.05)
        assert await lease.holder() == "b"
        two.cancel()
        await asyncio.gather(two, return_exceptions=True)

    run(body)
