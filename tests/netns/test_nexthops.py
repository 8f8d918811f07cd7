"""Routes that share nexthop objects: one change for all of them, whose objects they are, and what is left behind."""

import asyncio
import json
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Any

from felixpy.kernel.owners import NEXTHOP_IDS
from felixpy.kernel.routes import KernelRoutes
from felixpy.model.routes import Device, Hop, Route, RouteKey, RouteKind
from felixpy.reconcile.plan import Plan
from tests.namespaces import Namespace

V0, V2 = Device("v0"), Device("v2")
A, B = Hop(ip_address("10.0.0.2"), V0), Hop(ip_address("10.2.0.2"), V2)
MANY = 300


def wire(netns: Namespace) -> None:
    """Two uplinks."""
    lines = [f"link add v{n} type veth peer name v{n + 1}\nlink set v{n} up\nlink set v{n + 1} up\n" for n in (0, 2)]
    lines += [f"addr add 10.{n}.0.1/24 dev v{n}\naddr add fd0{n}::1/64 dev v{n} nodad\n" for n in (0, 2)]
    netns.run("ip", "-batch", "-", given="".join(lines))


def sharing(*, shared: bool = True) -> KernelRoutes:
    return KernelRoutes(12, (1024,), lambda _key, _route: True, shared=shared)


def through(*hops: Hop, first: int = 0, count: int = MANY) -> dict[RouteKey, Route]:
    """`count` routes of one kind."""
    keys = [RouteKey(ip_network((0x0A420000 + 64 * at, 26)), metric=1024) for at in range(first, first + count)]
    return {key: Route(key, RouteKind.LEARNED, hops=hops) for key in keys}


def shown(netns: Namespace, what: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(netns.run("ip", "-j", *what.split()) or "[]")
    return found


def ids(netns: Namespace) -> set[int]:
    return {each["id"] for each in shown(netns, "nexthop")}


def ways(netns: Namespace) -> dict[str, tuple[str, ...]]:
    """The gateways of every route of ours, as the kernel would use them."""
    found = {}
    for route in shown(netns, "route show proto bird"):
        found[route["dst"]] = tuple(hop["gateway"] for hop in route.get("nexthops", [route]))
    return found


def applied(table: KernelRoutes, write: Mapping[RouteKey, Route], erase: frozenset[RouteKey] = frozenset()) -> None:
    assert asyncio.run(table.apply(Plan(write, erase))) == {}


def heard(netns: Namespace, table: KernelRoutes, write: Mapping[RouteKey, Route]) -> list[str]:
    """What the kernel says of nexthop objects while `write` is applied."""
    monitor = netns.start("ip", "monitor", "nexthop")
    asyncio.run(asyncio.sleep(0.3))
    applied(table, write)
    asyncio.run(asyncio.sleep(0.2))
    monitor.terminate()
    return monitor.communicate(timeout=5)[0].splitlines()


def test_routes_that_move_together_are_one_change_of_their_group(netns: Namespace) -> None:
    wire(netns)
    table = sharing()
    applied(table, through(A, B))
    asyncio.run(table.read())
    named = {route["nhid"] for route in shown(netns, "route show proto bird")}
    assert len(named) == 1
    (number,) = named
    assert heard(netns, table, through(B)) == [
        f"id {number} group {next(iter(ids_via(netns, '10.2.0.2')))} proto bird ",
        *(f"Deleted id {gone} via 10.0.0.2 dev v0 scope link proto bird " for gone in [NEXTHOP_IDS.start]),
    ]
    assert {route["nhid"] for route in shown(netns, "route show proto bird")} == named
    assert set(ways(netns).values()) == {("10.2.0.2",)}
    assert asyncio.run(table.read()) == asyncio.run(sharing().read()) == through(B)


def ids_via(netns: Namespace, gateway: str) -> set[int]:
    return {each["id"] for each in shown(netns, "nexthop") if each.get("gateway") == gateway}


def test_routes_that_stay_keep_the_group_and_the_others_take_another(netns: Namespace) -> None:
    """The control: a group does not turn when only some of its routes move."""
    wire(netns)
    table = sharing()
    applied(table, through(A))
    applied(table, through(B, count=100))
    assert asyncio.run(table.read()) == through(A) | through(B, count=100)
    assert len({route["nhid"] for route in shown(netns, "route show proto bird")}) == 2


def test_nothing_is_left_when_the_routes_are_gone(netns: Namespace) -> None:
    wire(netns)
    table = sharing()
    applied(table, through(A, B) | through(A, first=MANY))
    assert len(ids(netns)) == 4
    assert ids(netns) <= set(NEXTHOP_IDS)
    applied(table, {}, frozenset(through(A, B)))
    assert len(ids(netns)) == 2
    applied(table, {}, frozenset(through(A, first=MANY)))
    assert ids(netns) == set()


def test_objects_of_others_are_untouched_also_among_our_ids(netns: Namespace) -> None:
    wire(netns)
    first = NEXTHOP_IDS.start
    netns.run("ip", "nexthop", "add", "id", "7", "via", "10.0.0.2", "dev", "v0", "proto", "bird")
    netns.run("ip", "nexthop", "add", "id", str(first), "via", "10.0.0.2", "dev", "v0", "proto", "zebra")
    netns.run("ip", "nexthop", "add", "id", str(first + 1), "group", "7", "proto", "zebra")
    netns.run("ip", "route", "add", "198.51.100.0/24", "nhid", str(first + 1), "proto", "zebra")
    before, routes = shown(netns, "nexthop"), shown(netns, "route")
    table = sharing()
    applied(table, through(A))  # unread: the kernel says which ids are taken
    applied(table, through(A, B))
    applied(table, {}, frozenset(through(A, B)))
    asyncio.run(table.read())
    applied(table, {})
    assert (shown(netns, "nexthop"), shown(netns, "route")) == (before, routes)


def test_a_restart_knows_its_objects_and_clears_away_what_no_route_names(netns: Namespace) -> None:
    wire(netns)
    applied(sharing(), through(A, B))
    stray = NEXTHOP_IDS.start + 99
    netns.run("ip", "nexthop", "add", "id", str(stray), "via", "10.0.0.9", "dev", "v0", "proto", "bird")
    before = ids(netns)
    table = sharing()
    assert asyncio.run(table.read()) == through(A, B)
    assert not asyncio.run(table.migrate())
    applied(table, through(A, B))
    assert ids(netns) == before - {stray}


def test_a_link_that_loses_its_carrier_takes_its_gateways_and_comes_back(netns: Namespace) -> None:
    wire(netns)
    table = sharing()
    wanted = through(A, B) | through(A, first=MANY)
    applied(table, wanted)
    netns.run("ip", "link", "set", "v1", "down")
    held = asyncio.run(table.read())
    assert held == through(B), "the kernel itself turned the group of two, and dropped the routes of the other"
    netns.run("ip", "link", "set", "v1", "up")
    applied(table, wanted)
    assert asyncio.run(table.read()) == asyncio.run(sharing().read()) == wanted


def test_a_change_of_mode_keeps_every_route_and_leaves_no_object(netns: Namespace) -> None:
    wire(netns)
    six = Route(RouteKey(ip_network("fd66::/122"), metric=1024), RouteKind.LEARNED, hops=hops6())
    wanted = through(A, B) | through(A, first=MANY) | {six.key: six}
    plain = sharing(shared=False)
    applied(plain, wanted)
    with_objects = sharing()
    asyncio.run(with_objects.read())
    assert asyncio.run(with_objects.migrate()) == len(wanted)
    assert all("nhid" in route for route in shown(netns, "route show proto bird"))
    assert asyncio.run(with_objects.read()) == wanted
    plain = sharing(shared=False)
    assert asyncio.run(plain.read()) == {}
    assert asyncio.run(plain.migrate()) == len(wanted)
    assert asyncio.run(plain.read()) == wanted
    assert not any("nhid" in route for route in shown(netns, "route show proto bird"))
    assert ids(netns) == set()


def hops6() -> tuple[Hop, ...]:
    return Hop(ip_address("fd00::2"), V0), Hop(ip_address("fd02::2"), V2)
