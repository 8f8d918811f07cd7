"""One contract for every Table: the one in memory, which unit tests trust, and the kernel's own."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from felixpy.kernel.macs import KernelMacs
from felixpy.kernel.memory import MemoryTable
from felixpy.kernel.neighbours import KernelNeighbours
from felixpy.kernel.routes import KernelRoutes
from felixpy.kernel.sysctls import KernelSysctls
from felixpy.kernel.watched import WatchedNeighbours
from felixpy.model.neighbours import Neighbour, NeighbourKey
from felixpy.model.routes import Device, Hop, Route, RouteKey, RouteKind
from felixpy.model.sysctls import Sysctl, SysctlKey
from felixpy.reconcile.plan import Plan, diff
from felixpy.reconcile.table import Table, reconcile
from tests.namespaces import Namespace

V0, V1, GONE = Device("v0"), Device("v1"), Device("nothere")
Rows = Mapping[Any, Any]
AnyTable = Table[Any, Any]


def key(prefix: str, metric: int = 1024, table: int = 254) -> RouteKey:
    return RouteKey(ip_network(prefix), table, metric)


def local(prefix: str, metric: int, device: Device = V0) -> Route:
    return Route(key(prefix, metric), RouteKind.LOCAL, device)


def hop(via: str, weight: int = 1, device: Device = V0, onlink: bool = False) -> Hop:
    return Hop(ip_address(via), device, weight, onlink)


def learned(prefix: str, *hops: Hop, table: int = 254) -> Route:
    return Route(key(prefix, table=table), RouteKind.LEARNED, hops=hops)


def by_key(*routes: Route) -> dict[RouteKey, Route]:
    return {route.key: route for route in routes}


ROUTES = by_key(
    local("10.65.0.2/32", 0),
    local("10.65.0.3/32", 0, V1),
    local("fd65::2/128", 512),
    Route(key("10.65.0.0/26"), RouteKind.BLACKHOLE),
    Route(key("fd65::/122"), RouteKind.BLACKHOLE),
    learned("10.66.0.0/26", hop("10.0.0.2")),
    learned("10.66.1.0/26", hop("10.0.0.2", 3), hop("10.0.0.3", 256)),
    learned("10.66.2.0/26", hop("10.7.0.2", onlink=True)),
    learned("10.66.3.0/26", hop("10.0.0.2"), hop("10.7.0.2", onlink=True)),
    learned("10.66.4.0/26", hop("fd00::2")),  # IPv4 by way of an IPv6 next hop
    learned("10.66.5.0/26", hop("10.0.0.2"), hop("fe80::7", device=V1)),
    learned("10.66.6.0/26", hop("10.0.0.2"), table=1000),
    learned("0.0.0.0/0", hop("10.0.0.2")),
    learned("fd66::/122", hop("fd00::2")),
    learned("fd66:1::/122", hop("fd00::2", 3), hop("fe80::7", 2, V1)),
    learned("fd66:2::/122", hop("fd07::2", onlink=True)),
    learned("fd66:3::/122", hop("fd00::2"), table=1000),
    learned("::/0", hop("fd00::2")),
)
OTHER_ROUTES = by_key(  # the same keys, otherwise
    local("10.65.0.2/32", 0, V1),
    local("fd65::2/128", 512, V1),
    learned("10.65.0.0/26", hop("10.0.0.2")),
    learned("fd65::/122", hop("fd00::2"), hop("fd00::3")),
    Route(key("10.66.0.0/26"), RouteKind.BLACKHOLE),
    learned("10.66.1.0/26", hop("10.0.0.3")),
    learned("10.66.4.0/26", hop("10.0.0.2"), hop("10.0.0.3")),
    Route(key("fd66::/122"), RouteKind.BLACKHOLE),
    learned("fd66:1::/122", hop("fd00::3")),
    learned("fd66:2::/122", hop("fd00::3"), hop("fd00::4")),
)
BAD_ROUTES = by_key(
    local("10.65.0.9/32", 0, GONE),
    local("10.65.0.10/32", 7),  # not our metric: would never be read back
    local("fd65::9/128", 0),  # the kernel would make it 1024
    learned("10.66.9.0/26", hop("10.9.0.2")),  # no route to that next hop
    learned("fd66:9::/122", hop("fd09::2")),
    learned("10.66.10.0/26", hop("10.0.0.2", 2)),  # a weight among one
)
MACS = ("02:00:00:00:00:11", "02:00:00:00:00:12")


def neighbours(mac: str) -> dict[NeighbourKey, Neighbour]:
    keys = [NeighbourKey(V0, ip_address(a)) for a in ("10.65.0.2", "10.65.0.3", "fd65::2")]
    return {k: Neighbour(k, mac) for k in keys}


def sysctls(value: str) -> dict[SysctlKey, Sysctl]:
    paths = ("net/ipv4/conf/v0/rp_filter", "net/ipv6/conf/v0/accept_ra", "net/ipv4/conf/all/route_localnet")
    return {SysctlKey(p): Sysctl(SysctlKey(p), value, "a test") for p in paths}


WATCHED = {key: key for key in neighbours(MACS[0])}
BAD_NEIGHBOURS = {k: Neighbour(k, MACS[0]) for k in [NeighbourKey(GONE, ip_address("10.65.0.9"))]}
BAD_SYSCTLS = {
    k: Sysctl(k, "1")
    for k in map(SysctlKey, ["net/ipv4/conf/nothere/rp_filter", "net/../kernel/panic", "/etc/passwd", "net/ipv4"])
}


@dataclass(frozen=True)
class Case:
    make: Callable[[], AnyTable]
    rows: Rows
    others: Rows  # other values for some or all of the keys
    bad: Rows  # what the other side refuses
    erasable: bool = True


class Foretold(MemoryTable[Any, Any]):
    """The table in memory, told what a kernel would refuse."""

    def __init__(self, rows: dict[Any, Any]) -> None:
        super().__init__()
        self.rows = rows
        self.refuse = dict.fromkeys(BAD_ROUTES, "refused")


def memory_rows() -> Callable[[], AnyTable]:
    shared: dict[Any, Any] = {}  # the "other side": it outlives the table, as a kernel does
    return lambda: Foretold(shared)


CASES: dict[str, Callable[[], Case]] = {
    "memory": lambda: Case(memory_rows(), ROUTES, OTHER_ROUTES, BAD_ROUTES),
    "routes": lambda: Case(
        lambda: KernelRoutes(80, (0, 512, 1024), lambda _key, _route: True), ROUTES, OTHER_ROUTES, BAD_ROUTES
    ),
    "routes by nexthop objects": lambda: Case(
        lambda: KernelRoutes(80, (0, 512, 1024), lambda _key, _route: True, shared=True),
        ROUTES,
        OTHER_ROUTES,
        BAD_ROUTES,
    ),
    "neighbours": lambda: Case(
        lambda: KernelNeighbours(lambda device: device == V0),
        neighbours(MACS[0]),
        neighbours(MACS[1]),
        BAD_NEIGHBOURS,
    ),
    "sysctls": lambda: Case(KernelSysctls, sysctls("1"), sysctls("0"), BAD_SYSCTLS, erasable=False),
    "watched": lambda: Case(lambda: WatchedNeighbours(12), WATCHED, {}, {key: key for key in BAD_NEIGHBOURS}),
    "macs": lambda: Case(
        lambda: KernelMacs(lambda device: device in (V0, V1)),
        dict.fromkeys((V0, V1), "ee:ee:ee:ee:ee:ee"),
        dict.fromkeys((V0, V1), "02:00:00:00:00:03"),
        {GONE: "ee:ee:ee:ee:ee:ee"},
        erasable=False,
    ),
}


def wire(netns: Namespace) -> None:
    lines = "link add v0 type veth peer name v1\nlink set v0 up\nlink set v1 up\naddr add 10.0.0.1/24 dev v0\n"
    netns.run("ip", "-batch", "-", given=lines + "addr add fd00::1/64 dev v0 nodad\n")


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    if request.param != "memory":
        wire(request.getfixturevalue("netns"))
    yield CASES[request.param]()


def settled(table: AnyTable, desired: Rows) -> Mapping[Any, Any]:
    """What was refused on the way to `desired`; afterwards nothing is left to do but that."""

    async def run() -> Mapping[Any, Any]:
        if isinstance(table, KernelSysctls):
            table.about(desired)
        outcome = await reconcile(desired, table, may_erase=True)
        left = diff(desired, await table.read(), may_erase=True)
        assert set(left.write) == set(outcome.refused)
        return outcome.refused

    return asyncio.run(run())


def rows_of(table: AnyTable) -> Mapping[Any, Any]:
    return asyncio.run(table.read())


def test_what_is_written_reads_back_equal(case: Case) -> None:
    table = case.make()
    assert settled(table, case.rows) == {}
    read = rows_of(table)
    assert {k: read.get(k) for k in case.rows} == case.rows


def test_what_is_replaced_reads_back_equal(case: Case) -> None:
    table = case.make()
    settled(table, case.rows)
    wanted = {**case.rows, **case.others}
    assert settled(table, wanted) == {}
    assert settled(table, case.rows) == {}
    read = rows_of(table)
    assert {k: read.get(k) for k in case.rows} == case.rows


def test_writing_without_reading_first_is_safe(case: Case) -> None:
    settled(case.make(), {**case.rows, **case.others})
    table = case.make()
    assert asyncio.run(table.apply(Plan(case.rows))) == {}
    read = rows_of(table)
    assert {k: read.get(k) for k in case.rows} == case.rows


def test_erasing_leaves_nothing_and_erasing_again_succeeds(case: Case) -> None:
    table = case.make()
    settled(table, case.rows)
    plan: Plan[Any, Any] = Plan({}, frozenset(case.rows))
    assert asyncio.run(table.apply(plan)) == {}
    assert asyncio.run(table.apply(plan)) == {}
    if case.erasable:
        assert rows_of(table) == {}
        settled(case.make(), case.rows)
        assert asyncio.run(table.apply(plan)) == {}, "written by another object of ours, erased unread"
        assert rows_of(table) == {}


def test_one_refused_key_stops_none_of_the_others(case: Case) -> None:
    table = case.make()
    wanted = {**dict(list(case.rows.items())[:1]), **case.bad, **dict(list(case.rows.items())[1:])}
    refused = settled(table, wanted)
    assert set(refused) == set(case.bad)
    assert all(error.reason for error in refused.values())
    read = rows_of(table)
    assert {k: read.get(k) for k in case.rows} == case.rows


def test_a_restart_recognises_what_is_ours(case: Case) -> None:
    settled(case.make(), case.rows)
    table = case.make()
    if isinstance(table, KernelSysctls):
        table.about(case.rows)
    read = rows_of(table)
    assert {k: read.get(k) for k in case.rows} == case.rows
    assert not diff(case.rows, read, may_erase=True)


def test_the_contract_sees_a_table_that_forgets() -> None:
    """The negative control: a table that drops a write."""

    class Forgetful(MemoryTable[Any, Any]):
        async def apply(self, plan: Plan[Any, Any]) -> Mapping[Any, Any]:
            return {}

    with pytest.raises(AssertionError):
        settled(Forgetful(), ROUTES)
