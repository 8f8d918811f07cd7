"""What the kernel reaches without us, read back as the ground for next hops."""

import asyncio
from ipaddress import ip_address, ip_network

from felixpy.kernel.events import AddressChanged, LinkChanged, Lost, RouteChanged
from felixpy.kernel.fib import concerns, read_connected
from felixpy.kernel.netlink import Netlink
from felixpy.kernel.route_dump import RouteDump, dump_routes
from felixpy.model.fib import ConnectedRoute
from felixpy.model.links import Link
from felixpy.model.routes import Device, RouteKey
from tests.namespaces import Namespace

V0, V1 = Device("v0"), Device("v1")
LINES = """\
link add v0 type veth peer name v1
link set v0 up
link set v1 up
addr add 10.0.0.1/24 dev v0
addr add fd00::1/64 dev v0 nodad
route add default via 10.0.0.254 proto dhcp
route add 10.9.0.0/16 proto static metric 20 nexthop via 10.0.0.2 nexthop via 10.0.0.3 weight 4
route add 10.8.0.0/16 via 10.8.0.1 dev v0 onlink
route add 10.7.0.0/16 via inet6 fd00::7 dev v0
route add unreachable 10.6.0.0/16
route add 10.5.0.0/16 via 10.0.0.5 proto bird
route add 10.4.0.0/16 via 10.0.0.5 table 100
route add fd09::/48 via fe80::9 dev v0 proto static
route add fd08::/48 proto static nexthop via fd00::2 nexthop via fd00::3
"""


def read(netns: Namespace) -> dict[str, set[ConnectedRoute]]:
    table = read_connected(Netlink(), ours=[12])
    return {str(ways[0].prefix): set(ways) for ways in table.ways.values()}


def test_every_shape_of_foreign_route_is_read(netns: Namespace) -> None:
    netns.run("ip", "-batch", "-", given=LINES)
    routes = read(netns)
    default, ecmp = ip_network("0.0.0.0/0"), ip_network("10.9.0.0/16")
    assert routes["0.0.0.0/0"] == {ConnectedRoute(default, V0, ip_address("10.0.0.254"), 16)}
    assert routes["10.0.0.0/24"] == {ConnectedRoute(ip_network("10.0.0.0/24"), V0)}
    hops = {ConnectedRoute(ecmp, V0, ip_address(via), 4, 20) for via in ("10.0.0.2", "10.0.0.3")}
    assert routes["10.9.0.0/16"] == hops
    assert [way.onlink for way in routes["10.8.0.0/16"]] == [True]
    assert [way.gateway for way in routes["10.7.0.0/16"]] == [ip_address("fd00::7")]
    assert [way.device for way in routes["10.6.0.0/16"]] == [None]
    assert [way.gateway for way in routes["fd09::/48"]] == [ip_address("fe80::9")]
    assert {way.gateway for way in routes["fd08::/48"]} == {ip_address("fd00::2"), ip_address("fd00::3")}
    assert "10.5.0.0/16" not in routes, "our own protocol is not ground to stand on"
    assert "10.4.0.0/16" not in routes, "another table is not followed"


def test_next_hops_are_covered_as_the_kernel_itself_would_route_them(netns: Namespace) -> None:
    netns.run("ip", "-batch", "-", given=LINES)
    table = read_connected(Netlink(), ours=[12])
    for address in ("10.0.0.7", "10.8.1.1", "10.99.0.1", "fd09::1", "fd00::9", "10.7.1.1"):
        (way,) = table.covering(ip_address(address))
        said = netns.run("ip", "route", "get", address)
        assert f"dev {way.device}" in said
        assert (f" {way.gateway}" in said) if way.gateway else ("via" not in said)
    assert table.subnets >= {ip_network("10.0.0.0/24"), ip_network("fd00::/64")}


def test_a_link_without_carrier_is_no_way_out(netns: Namespace) -> None:
    netns.run("ip", "-batch", "-", given=LINES)
    netns.run("ip", "link", "set", V1, "down")
    table = read_connected(Netlink(), ours=[12])
    assert table.covering(ip_address("10.0.0.7")) == ()
    netns.run("ip", "link", "set", V1, "up")
    assert read_connected(Netlink(), ours=[12]).covering(ip_address("10.0.0.7")) != ()


def test_a_node_without_a_single_route_has_an_empty_ground(netns: Namespace) -> None:
    netns.run("ip", "link", "set", "lo", "down")
    assert read_connected(Netlink()).covering(ip_address("10.0.0.1")) == ()


def test_only_events_that_move_the_ground_concern_it() -> None:
    key = RouteKey(ip_network("10.0.0.0/24"))
    assert concerns(RouteChanged(key, 4), ours=[12])
    assert not concerns(RouteChanged(key, 12), ours=[12])
    assert not concerns(RouteChanged(RouteKey(ip_network("10.0.0.0/24"), table=100), 4))
    assert concerns(LinkChanged(Link(1, V0, up=False, carrier=False)))
    assert concerns(Lost())
    assert not concerns(AddressChanged(V0, ip_address("10.0.0.1")))


def test_a_family_that_the_kernel_does_not_know_adds_nothing(netns: Namespace) -> None:
    """The kernel answers a dump of such a family with the routes of all others (rtnl_dump_all)."""
    netns.run("ip", "-batch", "-", given=LINES)
    unknown = 27  # AF_IB has no routes
    assert dump_routes(Netlink(), unknown) != []
    table = RouteDump(Netlink(), unknown, 0)
    assert asyncio.run(table.look()) == ([], [])
