"""What others change in the kernel arrives as events; what we change ourselves does not."""

import asyncio
from collections.abc import Callable
from ipaddress import ip_address, ip_network

from felixpy.kernel.events import (
    AddressChanged,
    KernelEvent,
    LinkChanged,
    Lost,
    NeighbourChanged,
    RouteChanged,
)
from felixpy.kernel.links import Links
from felixpy.kernel.monitor import Groups, Monitor
from felixpy.kernel.routes import KernelRoutes
from felixpy.model.routes import Device, Route, RouteKey, RouteKind
from felixpy.reconcile.plan import Plan
from tests.namespaces import Namespace

V0, V1 = Device("v0"), Device("v1")
KEY = RouteKey(ip_network("10.65.0.2/32"))
LATE = RouteChanged(RouteKey(ip_network("10.255.9.9/32")), 3)


def wire(netns: Namespace) -> None:
    netns.run("ip", "link", "add", V0, "type", "veth", "peer", "name", V1)
    netns.run("ip", "link", "set", V0, "up")
    netns.run("ip", "link", "set", V1, "up")


def test_a_quiet_monitor_hears_of_failures_and_not_of_answers(netns: Namespace) -> None:
    wire(netns)
    netns.run("ip", "addr", "add", "10.0.0.5/24", "dev", V0)

    async def run(*, quiet: bool) -> list[KernelEvent]:
        monitor = Monitor(Groups.NEIGHBOUR, quiet=quiet)
        for state in ("reachable", "stale", "delay", "probe", "failed"):
            netns.run("ip", "neigh", "replace", "10.0.0.7", "lladdr", "02:00:00:00:00:09", "dev", V0, "nud", state)
        got = await heard(monitor, lambda all_: any(isinstance(e, NeighbourChanged) and e.failed for e in all_))
        monitor.close()
        return [event for event in got if isinstance(event, NeighbourChanged)]

    failed = NeighbourChanged(V0, ip_address("10.0.0.7"), reachable=False, failed=True)
    assert asyncio.run(run(quiet=True)) == [failed]
    assert len(asyncio.run(run(quiet=False))) > 1


async def heard(
    monitor: Monitor, enough: Callable[[list[KernelEvent]], bool], wait_s: float = 3
) -> list[KernelEvent]:
    """All events until `enough` says so, or until the time is over."""
    got: list[KernelEvent] = []
    try:
        async with asyncio.timeout(wait_s):
            async for burst in monitor:
                got += burst
                if enough(got):
                    break
    except TimeoutError:
        pass
    return got


def test_a_foreign_route_is_heard_and_our_own_is_not(netns: Namespace) -> None:
    wire(netns)

    async def run(own: bool) -> list[KernelEvent]:
        routes = KernelRoutes(80, [0], lambda key, route: True)
        monitor = Monitor(Groups.ROUTE, own=[routes.port] if own else [])
        await routes.apply(Plan({KEY: Route(KEY, RouteKind.LOCAL, V0)}))
        netns.run("ip", "route", "add", "10.9.9.9/32", "dev", V0, "proto", "static")
        netns.run("ip", "route", "del", "10.9.9.9/32")
        foreign = RouteKey(ip_network("10.9.9.9/32"))
        got = await heard(monitor, lambda all_: RouteChanged(foreign, 4, gone=True) in all_)
        assert RouteChanged(foreign, 4) in got
        await routes.apply(Plan({}, frozenset([KEY])))
        monitor.close()
        return got

    assert RouteChanged(KEY, 80) not in asyncio.run(run(own=True))
    assert RouteChanged(KEY, 80) in asyncio.run(run(own=False)), "the negative control: unfiltered, it is heard"


def test_ignored_protocols_are_left_out_whoever_writes_them(netns: Namespace) -> None:
    wire(netns)

    async def run() -> list[KernelEvent]:
        monitor = Monitor(Groups.ROUTE, own=[1, 2, 3], ignore=[12, 186])
        for protocol in ("bird", "bgp", "static"):
            netns.run("ip", "route", "add", "10.9.9.9/32", "dev", V0, "proto", protocol)
            netns.run("ip", "route", "del", "10.9.9.9/32")
        got = await heard(monitor, lambda all_: len(all_) == 2)
        monitor.close()
        return got

    assert {event.protocol for event in asyncio.run(run()) if isinstance(event, RouteChanged)} == {4}


def test_links_addresses_and_neighbours_are_heard(netns: Namespace) -> None:
    async def run() -> list[KernelEvent]:
        monitor = Monitor()
        wire(netns)
        netns.run("ip", "link", "set", V0, "down")
        netns.run("ip", "link", "set", V0, "name", "w0")
        netns.run("ip", "link", "set", "w0", "address", "02:00:00:00:00:07", "up")
        netns.run("ip", "addr", "add", "10.0.0.5/24", "dev", "w0")
        netns.run("ip", "neigh", "add", "10.0.0.6", "lladdr", "02:00:00:00:00:08", "dev", "w0", "nud", "permanent")
        netns.run("ip", "neigh", "add", "10.0.0.7", "lladdr", "02:00:00:00:00:09", "dev", "w0", "nud", "stale")
        netns.run("ip", "neigh", "change", "10.0.0.7", "dev", "w0", "nud", "failed")
        netns.run("ip", "link", "del", V1)
        got = await heard(monitor, lambda all_: any(isinstance(e, LinkChanged) and e.gone for e in all_))
        monitor.close()
        return got

    got = asyncio.run(run())
    w0 = Device("w0")
    links = [event.link for event in got if isinstance(event, LinkChanged) and not event.gone]
    assert any(
        link.name == w0 and link.up and link.mac == "02:00:00:00:00:07" and link.kind == "veth" for link in links
    )
    assert AddressChanged(w0, ip_address("10.0.0.5")) in got
    assert NeighbourChanged(w0, ip_address("10.0.0.6"), reachable=True, failed=False) in got
    assert NeighbourChanged(w0, ip_address("10.0.0.7"), reachable=False, failed=True) in got
    assert NeighbourChanged(w0, ip_address("10.0.0.7"), reachable=False, failed=False, gone=True) in got
    assert {event.name for event in got if isinstance(event, LinkChanged) and event.gone} == {w0, V1}


def test_an_overflow_is_told_and_the_monitor_goes_on(netns: Namespace) -> None:
    wire(netns)
    lines = "".join(
        f"route {verb} 10.{n >> 8}.{n & 255}.1/32 dev v0\n" for verb in ("add", "del") for n in range(20000)
    )

    async def run() -> list[KernelEvent]:
        monitor = Monitor(Groups.ROUTE)
        netns.run("ip", "-batch", "-", given=lines)  # nobody reads meanwhile
        got = await heard(monitor, lambda all_: Lost() in all_, wait_s=10)
        assert Lost() in got
        netns.run("ip", "route", "add", "10.255.9.9/32", "dev", V0)
        got = await heard(monitor, lambda all_: LATE in all_, wait_s=10)
        monitor.close()
        return got

    assert LATE in asyncio.run(run())


def test_links_follow_a_rename_and_a_new_owner_of_a_name(netns: Namespace) -> None:
    wire(netns)
    links = Links()
    index = links.by_name[V0].index
    assert links.by_name[V0].peer == links.by_name[V1].index

    async def run() -> None:
        monitor = Monitor(Groups.LINK)
        netns.run("ip", "link", "set", V0, "down")
        netns.run("ip", "link", "set", V0, "name", "old")
        netns.run("ip", "link", "add", V0, "type", "veth", "peer", "name", "v2")
        got = await heard(monitor, lambda all_: any(isinstance(e, LinkChanged) and e.name == "v2" for e in all_), 2)
        for event in got:
            links.after(event)
        monitor.close()

    asyncio.run(run())
    assert links.by_name[Device("old")].index == index
    assert links.by_name[V0].index != index
    fresh = Links()
    assert {name: link.index for name, link in links.by_name.items()} == {
        name: link.index for name, link in fresh.by_name.items()
    }


def test_a_link_is_found_by_name_or_not_at_all(netns: Namespace) -> None:
    wire(netns)
    netns.run("ip", "addr", "add", "10.0.0.5/24", "dev", V0)
    netns.run("ip", "addr", "add", "10.1.0.5", "peer", "10.1.0.6/32", "dev", V0)
    links = Links()
    link = links.get("v0")
    assert link is not None
    assert (link.up, link.mtu, link.kind) == (True, 1500, "veth")
    assert links.get("nothing") is None
    found = {(str(a.address), str(a.subnet)) for a in links.addresses() if a.device == V0 and a.address.version == 4}
    assert found == {("10.0.0.5", "10.0.0.0/24"), ("10.1.0.5", "10.1.0.6/32")}
