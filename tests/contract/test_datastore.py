"""What every datastore does, whichever it is. Add a factory to STORES to run a further one through it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from felixpy.datastore.files import FilesDatastore
from felixpy.datastore.follow import follow
from felixpy.datastore.kubernetes.access import from_kubeconfig
from felixpy.datastore.kubernetes.store import KubernetesDatastore
from felixpy.datastore.memory import MemoryDatastore
from felixpy.datastore.source import Datastore, StatusStore
from felixpy.model.errors import Conflict
from felixpy.model.resources import (
    AllocationAttribute,
    CalicoNodeStatus,
    IPAMBlock,
    IPPool,
    Metadata,
    Namespace,
    Node,
    NodeBGP,
    Pod,
    Resource,
    WorkloadEndpoint,
)
from felixpy.model.resources.core import PodIP
from felixpy.model.snapshot import Event, Gone, Listed, Put

Factory = Callable[[Path], Datastore]

STORES: dict[str, Factory] = {
    "files": FilesDatastore,
    "memory": lambda _: MemoryDatastore(),
    "files without fsync": lambda path: FilesDatastore(path, sync=False),
    "kubernetes": lambda path: KubernetesDatastore.at(from_kubeconfig(path / "kubeconfig")),
}


def pool(name: str = "default", cidr: str = "10.65.0.0/16") -> Resource[IPPool]:
    return Resource(Metadata(name), IPPool(cidr=ip_network(cidr), block_size=26))


def endpoint() -> Resource[WorkloadEndpoint]:
    spec = WorkloadEndpoint(node="n1", ip_networks=(ip_network("10.65.0.2/32"),), interface_name="cali1")
    return Resource(Metadata("n1-k8s-web-eth0", "team-a", labels={"app": "web"}), spec)


@pytest.fixture(params=STORES)
def check(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Callable[[Datastore], Awaitable[None]]], None]:
    if request.param == "kubernetes":
        request.getfixturevalue("api_server").empty(tmp_path / "kubeconfig")

    def run(body: Callable[[Datastore], Awaitable[None]]) -> None:
        async def main() -> None:
            store = STORES[request.param](tmp_path)
            try:
                async with asyncio.timeout(20):
                    await body(store)
            finally:
                await store.close()

        asyncio.run(main())

    return run


Check = Callable[[Callable[[Datastore], Awaitable[None]]], None]


async def events(watch: AsyncIterator[Event], count: int) -> list[Event]:
    return [await anext(watch) for _ in range(count)]


def test_what_was_created_is_read_back_whole(check: Check) -> None:
    async def body(store: Datastore) -> None:
        for wanted in (pool(), endpoint()):
            made = await store.create(cast("Resource[Any]", wanted))
            assert made.meta.uid and made.meta.version and made.meta.created
            assert made.spec == wanted.spec and made.meta.labels.items() >= wanted.meta.labels.items()
            kind = cast("Any", type(wanted.spec))
            assert await store.get(kind, wanted.name) == made
            assert (await store.list(kind)).objects == {wanted.name: made}

    check(body)


def test_what_is_not_there_is_none(check: Check) -> None:
    async def body(store: Datastore) -> None:
        assert await store.get(IPPool, "nothing") is None
        assert await store.list(IPPool) == Listed(IPPool, {}, {})

    check(body)


def test_a_name_can_be_taken_once(check: Check) -> None:
    async def body(store: Datastore) -> None:
        await store.create(pool())
        with pytest.raises(Conflict):
            await store.create(pool())

    check(body)


def test_an_update_of_what_was_read_is_stored(check: Check) -> None:
    async def body(store: Datastore) -> None:
        made = await store.create(pool())
        changed = await store.update(replace(made, spec=msgspec.structs.replace(made.spec, disabled=True)))
        assert changed.spec.disabled and changed.meta.uid == made.meta.uid
        assert changed.meta.version != made.meta.version
        assert await store.get(IPPool, "default") == changed

    check(body)


def test_an_update_of_an_older_state_is_refused(check: Check) -> None:
    async def body(store: Datastore) -> None:
        made = await store.create(pool())
        changed = await store.update(replace(made, spec=msgspec.structs.replace(made.spec, disabled=True)))
        for stale in (made, replace(made, digest="")):
            with pytest.raises(Conflict):
                await store.update(stale)
            with pytest.raises(Conflict):
                await store.delete(stale)
        assert await store.get(IPPool, "default") == changed

    check(body)


def test_an_object_made_anew_under_the_same_name_is_another(check: Check) -> None:
    async def body(store: Datastore) -> None:
        first = await store.create(pool())
        await store.delete(first)
        second = await store.create(pool())
        assert second.meta.uid != first.meta.uid
        for stale in (first, replace(first, digest="")):
            with pytest.raises(Conflict):
                await store.update(stale)

    check(body)


def test_deleting_what_is_gone_succeeds(check: Check) -> None:
    async def body(store: Datastore) -> None:
        made = await store.create(pool())
        await store.delete(made)
        await store.delete(made)
        assert await store.get(IPPool, "default") is None
        with pytest.raises(Conflict):
            await store.update(made)

    check(body)


def test_a_value_that_returns_to_its_default_is_stored_so(check: Check) -> None:
    async def body(store: Datastore) -> None:
        spec = Node(bgp=NodeBGP(ipv4_address="10.0.0.1/24", ipv6_address="fd00::1/64"))
        made = await store.create(Resource(Metadata("n1"), spec))
        spec = Node(bgp=NodeBGP(ipv4_address="10.0.0.1/24"))
        assert (await store.update(replace(made, spec=spec))).spec == spec
        assert (await store.update(replace(cast("Any", await store.get(Node, "n1")), spec=Node()))).spec == Node()

    check(body)


def test_a_block_keeps_every_field(check: Check) -> None:
    async def body(store: Datastore) -> None:
        spec = IPAMBlock(
            cidr=ip_network("10.65.0.0/30"),
            affinity="host:n1",
            allocations=(0, None, None, None),
            unallocated=(1, 2, 3),
            attributes=(AllocationAttribute(handle_id="h", secondary={"pod": "a"}),),
            sequence_number=7,
            sequence_number_for_allocation={"0": 6},
        )
        made = await store.create(Resource(Metadata("10-65-0-0-30"), spec))
        assert made.spec == spec
        again = await store.update(replace(made, spec=msgspec.structs.replace(spec, sequence_number=8)))
        assert again.spec == msgspec.structs.replace(spec, sequence_number=8)

    check(body)


def test_a_watch_lists_first_and_then_tells_changes(check: Check) -> None:
    async def body(store: Datastore) -> None:
        made = await store.create(pool())
        async with aclosing(cast("Any", store.watch([IPPool, Node]))) as watch:
            assert await events(watch, 2) == [Listed(IPPool, {"default": made}), Listed(Node, {})]
            changed = await store.update(replace(made, spec=msgspec.structs.replace(made.spec, disabled=True)))
            assert await anext(watch) == Put(IPPool, changed)
            await store.delete(changed)
            assert await anext(watch) == Gone(IPPool, "default")

    check(body)


def test_the_first_object_of_a_kind_is_seen_too(check: Check) -> None:
    async def body(store: Datastore) -> None:
        async with aclosing(cast("Any", store.watch([IPPool]))) as watch:
            assert await anext(watch) == Listed(IPPool, {})
            made = await store.create(pool())
            seen: dict[str, Any] = {}
            while "default" not in seen:
                event = await anext(watch)
                seen = dict(event.objects) if isinstance(event, Listed) else {event.resource.name: event.resource}
            assert seen == {"default": made}

    check(body)


def test_a_slow_consumer_gets_only_the_newest_snapshot(check: Check) -> None:
    async def body(store: Datastore) -> None:
        made = await store.create(pool())
        async with aclosing(cast("Any", follow(store, [IPPool]))) as snapshots:
            assert (await anext(snapshots)).of(IPPool) == {"default": made}
            for number in range(30):
                labels = {"n": str(number)}
                made = await store.update(replace(made, meta=replace(made.meta, labels=labels)))
            await asyncio.sleep(0.2)
            assert (await anext(snapshots)).of(IPPool) == {"default": made}
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await anext(snapshots)

    check(body)


def test_a_lease_has_one_holder_until_it_lets_go(check: Check) -> None:
    async def body(store: Datastore) -> None:
        first, second, other = store.lease("job", "n1"), store.lease("job", "n2"), store.lease("another-job", "n2")
        assert await first.holder() == ""
        assert await first.hold() and await first.hold()
        assert not await second.hold()
        assert await second.holder() == await first.holder() == "n1"
        assert await other.hold(), "each job has a lease of its own"
        await second.let_go()
        assert not await second.hold(), "only its holder can let it go"
        await first.let_go()
        assert await second.hold() and not await first.hold()
        await second.let_go()
        await other.let_go()

    check(body)


@pytest.mark.parametrize("check", STORES.keys() - {"kubernetes"}, indirect=True)  # there they are the cluster's own
def test_pods_and_namespaces_are_read_with_their_status_and_what_we_do_not_know(check: Check) -> None:
    async def body(store: Datastore) -> None:
        spec = Pod(node_name="n1", host_network=True, phase="Running", pod_ips=(PodIP(ip="10.65.0.2"),))
        pod = Resource(Metadata("web-0", "team-a", annotations={"cni.projectcalico.org/ipv4pools": "[]"}), spec)
        space: Resource[Namespace] = Resource(Metadata("team-a", labels={"zone": "a"}), Namespace(phase="Active"))
        await store.create(pod)
        await store.create(space)
        found = await store.get(Pod, "team-a/web-0")
        assert found is not None and found.spec == spec and found.meta.annotations == pod.meta.annotations
        known = (await store.list(Namespace)).objects["team-a"]
        assert known.meta.labels == {"zone": "a"} and known.spec == Namespace(phase="Active")

    check(body)


def test_a_status_is_filled_and_emptied_beside_the_spec_and_nothing_is_made_of_it(check: Check) -> None:
    async def body(store: Datastore) -> None:
        filled = cast("StatusStore", store)
        spec = CalicoNodeStatus(node="n1", classes=("Agent",), update_period_seconds=5)
        made = await store.create(Resource(Metadata("one"), spec))
        assert await filled.report(CalicoNodeStatus, "one", {"lastUpdated": "a", "agent": {"x": 1}})
        assert await filled.report(CalicoNodeStatus, "one", {"lastUpdated": "b", "agent": None, "bgp": {"y": []}})
        found = await store.get(CalicoNodeStatus, "one")
        assert found is not None and found.spec == spec and found.meta.version != made.meta.version
        if isinstance(store, FilesDatastore | KubernetesDatastore):
            document = await store.document(CalicoNodeStatus, "one")
            assert document is not None and document["status"] == {"lastUpdated": "b", "bgp": {"y": []}}
        written = await store.update(replace(found, spec=replace_spec(spec)))
        assert written.spec.update_period_seconds == 7, "a spec is written over a filled status"
        if isinstance(store, FilesDatastore | KubernetesDatastore):
            document = await store.document(CalicoNodeStatus, "one")
            assert document is not None and document["status"]["lastUpdated"] == "b"
        assert not await filled.report(CalicoNodeStatus, "two", {"lastUpdated": "c"})
        assert (await store.list(CalicoNodeStatus)).objects.keys() == {"one"}

    check(body)


def replace_spec(spec: CalicoNodeStatus) -> CalicoNodeStatus:
    return msgspec.structs.replace(spec, update_period_seconds=7)
