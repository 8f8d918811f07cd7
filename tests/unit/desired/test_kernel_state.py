"""What the kernel should hold for the pods of this node: routes, neighbours, MACs, sysctls."""

from ipaddress import ip_address, ip_network

from felixpy.desired.endpoints import LocalEndpoint, local_endpoints
from felixpy.desired.links import desired_macs
from felixpy.desired.neighbours import desired_neighbours
from felixpy.desired.routes import desired_routes
from felixpy.desired.sysctls import accept_ra, desired_sysctls, node_sysctls
from felixpy.model.neighbours import Neighbour, NeighbourKey
from felixpy.model.routes import Device, Origin, Route, RouteKey, RouteKind
from felixpy.model.sysctls import Sysctl, SysctlKey
from tests.builders import endpoint

CALI = Device("caliweb")
ETH0 = Device("eth0")


def served(*addresses: str, mac: str = "", spoof: tuple[str, ...] = ()) -> tuple[LocalEndpoint, ...]:
    resource = endpoint("web", *addresses, mac=mac, spoof=spoof)
    return local_endpoints({resource.name: resource}, "n1").served


def values(sysctls: dict[SysctlKey, Sysctl]) -> dict[str, str]:
    return {key.path: sysctl.value for key, sysctl in sysctls.items()}


def test_one_route_for_each_address_with_a_metric_that_birdpy_never_uses() -> None:
    v4, v6 = RouteKey(ip_network("10.65.0.2/32")), RouteKey(ip_network("fd00::2/128"), metric=512)
    routes = desired_routes(served("10.65.0.2", "fd00::2"))
    assert routes == {key: Route(key, RouteKind.LOCAL, device=CALI) for key in (v4, v6)}
    assert {route.origin for route in routes.values()} == {Origin("pod", "default/web", since=1000.0)}


def test_a_neighbour_for_each_address_when_the_mac_is_known() -> None:
    keys = [NeighbourKey(CALI, ip_address(address)) for address in ("10.65.0.2", "fd00::2")]
    wanted = desired_neighbours(served("10.65.0.2", "fd00::2", mac="aa:bb:cc:00:11:22"))
    assert wanted == {key: Neighbour(key, "aa:bb:cc:00:11:22") for key in keys}
    assert desired_neighbours(served("10.65.0.2")) == {}


def test_every_pods_interface_has_the_one_mac() -> None:
    assert desired_macs(served("10.65.0.2")) == {CALI: "ee:ee:ee:ee:ee:ee"}


def test_the_sysctls_of_a_pods_interface_each_with_its_reason() -> None:
    sysctls = desired_sysctls(served("10.65.0.2"), ipv6=True)
    assert values(sysctls) == {
        "net/ipv4/conf/caliweb/rp_filter": "1",
        "net/ipv4/conf/caliweb/route_localnet": "0",
        "net/ipv4/conf/caliweb/proxy_arp": "1",
        "net/ipv4/neigh/caliweb/proxy_delay": "0",
        "net/ipv4/conf/caliweb/forwarding": "1",
        "net/ipv6/conf/caliweb/accept_ra": "0",
        "net/ipv6/conf/caliweb/accept_dad": "0",
        "net/ipv6/conf/caliweb/forwarding": "1",
    }
    assert all(sysctl.because for sysctl in sysctls.values())


def test_the_source_check_is_off_only_for_an_endpoint_that_may_spoof() -> None:
    assert values(desired_sysctls(served("10.65.0.2", spoof=("10.9.0.0/16",)), ipv6=False)) == {
        "net/ipv4/conf/caliweb/rp_filter": "0",
        "net/ipv4/conf/caliweb/route_localnet": "0",
        "net/ipv4/conf/caliweb/proxy_arp": "1",
        "net/ipv4/neigh/caliweb/proxy_delay": "0",
        "net/ipv4/conf/caliweb/forwarding": "1",
    }


def test_the_sysctls_of_the_node() -> None:
    sysctls = node_sysctls(ipv4=True, ipv6=True, advertised=(), guarded=())
    assert values(sysctls) == {
        "net/ipv4/ip_forward": "1",
        "net/ipv4/conf/all/ignore_routes_with_linkdown": "1",
        "net/ipv4/conf/default/ignore_routes_with_linkdown": "1",
        "net/ipv6/conf/all/forwarding": "1",
        "net/ipv6/conf/all/ignore_routes_with_linkdown": "1",
        "net/ipv6/conf/default/ignore_routes_with_linkdown": "1",
    }
    assert all(sysctl.because for sysctl in sysctls.values())
    assert node_sysctls(ipv4=False, ipv6=False, advertised=(ETH0,), guarded=()) == {}


def test_ipv6_forwarding_waits_until_every_advertised_default_route_is_guarded() -> None:
    forwarding = SysctlKey("net/ipv6/conf/all/forwarding")
    eth1 = Device("eth1")
    first = node_sysctls(ipv4=False, ipv6=True, advertised=(eth1, ETH0), guarded=(ETH0,))
    assert forwarding not in first
    assert [first[accept_ra(device)].value for device in (ETH0, eth1)] == ["2", "2"]
    then = node_sysctls(ipv4=False, ipv6=True, advertised=(eth1, ETH0), guarded=(ETH0, eth1))
    assert list(then).index(forwarding) > list(then).index(accept_ra(eth1))
