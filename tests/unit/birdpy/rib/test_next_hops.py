"""Where a next hop leads, and why it leads nowhere."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address, ip_network

import pytest

from birdpy.rib.next_hops import Chain, Ground, Learned, Resolved, Unresolved, merged, resolve
from felixpy.model.addresses import Address, Prefix
from felixpy.model.fib import ConnectedRoute
from felixpy.model.routes import Device, Hop
from tests.unit.birdpy.builders import routes, way

LAN = way("10.0.0.0/24")
DEFAULT = way("0.0.0.0/0", gateway="10.0.0.254")
OWN = ip_network("198.51.100.0/24")  # whose path it is
ETH0, ETH1 = Device("eth0"), Device("eth1")


def bgp(table: Mapping[str, tuple[str, ...]]) -> Learned:
    """The chosen BGP routes: prefix -> next hops."""
    known = sorted(((ip_network(p), tuple(map(ip_address, hops))) for p, hops in table.items()),
                   key=lambda entry: -entry[0].prefixlen)  # fmt: skip

    def covering(address: Address, _leaning: Chain) -> Iterator[tuple[Prefix, tuple[Address, ...]]]:
        return ((prefix, hops) for prefix, hops in known if address in prefix)

    return covering


def hop(via: str, device: str = "eth0", weight: int = 1, onlink: bool = False) -> Hop:
    return Hop(ip_address(via), Device(device), weight, onlink)


def found(next_hop: str, *ways: ConnectedRoute, table: Mapping[str, tuple[str, ...]] = {}) -> Resolved | Unresolved:
    return resolve(ip_address(next_hop), Ground(routes(*ways)), bgp(table), (OWN,))


def test_a_neighbour_is_its_own_gateway() -> None:
    assert found("10.0.0.2", LAN, DEFAULT) == Resolved((hop("10.0.0.2"),), (LAN.prefix,), 0)


def test_a_host_behind_a_router_is_reached_by_the_router() -> None:
    routed = way("10.2.0.0/24", "eth1", "10.1.0.1")
    assert found("10.2.0.7", LAN, routed) == Resolved((hop("10.1.0.1", "eth1"),), (routed.prefix,), 1)


def test_the_default_route_is_good_enough_when_nothing_says_more() -> None:
    assert found("10.2.0.7", LAN, DEFAULT) == Resolved((hop("10.0.0.254"),), (DEFAULT.prefix,), 1)


def test_a_bgp_route_says_more_than_the_default_route() -> None:
    answer = found("10.2.0.7", LAN, DEFAULT, table={"10.2.0.0/24": ("10.0.0.9",)})
    assert answer == Resolved((hop("10.0.0.9"),), (ip_network("10.2.0.0/24"), LAN.prefix), 1)


def test_a_route_of_the_kernel_goes_before_a_bgp_route() -> None:
    answer = found("10.0.0.2", LAN, table={"10.0.0.0/28": ("10.0.0.9",)})
    assert isinstance(answer, Resolved) and answer.hops == (hop("10.0.0.2"),)


def test_a_bgp_route_that_leads_nowhere_leaves_the_default_route() -> None:
    answer = found("10.2.0.7", DEFAULT, table={"10.2.0.0/24": ("fd99::9",)})
    assert isinstance(answer, Resolved) and answer.through == (DEFAULT.prefix,)


def test_no_route_at_all() -> None:
    assert found("10.2.0.7", LAN) == Unresolved("no route to 10.2.0.7")


def test_a_bgp_default_is_not_leaned_on() -> None:
    assert found("10.2.0.7", LAN, table={"0.0.0.0/0": ("10.0.0.9",)}) == Unresolved("no route to 10.2.0.7")


def test_a_route_does_not_lean_on_itself() -> None:
    answer = found("10.2.0.7", LAN, table={"10.2.0.0/24": ("10.2.0.7",)})
    assert answer == Unresolved("only a route through itself leads there")


def test_routes_do_not_lean_on_each_other() -> None:
    answer = found("10.2.0.7", LAN, table={"10.2.0.0/24": ("10.3.0.7",), "10.3.0.0/24": ("10.2.0.8",)})
    assert isinstance(answer, Unresolved) and "only a route through itself" in answer.reason


def test_four_routes_may_lean_on_each_other_and_five_may_not() -> None:
    chain = {f"10.{n}.0.0/16": (f"10.{n + 1}.0.1",) for n in range(2, 7)}
    ground = way("10.7.0.0/16")
    four = found("10.3.0.1", ground, table=chain)
    five = found("10.2.0.1", ground, table=chain)
    assert isinstance(four, Resolved) and (four.distance, len(four.through)) == (4, 5)
    assert isinstance(five, Unresolved) and "more than 4 BGP routes lean on each other" in five.reason


def test_a_multipath_bgp_route_gives_all_its_ways_with_their_shares() -> None:
    table = {"10.2.0.0/24": ("10.0.0.8", "10.0.0.9", "10.99.0.1"), "10.99.0.0/24": ("10.0.0.9",)}
    answer = found("10.2.0.7", LAN, table=table)
    assert isinstance(answer, Resolved)
    assert answer.hops == (hop("10.0.0.8"), hop("10.0.0.9", weight=2))


def test_a_route_that_the_kernel_drops_leads_nowhere() -> None:
    answer = found("10.2.0.7", ConnectedRoute(ip_network("10.2.0.0/16"), None))
    assert answer == Unresolved("10.2.0.0/16, which covers 10.2.0.7, leads nowhere on this node")


def test_a_multipath_route_of_the_kernel_gives_every_gateway() -> None:
    both = (way("10.2.0.0/24", "eth0", "10.0.0.1"), way("10.2.0.0/24", "eth1", "10.1.0.1"))
    answer = found("10.2.0.7", *both)
    assert isinstance(answer, Resolved) and answer.hops == (hop("10.0.0.1"), hop("10.1.0.1", "eth1"))


def ground(**trouble: object) -> Ground:
    both = routes(way("10.2.0.0/24", "eth0", "10.0.0.1"), way("10.2.0.0/24", "eth1", "10.1.0.1"), LAN)
    return Ground(both, **trouble)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("trouble", "left"),
    [({"down": {ETH0}}, "10.1.0.1"), ({"failed": {(ip_address("10.1.0.1"), ETH1)}}, "10.0.0.1")],
)
def test_what_is_out_of_order_is_left_out_while_there_is_another_way(trouble: dict[str, object], left: str) -> None:
    answer = resolve(ip_address("10.2.0.7"), ground(**trouble))
    assert isinstance(answer, Resolved)
    assert ([str(one.via) for one in answer.hops], answer.failing) == ([left], "")


def test_the_only_way_stays_as_a_last_resort_and_says_what_is_wrong() -> None:
    down = resolve(ip_address("10.0.0.2"), ground(down={ETH0}))
    silent = resolve(ip_address("10.0.0.2"), ground(failed={(ip_address("10.0.0.2"), ETH0)}))
    assert isinstance(down, Resolved) and isinstance(silent, Resolved)
    assert down.hops == silent.hops == (hop("10.0.0.2"),)
    assert (down.failing, silent.failing) == ("eth0 is down", "neighbour 10.0.0.2 on eth0 does not answer")


def test_a_bgp_route_prefers_its_healthy_ways() -> None:
    learned = bgp({"10.3.0.0/24": ("10.0.0.8", "10.0.0.9")})
    answer = resolve(ip_address("10.3.0.7"), ground(failed={(ip_address("10.0.0.8"), ETH0)}), learned)
    assert isinstance(answer, Resolved)
    assert (answer.hops, answer.failing) == ((hop("10.0.0.9"),), "")
    worst = resolve(ip_address("10.3.0.7"), ground(down={ETH0}), learned)
    assert isinstance(worst, Resolved) and worst.failing == "eth0 is down"


def test_onlink_is_said_only_of_a_neighbour_that_the_kernel_refused() -> None:
    forced = {(ip_address("10.0.0.2"), ETH0), (ip_address("10.0.0.1"), ETH0)}
    near = resolve(ip_address("10.0.0.2"), ground(forced=forced))
    behind = resolve(ip_address("10.2.0.7"), ground(forced=forced))
    assert isinstance(near, Resolved) and isinstance(behind, Resolved)
    assert near.hops == (hop("10.0.0.2", onlink=True),)
    assert not any(one.onlink for one in behind.hops)


def test_a_gateway_that_was_given_as_onlink_stays_so() -> None:
    answer = found("10.2.0.7", way("10.2.0.0/24", "eth0", "192.0.2.1", onlink=True))
    assert isinstance(answer, Resolved) and answer.hops == (hop("192.0.2.1", onlink=True),)


def test_an_ipv4_prefix_may_have_an_ipv6_next_hop() -> None:
    answer = found("fd00::2", way("fd00::/64"))
    assert isinstance(answer, Resolved) and answer.hops == (hop("fd00::2"),)


def test_shares_are_added_and_shortened() -> None:
    assert merged([hop("10.0.0.2", weight=2), hop("10.0.0.2", weight=2), hop("10.0.0.1", weight=6)]) == (
        hop("10.0.0.1", weight=3),
        hop("10.0.0.2", weight=2),
    )
    assert merged([hop("10.0.0.1", weight=1000), hop("10.0.0.2")])[0].weight == 256
    assert merged([]) == ()
