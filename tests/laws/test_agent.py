"""What holds for the agent whatever happens: the real loop on tables and a datastore in memory."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from ipaddress import ip_address, ip_network
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from felixpy.agent import Agent, Surroundings
from felixpy.daemon.logs import make_log
from felixpy.datastore.memory import MemoryDatastore
from felixpy.desired.state import Circumstances, desired_state
from felixpy.holdings import Holdings, Tables
from felixpy.kernel.events import KernelEvent, LinkChanged, Lost, RouteChanged, SettingsChanged
from felixpy.kernel.memory import MemoryTable
from felixpy.model.errors import InvalidResource
from felixpy.model.links import Link
from felixpy.model.neighbours import Neighbour, NeighbourKey
from felixpy.model.resources import FelixConfiguration, Metadata, Resource, WorkloadEndpoint
from felixpy.model.routes import Device, Route, RouteKey, RouteKind
from felixpy.model.snapshot import Event, Gone, Listed, Put
from felixpy.model.sysctls import Sysctl, SysctlKey
from tests.builders import endpoint

NODE = Circumstances("n1")


class Kernel:
    """The kernel in memory, and the notifications that it sends."""

    def __init__(self) -> None:
        self.routes: MemoryTable[RouteKey, Route] = MemoryTable()
        self.neighbours: MemoryTable[NeighbourKey, Neighbour] = MemoryTable()
        self.macs: MemoryTable[Device, str] = MemoryTable()
        self.sysctls: MemoryTable[SysctlKey, Sysctl] = MemoryTable()
        self.queue: asyncio.Queue[tuple[KernelEvent, ...]] = asyncio.Queue()

    @property
    def tables(self) -> Tables:
        return Tables(self.routes, lambda _: None, self.neighbours, self.macs, self.sysctls)

    def setting(self, key: SysctlKey) -> str | None:
        found = self.sysctls.rows.get(key)
        return found.value if found else None

    @property
    def content(self) -> tuple[Mapping[Any, Any], ...]:
        return self.routes.rows, self.neighbours.rows, self.macs.rows, self.sysctls.rows

    async def events(self) -> AsyncIterator[tuple[KernelEvent, ...]]:
        while True:
            yield await self.queue.get()


class Scripted(MemoryDatastore):
    """A datastore whose watch tells exactly these events and then nothing more."""

    def __init__(self, events: list[Event]) -> None:
        super().__init__()
        self.events = events

    async def watch(self, kinds: object) -> AsyncIterator[Event]:
        for event in self.events:
            yield event
            await asyncio.sleep(0)
        await asyncio.Event().wait()


def wanted(*resources: Resource[WorkloadEndpoint], here: Circumstances = NODE) -> tuple[Mapping[Any, Any], ...]:
    rows = desired_state({it.name: it for it in resources}, here).rows
    return rows.routes, rows.neighbours, rows.macs, rows.sysctls


def story(
    kernel: Kernel, store: MemoryDatastore, tell: Callable[[Agent], Awaitable[None]], log: io.StringIO | None = None
) -> None:
    """Run the agent while `tell` happens, then end it."""

    async def main() -> None:
        kernel.queue = asyncio.Queue()
        around = Surroundings(
            store, Holdings(kernel.tables), kernel.events(), frozenset, 80,
            make_log("felixpy", stream=log or io.StringIO()), kernel.setting,
        )  # fmt: skip
        agent = Agent(NODE, around)
        running = asyncio.create_task(agent.run())
        try:
            async with asyncio.timeout(10):
                await tell(agent)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(main())


async def quiet(agent: Agent) -> None:
    """Until the agent has nothing left to do."""
    calm = 0
    while calm < 5:
        before = agent.progress.passes
        await asyncio.sleep(0.001)
        soon = agent.around.holdings.due_at() < agent.now() + 0.5
        calm = calm + 1 if before == agent.progress.passes and before and not soon else 0


PODS = [
    endpoint("a", "10.65.0.1", mac="aa:bb:cc:00:00:01"),
    endpoint("a", "10.65.0.9", container="again"),
    endpoint("b", "10.65.0.2", "fd00::2"),
    endpoint("b", "10.65.0.1", device="calia"),
    endpoint("c", "10.65.0.3", node="n2"),
]
changes = st.lists(
    st.one_of(
        st.sampled_from(PODS).map(lambda it: Put(WorkloadEndpoint, it)),
        st.sampled_from(PODS).map(lambda it: Gone(WorkloadEndpoint, it.name)),
    ),
    max_size=8,
)


@settings(max_examples=40, deadline=None)
@given(changes, st.randoms(use_true_random=False))
def test_only_the_last_state_matters_not_the_order_of_events(events: list[Event], random: Any) -> None:
    latest: dict[str, Event] = {event.resource.name if isinstance(event, Put) else event.name: event  # type: ignore[union-attr]
                                for event in events}  # fmt: skip
    last = list(latest.values())
    random.shuffle(last)
    opening: list[Event] = [Listed(WorkloadEndpoint, {}), Listed(FelixConfiguration, {})]
    one, other = Kernel(), Kernel()
    story(one, Scripted([*opening, *events]), quiet)
    story(other, Scripted([*opening, *last]), quiet)
    assert one.content == other.content
    assert one.content == wanted(*(event.resource for event in last if isinstance(event, Put)))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(PODS), max_size=3), st.lists(st.sampled_from(PODS), max_size=3), st.integers(0, 30))
def test_a_restart_at_any_point_converges(
    first: list[Resource[WorkloadEndpoint]], then: list[Resource[WorkloadEndpoint]], turns: int
) -> None:
    kernel = Kernel()

    async def die_early(agent: Agent) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)

    story(kernel, MemoryDatastore({it.name: it for it in first}.values()), die_early)
    final = {it.name: it for it in then}
    story(kernel, MemoryDatastore(final.values()), quiet)
    assert kernel.content == wanted(*final.values())


def leftover() -> Route:
    return Route(RouteKey(ip_network("10.65.0.77/32")), RouteKind.LOCAL, device=Device("caliold"))


def test_nothing_is_erased_before_everything_was_listed() -> None:
    kernel = Kernel()
    kernel.routes.rows = {leftover().key: leftover()}
    pod = PODS[0]
    story(kernel, Scripted([Listed(WorkloadEndpoint, {pod.name: pod})]), quiet)
    assert set(kernel.routes.rows) == {leftover().key, *wanted(pod)[0]}
    story(kernel, Scripted([Listed(WorkloadEndpoint, {pod.name: pod}), Listed(FelixConfiguration, {})]), quiet)
    assert set(kernel.routes.rows) == set(wanted(pod)[0])


def test_nothing_is_erased_while_an_object_was_never_readable() -> None:
    kernel = Kernel()
    kernel.routes.rows = {leftover().key: leftover()}
    broken = {"default/x": InvalidResource("x.yaml", "spec.node", "is missing")}
    log = io.StringIO()
    story(kernel, Scripted([Listed(WorkloadEndpoint, {}, broken), Listed(FelixConfiguration, {})]), quiet, log)
    assert set(kernel.routes.rows) == {leftover().key}


def test_what_others_take_away_comes_back_and_is_told_in_one_line_each() -> None:
    kernel, log = Kernel(), io.StringIO()
    (key,) = wanted(PODS[0])[0]

    async def tell(agent: Agent) -> None:
        await quiet(agent)
        for table in (kernel.routes, kernel.neighbours, kernel.macs):
            table.rows.clear()
        kernel.queue.put_nowait((RouteChanged(key, 80, gone=True), Lost()))
        await quiet(agent)

    story(kernel, MemoryDatastore([PODS[0]]), tell, log)
    assert kernel.content == wanted(PODS[0])
    assert [line for line in log.getvalue().splitlines() if "route written" in line].__len__() == 2


def test_a_device_that_comes_up_is_tried_at_once() -> None:
    kernel = Kernel()
    (key,) = wanted(PODS[0])[0]
    kernel.routes.refuse[key] = "the device is down"
    link = Link(7, Device("calia"), up=True, carrier=True, mac="ee:ee:ee:ee:ee:ee")

    async def tell(agent: Agent) -> None:
        await quiet(agent)
        assert agent.reasons() == {PODS[0].name: (f"{key}: the device is down",)}
        kernel.routes.refuse.clear()
        kernel.queue.put_nowait((LinkChanged(link),))
        await quiet(agent)
        assert agent.reasons() == {}

    story(kernel, MemoryDatastore([PODS[0]]), tell)
    assert kernel.content == wanted(PODS[0])


def test_a_drifted_mac_is_put_back() -> None:
    kernel = Kernel()

    async def tell(agent: Agent) -> None:
        await quiet(agent)
        kernel.macs.rows[Device("calia")] = "02:00:00:00:00:01"
        kernel.queue.put_nowait((LinkChanged(Link(7, Device("calia"), True, True, "02:00:00:00:00:01")),))
        await quiet(agent)

    story(kernel, MemoryDatastore([PODS[0]]), tell)
    assert kernel.macs.rows == {"calia": "ee:ee:ee:ee:ee:ee"}


def test_news_of_a_setting_counts_only_when_it_is_still_so() -> None:
    kernel, log = Kernel(), io.StringIO()
    key = SysctlKey("net/ipv4/conf/calia/rp_filter")

    async def tell(agent: Agent) -> None:
        await quiet(agent)
        before = log.getvalue()
        kernel.queue.put_nowait((SettingsChanged((Sysctl(key, "0"),)),))  # older than our own write
        await quiet(agent)
        assert log.getvalue() == before
        kernel.sysctls.rows[key] = Sysctl(key, "0")
        kernel.queue.put_nowait((SettingsChanged((Sysctl(key, "0"),)),))
        await quiet(agent)

    story(kernel, MemoryDatastore([PODS[0]]), tell, log)
    assert kernel.sysctls.rows[key].value == "1"


def test_an_endpoint_of_the_cni_server_is_programmed_before_the_datastore_knows_it() -> None:
    kernel = Kernel()
    ours, clash = PODS[0], endpoint("z", "10.65.0.1")

    async def tell(agent: Agent) -> None:
        await quiet(agent)
        agent.local.put(ours)
        assert await agent.local.settled(ours.name) == ()
        assert ip_network("10.65.0.1/32") in {key.prefix for key in kernel.routes.rows}
        agent.local.put(clash)
        (reason,) = await agent.local.settled(clash.name)
        assert reason == f"shadowed: address {ip_address('10.65.0.1')} belongs to {ours.name}"
        agent.local.remove(clash.name, "")
        agent.local.remove(ours.name, "")
        assert await agent.local.settled(ours.name) == ()
        assert kernel.routes.rows == {}

    story(kernel, MemoryDatastore(), tell)


def test_the_datastores_echo_of_what_the_cni_server_said_is_nothing_to_work_out_again() -> None:
    kernel = Kernel()
    ours = endpoint("a", "10.65.0.1", container="first")

    async def tell(agent: Agent) -> None:
        await quiet(agent)
        agent.local.put(ours)
        assert await agent.local.settled(ours.name) == ()
        state = agent.state
        stored = await agent.around.datastore.create(ours)
        while agent.local.ahead.added:  # until the echo is here
            await asyncio.sleep(0.001)
        await quiet(agent)
        assert stored != ours
        assert agent.state is state
        moved = replace(stored.spec, ip_networks=(ip_network("10.65.0.7/32"),))
        await agent.around.datastore.update(Resource(stored.meta, moved))
        while agent.state is state:
            await asyncio.sleep(0.001)
        await quiet(agent)
        assert {key.prefix for key in kernel.routes.rows} == {ip_network("10.65.0.7/32")}

    story(kernel, MemoryDatastore(), tell)


def test_a_configuration_is_followed() -> None:
    pod = endpoint("a", "10.65.0.1", spoof=("10.9.0.0/16",))
    path = SysctlKey("net/ipv4/conf/calia/rp_filter")
    for mode, value in (("Disabled", "1"), ("Any", "0")):
        kernel = Kernel()
        config = FelixConfiguration(workload_source_spoofing=mode)
        story(kernel, MemoryDatastore([pod, Resource(Metadata("default"), config)]), quiet)
        assert kernel.sysctls.rows[path].value == value
