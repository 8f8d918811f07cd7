"""Which neighbours are watched, and which settings that needs."""

from ipaddress import ip_address, ip_network

from birdpy.desired.nearby import MOST, PROBES, probing, watched
from birdpy.rib.next_hops import Resolved, Unresolved
from felixpy.desired.endpoints import LocalEndpoint
from felixpy.desired.sysctls import desired_sysctls, node_sysctls
from felixpy.kernel.owners import setting_owner
from felixpy.model.neighbours import NeighbourKey
from felixpy.model.routes import Device, Hop

ETH1, ETH2 = Device("eth1"), Device("eth2")


def way(*hops: Hop) -> Resolved:
    return Resolved(hops, (ip_network("172.20.0.0/24"),))


def test_every_gateway_is_watched_once_and_an_unresolved_next_hop_not_at_all() -> None:
    first, second = Hop(ip_address("172.20.0.1"), ETH1), Hop(ip_address("fd20::1"), ETH2)
    found = watched([way(first), way(first, second), Unresolved("no route")])
    assert found == {NeighbourKey(ETH1, first.via), NeighbourKey(ETH2, second.via)}


def test_there_is_an_end_to_how_many_are_watched() -> None:
    many = [way(Hop(ip_address(0x0A000000 + number), ETH1)) for number in range(MOST + 5)]
    assert len(watched(many)) == MOST
    assert watched(many) == watched(reversed(many))


def test_only_the_devices_and_families_in_use_are_set() -> None:
    found = probing([NeighbourKey(ETH1, ip_address("172.20.0.1")), NeighbourKey(ETH2, ip_address("fd20::1"))])
    assert {key.path for key in found} == {f"net/ipv4/neigh/eth1/{name}" for name in PROBES} | {
        f"net/ipv6/neigh/eth2/{name}" for name in PROBES
    }
    assert probing([]) == {}


def test_no_setting_has_two_owners() -> None:
    ours = probing([NeighbourKey(Device("cali1"), ip_address("10.0.0.1"))])
    assert {setting_owner(key.path) for key in ours} == {"birdpy"}
    of_pods = desired_sysctls([LocalEndpoint("w", "p", ETH1, ())], ipv6=True)
    theirs = of_pods | node_sysctls(ipv4=True, ipv6=True, advertised=[ETH1], guarded=[])
    assert {setting_owner(key.path) for key in theirs} == {"felixpy"}
