"""The longest match among the routes that are not BGP's."""

from ipaddress import ip_address, ip_network

from felixpy.model.fib import ConnectedRoute, ConnectedRoutes
from felixpy.model.routes import Device

ETH0, ETH1 = Device("eth0"), Device("eth1")
DEFAULT = ConnectedRoute(ip_network("0.0.0.0/0"), ETH0, ip_address("10.0.0.1"), protocol=3)
SUBNET = ConnectedRoute(ip_network("10.0.0.0/24"), ETH0)
SPINES = tuple(
    ConnectedRoute(ip_network("10.9.0.0/16"), d, ip_address(g), 4, 20)
    for d, g in ((ETH0, "10.0.0.1"), (ETH1, "10.1.0.1"))
)
TABLE = ConnectedRoutes.of([DEFAULT, SUBNET, *SPINES])


def test_the_longest_prefix_covers() -> None:
    assert TABLE.covering(ip_address("10.0.0.7")) == (SUBNET,)
    assert TABLE.covering(ip_address("192.0.2.1")) == (DEFAULT,)


def test_a_multipath_route_covers_with_all_its_ways() -> None:
    assert TABLE.covering(ip_address("10.9.3.1")) == SPINES


def test_among_equal_prefixes_the_lowest_metric_covers() -> None:
    better = ConnectedRoute(ip_network("10.9.0.0/16"), ETH1, ip_address("10.1.0.9"), 4, 10)
    assert ConnectedRoutes.of([*SPINES, better]).covering(ip_address("10.9.3.1")) == (better,)


def test_a_route_without_carrier_is_passed_over() -> None:
    dead = ConnectedRoute(ip_network("10.0.0.0/24"), ETH0, usable=False)
    assert ConnectedRoutes.of([dead, DEFAULT]).covering(ip_address("10.0.0.7")) == (DEFAULT,)


def test_subnets_of_named_interfaces_can_be_left_out() -> None:
    on = TABLE.on(("eth0",))
    assert list(on) == [SUBNET], "neither the default route nor one by way of a gateway is a subnet of an interface"
    assert list(TABLE.on(("eth*",))) == [SUBNET] and list(TABLE.on(("et", "docker*"))) == []
    assert TABLE.without(on).covering(ip_address("10.0.0.7")) == (DEFAULT,)
    assert TABLE.without(ConnectedRoutes()) is TABLE


def test_families_do_not_mix() -> None:
    assert TABLE.covering(ip_address("fd00::1")) == ()
    six = ConnectedRoute(ip_network("fd00::/64"), ETH1)
    assert ConnectedRoutes.of([six, DEFAULT]).covering(ip_address("fd00::1")) == (six,)


def test_only_what_the_kernel_derived_from_addresses_is_a_subnet() -> None:
    assert TABLE.subnets == {SUBNET.prefix}
