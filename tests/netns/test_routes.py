"""Routes in a real kernel: whose they are, what becomes of other people's, and what it costs."""

import asyncio
import errno
import json
from collections.abc import Callable
from ipaddress import IPv4Network, ip_address, ip_network
from typing import Any

import pytest

from felixpy.kernel.routes import KernelRoutes
from felixpy.model.routes import Device, Hop, Route, RouteKey, RouteKind
from felixpy.reconcile.plan import Plan
from tests.namespaces import Namespace

V0 = Device("v0")
POOL = ip_network("10.65.0.0/16")
KEY = RouteKey(ip_network("10.65.0.2/32"))
POD = Route(KEY, RouteKind.LOCAL, V0)


def in_pool(key: RouteKey, _route: Route) -> bool:
    return isinstance(key.prefix, IPv4Network) and key.prefix.subnet_of(IPv4Network(POOL))


def wire(netns: Namespace) -> None:
    lines = "link add v0 type veth peer name v1\nlink set v0 up\nlink set v1 up\naddr add 10.0.0.1/24 dev v0\n"
    netns.run("ip", "-batch", "-", given=lines)


def felix(ours: Callable[[RouteKey, Route], bool] = in_pool) -> KernelRoutes:
    return KernelRoutes(80, [0, 512], ours)


def shown(netns: Namespace, *what: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(netns.run("ip", "-j", "route", "show", *what))
    return found


@pytest.mark.parametrize(
    ("foreign", "holder"),
    [
        (("proto", "static", "via", "10.0.0.9"), "proto static via 10.0.0.9 dev v0"),
        (("proto", "bird", "dev", "v0", "scope", "link"), "proto bird dev v0"),
        (("proto", "zebra", "nexthop", "via", "10.0.0.8", "nexthop", "via", "10.0.0.9"), "proto zebra via 10.0.0.8"),
    ],
)
@pytest.mark.parametrize("read_first", [True, False])
def test_a_foreign_holder_is_named_and_untouched(
    netns: Namespace, foreign: tuple[str, ...], holder: str, read_first: bool
) -> None:
    wire(netns)
    netns.run("ip", "route", "add", str(KEY.prefix), *foreign)
    before = shown(netns, str(KEY.prefix))
    table = felix()

    async def run() -> None:
        if read_first:
            assert await table.read() == {}
        refused = await table.apply(Plan({KEY: POD}))
        assert holder in refused[KEY].reason
        assert refused[KEY].code == errno.EEXIST

    asyncio.run(run())
    assert shown(netns, str(KEY.prefix)) == before


def test_without_care_the_foreign_route_is_gone(netns: Namespace) -> None:
    """The negative control: the kernel's own REPLACE, which we avoid, takes it over."""
    wire(netns)
    netns.run("ip", "route", "add", str(KEY.prefix), "proto", "static", "via", "10.0.0.9")
    netns.run("ip", "route", "replace", str(KEY.prefix), "dev", V0, "scope", "link", "proto", "80")
    assert [route["protocol"] for route in shown(netns, str(KEY.prefix))] == ["80"]


@pytest.mark.parametrize("kind", ["blackhole", "unreachable", "prohibit"])
def test_a_foreign_drop_is_a_holder_too(netns: Namespace, kind: str) -> None:
    wire(netns)
    netns.run("ip", "route", "add", kind, str(KEY.prefix), "proto", "static")
    refused = asyncio.run(felix().apply(Plan({KEY: POD})))
    assert refused[KEY].reason == f"held by proto static {kind}"


def test_a_route_that_turned_foreign_is_not_taken_back(netns: Namespace) -> None:
    """Someone replaces our route while nobody reads: the monitor's event is the only sign."""
    wire(netns)
    other = Route(KEY, RouteKind.LEARNED, hops=(Hop(ip_address("10.0.0.9"), V0),))

    async def run(doubt: bool) -> bool:
        table = felix()
        netns.run("ip", "route", "flush", "proto", "80")
        netns.run("ip", "route", "flush", "proto", "static")
        await table.apply(Plan({KEY: POD}))
        netns.run("ip", "route", "replace", str(KEY.prefix), "via", "10.0.0.9", "proto", "static")
        if doubt:
            table.doubt([KEY])
        return KEY in await table.apply(Plan({KEY: POD}))

    assert asyncio.run(run(doubt=True))
    assert not asyncio.run(run(doubt=False)), "the negative control: undoubted, it is replaced"
    assert other.key == KEY


def test_ours_is_protocol_and_metric_and_prefix(netns: Namespace) -> None:
    wire(netns)
    for line in ("10.65.0.2/32", "10.65.0.3/32 metric 5", "192.168.7.7/32", "10.65.0.4/32 tos 4"):
        netns.run("ip", "route", "add", *line.split(), "dev", V0, "scope", "link", "proto", "80")
    netns.run("ip", "route", "add", "10.65.0.5/32", "dev", V0, "scope", "link", "proto", "static")
    table = felix()
    assert asyncio.run(table.read()) == {KEY: POD}
    prefixes = {str(key.prefix) for key in table.strangers}
    assert prefixes == {"10.65.0.3/32", "192.168.7.7/32"}
    everything = [RouteKey(ip_network(f"10.65.0.{n}/32")) for n in (2, 3, 4, 5)]
    everything += [RouteKey(ip_network("10.65.0.3/32"), metric=5), RouteKey(ip_network("192.168.7.7/32"))]
    assert asyncio.run(table.apply(Plan({}, frozenset(everything)))) == {}
    left = {route["dst"] for route in shown(netns, "dev", V0) if route["protocol"] != "kernel"}
    assert left == {"10.65.0.3", "10.65.0.4", "10.65.0.5", "192.168.7.7"}


def test_a_stranger_becomes_ours_when_its_pool_appears(netns: Namespace) -> None:
    wire(netns)
    netns.run("ip", "route", "add", str(KEY.prefix), "dev", V0, "scope", "link", "proto", "80")
    pools: list[object] = []
    table = felix(lambda _key, _route: bool(pools))
    assert asyncio.run(table.read()) == {}
    assert KEY in table.strangers
    pools.append(POOL)
    assert asyncio.run(table.read()) == {KEY: POD}
    assert not table.strangers


def test_what_others_erase_or_change_is_seen_at_the_next_reading(netns: Namespace) -> None:
    wire(netns)
    table = felix()
    second = RouteKey(ip_network("10.65.0.3/32"))
    rows = {KEY: POD, second: Route(second, RouteKind.LOCAL, V0)}

    async def run() -> None:
        await table.apply(Plan(rows))
        netns.run("ip", "route", "del", str(KEY.prefix))  # before we ever read it
        assert await table.read() == {second: rows[second]}
        await table.apply(Plan({KEY: POD}))
        assert await table.read() == rows
        netns.run("ip", "route", "change", str(KEY.prefix), "dev", "v1", "proto", "80", "scope", "link")
        assert (await table.read())[KEY].device == "v1"
        netns.run("ip", "link", "set", V0, "down")  # takes its routes along, without a notification
        assert set(await table.read()) == {KEY}

    asyncio.run(run())


def test_the_same_bytes_mean_another_device_after_a_rename(netns: Namespace) -> None:
    wire(netns)
    table = felix()

    async def run() -> None:
        await table.apply(Plan({KEY: POD}))
        assert await table.read() == {KEY: POD}
        netns.run("ip", "link", "set", V0, "down")
        netns.run("ip", "link", "set", V0, "name", "w0")
        netns.run("ip", "link", "set", "w0", "up")
        netns.run("ip", "route", "add", str(KEY.prefix), "dev", "w0", "proto", "80", "scope", "link")
        assert (await table.read())[KEY].device == "w0"

    asyncio.run(run())


def test_a_refusal_names_the_way_and_the_kernels_reason(netns: Namespace) -> None:
    wire(netns)
    far = RouteKey(ip_network("10.65.1.0/26"), metric=512)
    gone = RouteKey(ip_network("10.65.2.0/32"))
    plan = {
        far: Route(far, RouteKind.LEARNED, hops=(Hop(ip_address("10.7.0.2"), V0),)),
        gone: Route(gone, RouteKind.LOCAL, Device("cali1")),
    }
    refused = asyncio.run(felix().apply(Plan(plan)))
    assert refused[far].code == errno.ENETUNREACH
    assert "via 10.7.0.2 dev v0: Network is unreachable (Nexthop has invalid gateway)" in str(refused[far])
    assert refused[gone].code == errno.ENODEV
    assert "dev cali1: No such device" in str(refused[gone])
    netns.run("ip", "link", "set", V0, "down")
    down = asyncio.run(felix().apply(Plan({KEY: POD})))
    assert down[KEY].code == errno.ENETDOWN
    assert "dev v0: Network is down" in str(down[KEY])


def test_many_routes_of_many_shapes_are_written_and_the_bad_among_them_named(netns: Namespace) -> None:
    wire(netns)
    bad = {RouteKey(ip_network(f"10.65.{n}.7/32")) for n in range(0, 40, 7)}
    rows = {}
    for n in range(2000):
        key = RouteKey(ip_network(f"10.65.{n >> 4}.{n & 15}/32"))
        device = Device("v1" if n % 3 else "v0")
        rows[key] = Route(key, RouteKind.LOCAL, device)
    for key in bad:
        netns.run("ip", "route", "add", str(key.prefix), "via", "10.0.0.9", "proto", "static")
    table = felix()

    async def run() -> None:
        assert set(await table.apply(Plan(rows))) == bad
        assert await table.read() == {key: row for key, row in rows.items() if key not in bad}
        assert await table.apply(Plan({}, frozenset(rows))) == {}
        assert await table.read() == {}

    asyncio.run(run())
    assert len(shown(netns, "proto", "static")) == len(bad)


def test_ipv6_multipath_is_replaced_whole(netns: Namespace) -> None:
    """IPv6 appends where IPv4 replaces: no next hop of the old route may stay behind."""
    wire(netns)
    netns.run("ip", "addr", "add", "fd00::1/64", "dev", V0, "nodad")
    key = RouteKey(ip_network("fd66::/122"), metric=512)
    table = felix(lambda _key, _route: True)

    async def run() -> None:
        await table.read()
        for hops in (["fd00::2"], ["fd00::3", "fd00::4"], ["fd00::2", "fd00::3", "fd00::4"], ["fd00::5"]):
            route = Route(key, RouteKind.LEARNED, hops=tuple(Hop(ip_address(via), V0) for via in hops))
            assert await table.apply(Plan({key: route})) == {}
            assert await table.read() == {key: route}
        assert await table.apply(Plan({}, frozenset([key]))) == {}
        assert await table.read() == {}

    asyncio.run(run())


def test_what_was_ours_stays_ours_when_its_record_changes(netns: Namespace) -> None:
    """The pool is gone and the link loses its carrier: the same route, another record in the dump."""
    wire(netns)
    pools = [POOL]
    table = felix(lambda _key, _route: bool(pools))
    netns.run("ip", "route", "add", str(KEY.prefix), "dev", V0, "scope", "link", "proto", "80")
    assert asyncio.run(table.read()) == {KEY: POD}
    pools.clear()
    netns.run("ip", "link", "set", "v1", "down")
    assert "linkdown" in netns.run("ip", "route")
    assert asyncio.run(table.read()) == {KEY: POD}
    assert asyncio.run(felix(lambda _key, _route: bool(pools)).read()) == {}, "the negative control: seen anew"
