"""What is accepted and not done is said."""

from ipaddress import ip_address, ip_network

from felixpy.desired.conditions import conditions
from felixpy.desired.state import felix_configuration
from felixpy.model.resources import FelixConfiguration, IPPool, Metadata, Node, NodeBGP, Resource
from felixpy.model.snapshot import Listed, Snapshot

QUIET = FelixConfiguration()


def names(snapshot: Snapshot, config: FelixConfiguration = QUIET) -> list[str]:
    return [condition.name for condition in conditions(snapshot, "n1", config)]


def nodes(**addresses: str) -> Snapshot:
    objects = {name: Resource(Metadata(name), Node(bgp=NodeBGP(ipv4_address=at))) for name, at in addresses.items()}
    return Snapshot().after(Listed(Node, objects))


def test_a_node_without_a_resource_is_named_once_the_nodes_are_known() -> None:
    assert names(Snapshot()) == []
    assert names(nodes(n2="10.0.0.2/24")) == ["NodeMissing"]
    assert names(nodes(n1="10.0.0.1/24")) == []


def test_two_nodes_with_one_address_are_named() -> None:
    (condition,) = conditions(nodes(n1="10.0.0.1/24", n2="10.0.0.1/16", n3="10.0.0.3/24"), "n1", QUIET)
    assert condition.name == "AddressConflict"
    assert "10.0.0.1 is also the address of node n2" in condition.message


def test_tunnels_and_nat_are_refused_honestly() -> None:
    pool = IPPool(cidr=ip_network("10.65.0.0/16"), ipip_mode="Always", vxlan_mode="CrossSubnet", nat_outgoing=True)
    snapshot = Snapshot().after(Listed(IPPool, {"p": Resource(Metadata("p"), pool)}))
    assert names(snapshot) == ["EncapsulationNotDone", "EncapsulationNotDone", "NatOutgoingNotDone"]


def test_what_felix_configuration_asks_in_vain_is_named() -> None:
    config = FelixConfiguration(
        device_route_source_address=ip_address("10.0.0.1"), floating_ips="Enabled", route_sync_disabled=True
    )
    assert names(Snapshot(), config) == ["RouteSourceNotDone", "FloatingIPsNotDone", "RouteSyncDisabled"]


def test_a_nodes_own_configuration_goes_over_the_default_one() -> None:
    stored = {
        "default": Resource(Metadata("default"), FelixConfiguration(interface_prefix="cali,tap", ipv6_support=False)),
        "node.n1": Resource(Metadata("node.n1"), FelixConfiguration(interface_prefix="pod")),
        "node.n2": Resource(Metadata("node.n2"), FelixConfiguration(interface_prefix="x")),
    }
    assert felix_configuration(stored, "n1") == FelixConfiguration(interface_prefix="pod", ipv6_support=False)
    assert felix_configuration(stored, "n3") == stored["default"].spec
    assert felix_configuration({}, "n1") == FelixConfiguration()
