"""Real peers: sessions, routes both ways, End-of-RIB after them. What is asserted is the peer's own view."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from birdpy.rib.events import EndOfRib, Opened
from tests.exabgp.node import ADDRESSES, bird_config, node, route, run, session, until
from tests.speakers import bird, frr, gobgp, needs, needs_root, network

pytestmark = [needs_root, pytest.mark.interop, pytest.mark.root]


@dataclass
class Peer:
    """What every peer can be asked."""

    is_up: Callable[[], bool]
    has: Callable[[str], bool]


FRR_CONFIG = """
router bgp 65002
 bgp router-id 10.0.0.2
 no bgp ebgp-requires-policy
 no bgp network import-check
 bgp graceful-restart
 timers bgp 3 9
 neighbor 10.0.0.1 remote-as 65001
 neighbor 10.0.0.1 ebgp-multihop 5
 neighbor 10.0.0.1 update-source 10.0.0.2
 neighbor 10.0.0.1 timers connect 1
 neighbor fd00::1 remote-as 65001
 neighbor fd00::1 ebgp-multihop 5
 neighbor fd00::1 update-source fd00::2
 neighbor fd00::1 timers connect 1
 address-family ipv4 unicast
  network 203.0.113.0/24
  no neighbor fd00::1 activate
 exit-address-family
 address-family ipv6 unicast
  network 2001:db8:1::/48
  neighbor fd00::1 activate
 exit-address-family
"""

GOBGP_CONFIG = """
[global.config]
  as = 65002
  router-id = "10.0.0.2"
  local-address-list = ["10.0.0.2", "fd00::2"]
""" + "".join(
    f"""
[[neighbors]]
  [neighbors.config]
    neighbor-address = "{ours}"
    peer-as = 65001
  [neighbors.transport.config]
    local-address = "{theirs}"
  [neighbors.timers.config]
    connect-retry = 1
    idle-hold-time-after-reset = 1
  [neighbors.ebgp-multihop.config]
    enabled = true
    multihop-ttl = 5
  [neighbors.graceful-restart.config]
    enabled = true
    restart-time = 120
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "{family}-unicast"
    [neighbors.afi-safis.mp-graceful-restart.config]
      enabled = true
"""
    for ours, theirs, family in (("10.0.0.1", "10.0.0.2", "ipv4"), ("fd00::1", "fd00::2", "ipv6"))
)


@contextlib.contextmanager
def bird_peer(folder: Path) -> Iterator[Peer]:
    with bird(folder, bird_config()) as it:
        yield Peer(lambda: it.is_up("p4") and it.is_up("p6"), lambda prefix: bool(it.route(prefix)))


@contextlib.contextmanager
def frr_peer(folder: Path) -> Iterator[Peer]:
    with frr(folder, FRR_CONFIG, "10.0.0.2") as it:
        yield Peer(
            lambda: it.is_up("10.0.0.1") and it.is_up("fd00::1"),
            lambda prefix: any(path.get("aspath", {}).get("string") == "65001" for path in it.route(prefix)),
        )


@contextlib.contextmanager
def gobgp_peer(folder: Path) -> Iterator[Peer]:
    with gobgp(folder, GOBGP_CONFIG) as it:
        it.ask("global", "rib", "add", "203.0.113.0/24", "nexthop", "10.0.0.2")
        it.ask("global", "rib", "-a", "ipv6", "add", "2001:db8:1::/48", "nexthop", "fd00::2")
        yield Peer(
            lambda: it.is_up("10.0.0.1") and it.is_up("fd00::1"),
            lambda prefix: any(path["source-id"] == "10.0.0.1" for path in it.route(prefix)),
        )


@pytest.mark.parametrize(
    "peer",
    [
        pytest.param(bird_peer, marks=needs("bird"), id="bird"),
        pytest.param(frr_peer, marks=needs("bgpd", "vtysh"), id="frr"),
        pytest.param(gobgp_peer, marks=needs("gobgpd"), id="gobgp"),
    ],
)
def test_routes_go_both_ways_over_ipv4_and_ipv6(
    tmp_path: Path, peer: Callable[[Path], contextlib.AbstractContextManager[Peer]]
) -> None:
    async def body() -> None:
        async with node(tmp_path, session("10.0.0.2"), session("fd00::2")) as ours:
            await ours.up("10.0.0.2", "fd00::2", within_s=20)
            four, six = route("10.65.0.0/26"), route("fd00:65::/122", "fd00::2")
            assert await ours.tell(four, six) == {}
            assert await ours.finish() == {ip_address("10.0.0.2"), ip_address("fd00::2")}
            await until(lambda: theirs.is_up() and theirs.has("10.65.0.0/26") and theirs.has("fd00:65::/122"))
            await until(lambda: ip_network("203.0.113.0/24") in ours.learned("10.0.0.2"))
            await until(lambda: ip_network("2001:db8:1::/48") in ours.learned("fd00::2"))
            learned = ours.learned("10.0.0.2")[ip_network("203.0.113.0/24")]
            assert learned.attributes.as_path == (65002,) and learned.attributes.faults == ()
            assert learned.announced[0].next_hop == ip_address("10.0.0.2")
            six_hop = ours.learned("fd00::2")[ip_network("2001:db8:1::/48")].announced
            assert [reach.next_hop for reach in six_hop] == [ip_address("fd00::2")]
            await ours.untell(four, six)
            await until(lambda: not theirs.has("10.65.0.0/26") and not theirs.has("fd00:65::/122"))
            opened = [each for each in ours.events if isinstance(each, Opened)]
            assert opened and all(each.asn == 65002 and each.route_refresh for each in opened)
            await until(lambda: {e.family for e in ours.events if isinstance(e, EndOfRib)} == {4, 6})

    with network(*ADDRESSES), peer(tmp_path / "peer") as theirs:
        run(body)
