"""Allocation as a state machine: pods come and go on three nodes, and any process may be killed between two writes.

Beside the store stands what a caller knows. After every step: no address twice, no block with two owners, each block
gives the address that has been free the longest, counts agree; after a crash `check` finds at most what the crash
left half done, and `mend` repairs exactly that.
"""

import asyncio
import time
from collections.abc import Coroutine
from ipaddress import ip_network
from typing import Any, TypeVar

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from felixpy.datastore.memory import MemoryDatastore
from felixpy.ipam import repair
from felixpy.ipam.allocator import Allocator
from felixpy.ipam.blocks import held, is_confirmed
from felixpy.ipam.collect import Problem, problems
from felixpy.ipam.errors import Shortage
from felixpy.ipam.names import handle_name
from felixpy.model.addresses import Address, Prefix
from felixpy.model.resources import (
    BlockAffinity,
    IPAMBlock,
    IPAMHandle,
    Metadata,
    Node,
    Resource,
    Spec,
    WorkloadEndpoint,
)
from tests.ipam_world import Killed, Process, allocator, config, pool, request, snapshot

S = TypeVar("S", bound=Spec)
T = TypeVar("T")
NODES = ("n1", "n2", "n3")
node = st.sampled_from(NODES)
moment = st.tuples(st.integers(0, 9), st.booleans())  # killed after so many writes, before or after the last


async def come(
    store: Any, process: Allocator, handle: str, at: str, families: tuple[int, ...]
) -> tuple[Address, ...]:
    addresses = await process.assign(request(handle, *families))
    spec = WorkloadEndpoint(node=at, container_id=handle, ip_networks=tuple(ip_network(a) for a in addresses))
    await store.create(Resource(Metadata(handle, "default"), spec))
    return addresses


async def go(store: Any, process: Allocator, handle: str) -> None:
    stored = await store.get(WorkloadEndpoint, f"default/{handle}")
    if stored is not None:
        await store.delete(stored)
    await process.release(handle)


async def mended(store: MemoryDatastore) -> list[Problem]:
    """What `--fix` does; what it leaves."""
    for _ in range(3):
        seen = await snapshot(store)
        if not await repair.mend(store, problems(seen, time.time()), seen, time.time()):
            break
    return problems(await snapshot(store), time.time())


class Queues(MemoryDatastore):
    """A store that refuses a block whose queue is not served from the head and joined at the tail."""

    def _put(self, resource: Resource[S], *, uid: str) -> Resource[S]:
        spec = resource.spec
        if isinstance(spec, IPAMBlock):
            stored = self._of(IPAMBlock).get(resource.name)
            before = stored.spec.unallocated if stored else tuple(range(spec.cidr.num_addresses))
            left = [ordinal for ordinal in before if ordinal in spec.unallocated]
            assert list(before[len(before) - len(left) :]) == left, f"{spec.cidr}: not from the head of {before}"
            assert list(spec.unallocated[: len(left)]) == left, f"{spec.cidr}: not to the tail: {spec.unallocated}"
        return super()._put(resource, uid=uid)


class Cluster(RuleBasedStateMachine):
    """Nodes that share one store, and what their callers know."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.running: dict[str, tuple[str, tuple[Address, ...]]] = {}
        self.unsure: set[str] = set()  # handles of calls that were killed
        self.dead: set[str] = set()  # nodes whose process was killed since the last repair
        self.count = 0

    def teardown(self) -> None:
        self.loop.close()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(asyncio.wait_for(work, 20))

    @initialize(strict=st.booleans())
    def begin(self, strict: bool) -> None:
        pools = (pool("four", "10.65.0.0/27", block_size=29), pool("six", "fd00:65::/124", block_size=126))
        nodes = (Resource(Metadata(name), Node()) for name in NODES)
        self.store = Queues([*pools, config(strict_affinity=strict), *nodes])
        self.processes = {name: allocator(self.store, name) for name in NODES}

    @rule(at=node, families=st.sampled_from([(4,), (6,), (4, 6)]))
    def attach(self, at: str, families: tuple[int, ...]) -> None:
        self.count += 1
        handle = f"net.c{self.count}"
        try:
            addresses = self.do(come(self.store, self.processes[at], handle, at, families))
        except Shortage:
            assert self.do(self.store.get(IPAMHandle, handle_name(handle))) is None, "a refused pod left something"
            return
        assert [address.version for address in addresses] == list(families)
        self.running[handle] = (at, addresses)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def detach(self, data: st.DataObject) -> None:
        handle = data.draw(st.sampled_from(sorted(self.running)))
        at, _ = self.running.pop(handle)
        self.do(go(self.store, self.processes[at], handle))

    @rule(at=node, when=moment)
    def attach_and_die(self, at: str, when: tuple[int, bool]) -> None:
        self.count += 1
        handle = f"net.c{self.count}"
        dying = Process(self.store, when[0], after=when[1])
        try:
            addresses = self.do(come(dying, allocator(dying, at), handle, at, (4, 6)))
        except Shortage:
            pass
        except (Killed, asyncio.CancelledError):
            self.unsure.add(handle)
            self.dead.add(at)
        else:
            self.running[handle] = (at, addresses)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), when=moment)
    def detach_and_die(self, data: st.DataObject, when: tuple[int, bool]) -> None:
        handle = data.draw(st.sampled_from(sorted(self.running)))
        at, _ = self.running.pop(handle)
        dying = Process(self.store, when[0], after=when[1])
        try:
            self.do(go(dying, allocator(dying, at), handle))
        except (Killed, asyncio.CancelledError):
            self.unsure.add(handle)
            self.dead.add(at)

    @rule(at=node)
    def restart(self, at: str) -> None:
        self.processes[at] = allocator(self.store, at)

    @rule()
    def check_and_mend(self) -> None:
        seen = self.do(snapshot(self.store))
        for problem in problems(seen, time.time()):
            match problem.kind:
                case "leaked" | "count":
                    whose = problem.about
                    assert whose in {*self.unsure, *map(handle_name, self.unsure)}, problem
                case "owner" | "unfinished":
                    assert any(f"{at}-" in problem.about for at in self.dead), problem
                case _:
                    raise AssertionError(problem)
        assert self.do(mended(self.store)) == []
        for handle in sorted(self.unsure):  # an endpoint that was published is a pod that runs
            endpoint = self.do(self.store.get(WorkloadEndpoint, f"default/{handle}"))
            if endpoint is not None:
                addresses = tuple(network.network_address for network in endpoint.spec.ip_networks)
                self.running[handle] = (endpoint.spec.node, addresses)
        self.unsure.clear()
        self.dead.clear()
        self._counts_are_equal()

    def _counts_are_equal(self) -> None:
        addresses = sum(len(addresses) for _, addresses in self.running.values())
        blocks = self.do(self.store.list(IPAMBlock)).objects.values()
        assert sum(1 for block in blocks for _ in held(block.spec)) == addresses
        assert len(self.do(self.store.list(IPAMHandle)).objects) == len(self.running)

    @invariant()
    def no_address_twice_and_none_lost(self) -> None:
        given_out = [address for _, addresses in self.running.values() for address in addresses]
        assert len(given_out) == len(set(given_out)), "an address was given twice"
        blocks = [block.spec for block in self.do(self.store.list(IPAMBlock)).objects.values()]
        holders = {block.cidr[ordinal]: entry.handle_id for block in blocks for ordinal, entry in held(block)}
        for handle, (_, addresses) in self.running.items():
            assert [holders.get(address) for address in addresses] == [handle] * len(addresses), "lost its holder"

    @invariant()
    def no_block_with_two_owners(self) -> None:
        blocks = {block.spec.cidr: block.spec for block in self.do(self.store.list(IPAMBlock)).objects.values()}
        owners: dict[Prefix, str] = {}
        for affinity in self.do(self.store.list(BlockAffinity)).objects.values():
            if is_confirmed(affinity):
                assert affinity.spec.cidr not in owners, "two confirmed owners"
                owners[affinity.spec.cidr] = affinity.spec.node
                assert blocks[affinity.spec.cidr].affinity == f"host:{affinity.spec.node}"


Cluster.TestCase.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate)
)
TestCluster = Cluster.TestCase


def test_the_machine_turns_red_when_a_repair_frees_what_a_pod_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: a collection that takes every address for a leak is caught."""
    from felixpy.ipam import leaks

    monkeypatch.setattr(leaks, "endpoint_addresses", lambda _: {})
    monkeypatch.setattr(leaks, "_names", lambda *_: False)
    machine = Cluster()
    machine.begin(strict=True)
    machine.attach("n1", (4, 6))
    with pytest.raises(AssertionError):
        machine.check_and_mend()
    machine.teardown()
