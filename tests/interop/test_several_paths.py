"""Several paths of one peer to one prefix (RFC 7911), and IPv4 by way of IPv6 next hops (RFC 8950)."""

from pathlib import Path

import pytest

from felixpy.model.addresses import Asn
from felixpy.model.resources import BGPPeer, Metadata, Resource
from tests.interop.neighbours import soon
from tests.netns.fabric import Fabric, Machine
from tests.speakers import bird, frr, needs

pytestmark = pytest.mark.root

BLOCK = "10.65.9.0/26"
TWICE = """
router id 172.20.0.9;
log stderr all;
protocol device {}
protocol static s10 { ipv4; route 10.65.9.0/26 blackhole { bgp_med = 10; bgp_community.add((65009, 1)); }; }
protocol static s20 { ipv4; route 10.65.9.0/26 blackhole { bgp_med = 20; bgp_community.add((65009, 2)); }; }
protocol bgp n1 {
  local 172.20.0.9 as 65009; neighbor 172.20.0.1 as 64512; multihop; connect delay time 1; connect retry time 1;
  ipv4 { import none; export all; next hop self; add paths tx; };
}
"""
BIRD_TAKES = """
router id 172.20.0.8;
log stderr all;
protocol device {}
protocol bgp n1 {
  local 172.20.0.8 as 65008; neighbor 172.20.0.1 as 64512; multihop; connect delay time 1; connect retry time 1;
  ipv4 { import all; export none; add paths rx; };
}
"""
FRR_TAKES = """
router bgp 65008
 bgp router-id 172.20.0.8
 no bgp ebgp-requires-policy
 neighbor 172.20.0.1 remote-as 64512
 neighbor 172.20.0.1 ebgp-multihop 2
 neighbor 172.20.0.1 timers connect 1
"""
BIRD_V6 = """
router id 172.20.0.9;
log stderr all;
protocol device {}
protocol static s4 { ipv4; route 203.0.113.0/24 blackhole; }
protocol static s6 { ipv6; route 2001:db8:1::/48 blackhole; }
protocol bgp n1 {
  local fd20::9 as 65009; neighbor fd20::1 as 64512; multihop; connect delay time 1; connect retry time 1;
  ipv4 { import all; export all; next hop self; extended next hop on; };
  ipv6 { import all; export all; next hop self; };
}
"""
FRR_V6 = """
router bgp 65009
 bgp router-id 172.20.0.9
 no bgp ebgp-requires-policy
 no bgp network import-check
 no bgp default ipv4-unicast
 neighbor fd20::1 remote-as 64512
 neighbor fd20::1 ebgp-multihop 2
 neighbor fd20::1 timers connect 1
 neighbor fd20::1 update-source fd20::9
 neighbor fd20::1 capability extended-nexthop
 address-family ipv4 unicast
  network 203.0.113.0/24
  neighbor fd20::1 activate
 exit-address-family
 address-family ipv6 unicast
  network 2001:db8:1::/48
  neighbor fd20::1 activate
 exit-address-family
"""


def peering(fabric: Fabric, name: str, address: str, asn: int, **notes: str) -> None:
    """A BGPPeer of n1 with annotations."""
    named = {f"felixpy.io/{key.replace('_', '-')}": value for key, value in notes.items()}
    peer = BGPPeer(node="n1", peer_ip=address, as_number=Asn(asn))
    fabric.write([Resource(Metadata(name=name, annotations=named), peer)])


def known(machine: Machine) -> list[tuple[tuple[str, ...], bool]]:
    """The paths to the block, by their communities, and which is the best; all have ids and these differ."""
    paths = machine.paths(BLOCK)
    ids = {path["path_id"] for path in paths}
    assert len(ids) == len(paths)
    assert 0 not in ids
    return sorted((tuple(path["communities"]), path["best"]) for path in paths)


@needs("bird", "bgpd")
@pytest.mark.parametrize("taker", ["bird", "frr"])
def test_every_path_of_a_peer_is_held_and_told_with_its_own_id(fabric: Fabric, tmp_path: Path, taker: str) -> None:
    n1 = fabric.node("n1", 1)
    peering(fabric, "giver", "172.20.0.9", 65009, add_path="receive")
    peering(fabric, "taker", "172.20.0.8", 65008, add_path="send")
    n1.start()
    with fabric.beside(9), bird(tmp_path / "giver", TWICE) as giver, fabric.beside(8):
        soon(lambda: known(n1) == [(("65009:1",), True), (("65009:2",), False)])
        if taker == "bird":
            with bird(tmp_path / "taker", BIRD_TAKES) as it:
                soon(lambda: it.route(BLOCK).count("BGP.origin") == 2)
                assert {"(65009,1)", "(65009,2)"} <= set(it.route(BLOCK).split())
                fewer(giver, n1)
                soon(lambda: it.route(BLOCK).count("BGP.origin") == 1 and "(65009,2)" in it.route(BLOCK))
        else:
            with frr(tmp_path / "taker", FRR_TAKES, "172.20.0.8") as other:
                soon(lambda: len(other.route(BLOCK)) == 2)
                found = {path["community"]["string"] for path in other.route(BLOCK)}
                assert found == {"65009:1", "65009:2"}
                fewer(giver, n1)
                soon(lambda: [path["community"]["string"] for path in other.route(BLOCK)] == ["65009:2"])


def fewer(giver: "object", n1: Machine) -> None:
    """The peer withdraws its better path: the other one is used."""
    giver.ask("disable", "s10")  # type: ignore[attr-defined]
    soon(lambda: known(n1) == [(("65009:2",), True)])
    soon(lambda: n1.routes().get(BLOCK) == "via 172.20.0.9 dev eth1 proto bird")


@needs("bird")
def test_as_many_paths_are_told_as_are_asked_for_and_one_where_nobody_agreed(fabric: Fabric, tmp_path: Path) -> None:
    n1 = fabric.node("n1", 1)
    peering(fabric, "giver", "172.20.0.9", 65009, add_path="receive")
    peering(fabric, "taker", "172.20.0.8", 65008, add_path="send", add_paths="1")
    n1.start()
    with fabric.beside(9), bird(tmp_path / "giver", TWICE):
        soon(lambda: len(known(n1)) == 2)
        with fabric.beside(8), bird(tmp_path / "taker", BIRD_TAKES) as it:
            soon(lambda: "(65009,1)" in it.route(BLOCK))
            assert it.route(BLOCK).count("BGP.origin") == 1
        plain = BIRD_TAKES.replace("add paths rx;", "")
        with fabric.beside(7), bird(tmp_path / "plain", plain.replace("172.20.0.8", "172.20.0.7")) as it:
            peering(fabric, "plain", "172.20.0.7", 65008, add_path="both")
            soon(lambda: "(65009,1)" in it.route(BLOCK))
            assert it.route(BLOCK).count("BGP.origin") == 1


@needs("bird", "bgpd")
@pytest.mark.parametrize("kind", ["bird", "frr"])
def test_ipv4_goes_both_ways_over_an_ipv6_session_and_is_installed_by_way_of_ipv6(
    fabric: Fabric, tmp_path: Path, kind: str
) -> None:
    n1 = fabric.node("n1", 1)
    peering(fabric, "six", "fd20::9", 65009, families="ipv4,ipv6")
    n1.start()

    def installed() -> bool:
        route = n1.namespace.run("ip", "route", "show", "203.0.113.0/24")
        hops = [path["next_hop"] for path in n1.paths("203.0.113.0/24")]
        return "via inet6 fd20::9 dev eth1 proto bird metric 1024" in route and hops == ["fd20::9"]

    with fabric.beside(9):
        if kind == "bird":
            with bird(tmp_path / "bird", BIRD_V6) as it:
                soon(installed)
                soon(lambda: "BGP.next_hop: fd20::1" in it.route("10.65.1.0/26"))
                soon(lambda: "BGP.next_hop: fd20::1" in it.route("fd65::100/122"))
                it.ask("disable", "s4")
                soon(lambda: not installed())
        else:
            with frr(tmp_path / "frr", FRR_V6, "fd20::9") as other:
                soon(installed)
                soon(lambda: [path["nexthops"][0]["ip"] for path in other.route("10.65.1.0/26")] == ["fd20::1"])
