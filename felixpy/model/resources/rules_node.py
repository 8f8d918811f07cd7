"""Calico's rules for Node, WorkloadEndpoint, CalicoNodeStatus and FelixConfiguration. Pure.

Sources: libcalico-go/lib/apis/internalapi, validator/v3, felix/config/config_params.go.
"""

import re
from collections.abc import Collection, Iterator
from ipaddress import ip_interface

from felixpy.model.addresses import family
from felixpy.model.resources.felix import FelixConfiguration
from felixpy.model.resources.formats import MAC, PREFIXES
from felixpy.model.resources.node import CalicoNodeStatus, Node, NodeBGP, WorkloadEndpoint
from felixpy.model.resources.problem import Problem, outside

ADDRESS_TYPES = ("", "CalicoNodeIP", "InternalIP", "ExternalIP")
CLASSES = ("Agent", "BGP", "Routes")
PRIORITY = (1, 2147483646)


def node(spec: Node, _name: str, _given: Collection[str]) -> Iterator[Problem]:
    """What is wrong with a Node."""
    if spec.bgp is not None:
        yield from _bgp(spec.bgp)
    for i, address in enumerate(spec.addresses):
        yield from _interface(f"addresses[{i}].address", address.address, None)
        if address.type not in ADDRESS_TYPES:
            yield Problem(f"addresses[{i}].type", f"must be one of {', '.join(ADDRESS_TYPES[1:])}")
    for i, interface in enumerate(spec.interfaces):
        for j, text in enumerate(interface.addresses):
            yield from _interface(f"interfaces[{i}].addresses[{j}]", text, None)
    guard = spec.wireguard
    for field, value, wanted in (
        ("wireguard.interfaceIPv4Address", guard.interface_ipv4_address if guard else None, 4),
        ("wireguard.interfaceIPv6Address", guard.interface_ipv6_address if guard else None, 6),
        ("ipv4VXLANTunnelAddr", spec.ipv4_vxlan_tunnel_addr, 4),
        ("ipv6VXLANTunnelAddr", spec.ipv6_vxlan_tunnel_addr, 6),
    ):
        if value is not None and family(value) != wanted:
            yield Problem(field, f"{value} is not an IPv{wanted} address")
    yield from _mac("vxlanTunnelMACAddr", spec.vxlan_tunnel_mac_addr)
    yield from _mac("vxlanTunnelMACAddrV6", spec.vxlan_tunnel_mac_addr_v6)


def _bgp(bgp: NodeBGP) -> Iterator[Problem]:
    if bgp == NodeBGP():
        yield Problem("bgp", "is empty: give an address, or leave bgp out")
    yield from _interface("bgp.ipv4Address", bgp.ipv4_address, 4)
    yield from _interface("bgp.ipv6Address", bgp.ipv6_address, 6)
    yield from _interface("bgp.ipv4IPIPTunnelAddr", bgp.ipv4_ipip_tunnel_addr, 4)
    cluster = bgp.route_reflector_cluster_id
    if cluster is not None and family(cluster) != 4:
        yield Problem("bgp.routeReflectorClusterID", f"{cluster} must look like an IPv4 address, as 244.0.0.1")


def _interface(field: str, text: str, wanted: int | None) -> Iterator[Problem]:
    if not text:
        return
    try:
        address = ip_interface(text)
    except ValueError:
        yield Problem(field, f"{text[:64]!r} is not an address with the length of its subnet, as 10.0.0.1/24")
        return
    length = text.partition("/")[2]
    if length and not (length.isascii() and length.isdecimal()):
        yield Problem(field, f"{text[:64]!r}: write the length of the subnet in bits, as 10.0.0.1/24")
    if wanted is not None and address.version != wanted:
        yield Problem(field, f"{text[:64]} is not an IPv{wanted} address")


def _mac(field: str, text: str) -> Iterator[Problem]:
    if text and not MAC.fullmatch(text):
        yield Problem(field, f"{text[:64]!r} is not a MAC address, as ee:ee:ee:ee:ee:ee")


def endpoint(spec: WorkloadEndpoint, _name: str, _given: Collection[str]) -> Iterator[Problem]:
    """What is wrong with a WorkloadEndpoint."""
    if not spec.node:
        yield Problem("node", "is required")
    for i, network in enumerate(spec.ip_networks):
        if network.prefixlen != network.max_prefixlen:
            yield Problem(f"ipNetworks[{i}]", f"{network} is not one address: /{network.max_prefixlen} only")
    for field, address, wanted in (("ipv4Gateway", spec.ipv4_gateway, 4), ("ipv6Gateway", spec.ipv6_gateway, 6)):
        if address is not None and family(address) != wanted:
            yield Problem(field, f"{address} is not an IPv{wanted} address")
    yield from _mac("mac", spec.mac)
    if spec.interface_name and (len(spec.interface_name) > 15 or "/" in spec.interface_name):
        yield Problem("interfaceName", f"{spec.interface_name[:64]!r} is no device name: at most 15 characters")
    for i, nat in enumerate(spec.ip_nats):
        if family(nat.internal_ip) != family(nat.external_ip):
            yield Problem(f"ipNATs[{i}].externalIP", "is not of the family of internalIP")


def status(spec: CalicoNodeStatus, _name: str, _given: Collection[str]) -> Iterator[Problem]:
    """What is wrong with a CalicoNodeStatus."""
    if not spec.node:
        yield Problem("node", "is required")
    if not spec.classes:
        yield Problem("classes", f"is required: any of {', '.join(CLASSES)}")
    for i, value in enumerate(spec.classes):
        if value not in CLASSES:
            yield Problem(f"classes[{i}]", f"must be one of {', '.join(CLASSES)}, not {value[:64]!r}")
        if value in spec.classes[:i]:
            yield Problem(f"classes[{i}]", f"{value} is there twice")
    if spec.update_period_seconds is not None:
        yield from outside("updatePeriodSeconds", spec.update_period_seconds, 0, 86400, "s")


def felix(spec: FelixConfiguration, _name: str, _given: Collection[str]) -> Iterator[Problem]:
    """What is wrong with a FelixConfiguration."""
    if not PREFIXES.fullmatch(spec.interface_prefix):
        yield Problem("interfacePrefix", "must be prefixes of at most 15 letters, digits and _ . -, with commas")
    if spec.device_route_protocol is not None:
        yield from outside("deviceRouteProtocol", spec.device_route_protocol, 0, 255)
    for field, address, wanted in (
        ("deviceRouteSourceAddress", spec.device_route_source_address, 4),
        ("deviceRouteSourceAddressIPv6", spec.device_route_source_address_ipv6, 6),
    ):
        if address is not None and family(address) != wanted:
            yield Problem(field, f"{address} is not an IPv{wanted} address")
    yield from _durations(spec)
    for field, priority in (
        ("ipv4NormalRoutePriority", spec.ipv4_normal_route_priority),
        ("ipv4ElevatedRoutePriority", spec.ipv4_elevated_route_priority),
        ("ipv6NormalRoutePriority", spec.ipv6_normal_route_priority),
        ("ipv6ElevatedRoutePriority", spec.ipv6_elevated_route_priority),
    ):
        yield from outside(field, priority, *PRIORITY)
    yield from outside("healthPort", spec.health_port, 1, 65535)
    yield from outside("prometheusMetricsPort", spec.prometheus_metrics_port, 1, 65535)
    try:
        re.compile(spec.mtu_iface_pattern)
    except re.error as error:
        yield Problem("mtuIfacePattern", f"is not a regular expression: {error}")
    yield from _tables(spec)


def _durations(spec: FelixConfiguration) -> Iterator[Problem]:
    for field, seconds in (
        ("routeRefreshInterval", spec.route_refresh_interval),
        ("interfaceRefreshInterval", spec.interface_refresh_interval),
        ("netlinkTimeout", spec.netlink_timeout),
        ("liveMigrationRouteConvergenceTime", spec.live_migration_route_convergence_time),
        ("localSubnetL2ReachabilityRefreshInterval", spec.local_subnet_l2_reachability_refresh_interval),
        ("endpointReportingDelay", spec.endpoint_reporting_delay),
        ("reportingInterval", spec.reporting_interval),
        ("reportingTTL", spec.reporting_ttl),
    ):
        if seconds < 0:
            yield Problem(field, "is negative")


def _tables(spec: FelixConfiguration) -> Iterator[Problem]:
    ranges = {f"routeTableRanges[{i}]": value for i, value in enumerate(spec.route_table_ranges)}
    if spec.route_table_range is not None:
        ranges["routeTableRange"] = spec.route_table_range
    for field, value in ranges.items():
        if not 1 <= value.min <= value.max <= 0xFFFFFFFF:
            yield Problem(field, "min and max must be 1..4294967295, the lower one first")
