"""Node, WorkloadEndpoint and CalicoNodeStatus. Pure."""

from typing import Any

from msgspec import field

from felixpy.model.addresses import Address, Asn, Prefix
from felixpy.model.resources.base import Wire


class NodeBGP(Wire, frozen=True):
    """How a node takes part in BGP. Addresses hold the prefix length of the node's subnet: `10.0.0.1/24`."""

    as_number: Asn | None = None
    ipv4_address: str = field(name="ipv4Address", default="")
    ipv6_address: str = field(name="ipv6Address", default="")
    ipv4_ipip_tunnel_addr: str = field(name="ipv4IPIPTunnelAddr", default="")
    route_reflector_cluster_id: Address | None = field(name="routeReflectorClusterID", default=None)


class OrchRef(Wire, frozen=True):
    """The orchestrator's own name for this node."""

    node_name: str = ""
    orchestrator: str = ""


class NodeAddress(Wire, frozen=True):
    """One further address of the node."""

    address: str
    type: str = ""  # CalicoNodeIP | InternalIP | ExternalIP


class NodeInterface(Wire, frozen=True):
    """One network interface of the node, as reported."""

    name: str = ""
    addresses: tuple[str, ...] = ()


class NodeWireguard(Wire, frozen=True):
    """Kept for Calico nodes beside us; we run no WireGuard."""

    interface_ipv4_address: Address | None = field(name="interfaceIPv4Address", default=None)
    interface_ipv6_address: Address | None = field(name="interfaceIPv6Address", default=None)


class Node(Wire, frozen=True):
    """One machine of the cluster. The tunnel fields are read and kept, never used: we have no tunnels."""

    bgp: NodeBGP | None = None
    orch_refs: tuple[OrchRef, ...] = ()
    addresses: tuple[NodeAddress, ...] = ()
    interfaces: tuple[NodeInterface, ...] = ()
    wireguard: NodeWireguard | None = None
    ipv4_vxlan_tunnel_addr: Address | None = field(name="ipv4VXLANTunnelAddr", default=None)
    ipv6_vxlan_tunnel_addr: Address | None = field(name="ipv6VXLANTunnelAddr", default=None)
    vxlan_tunnel_mac_addr: str = field(name="vxlanTunnelMACAddr", default="")
    vxlan_tunnel_mac_addr_v6: str = field(name="vxlanTunnelMACAddrV6", default="")


class IPNat(Wire, frozen=True):
    """A floating address in front of a pod's own."""

    internal_ip: Address = field(name="internalIP")
    external_ip: Address = field(name="externalIP")


class WorkloadEndpoint(Wire, frozen=True):
    """One interface of one pod. `ports` and `qos_controls` are for policy: kept, not read."""

    node: str
    orchestrator: str = "k8s"
    workload: str = ""
    pod: str = ""
    endpoint: str = "eth0"
    container_id: str = field(name="containerID", default="")
    ip_networks: tuple[Prefix, ...] = ()  # /32 and /128 only
    ipv4_gateway: Address | None = field(name="ipv4Gateway", default=None)
    ipv6_gateway: Address | None = field(name="ipv6Gateway", default=None)
    profiles: tuple[str, ...] = ()
    interface_name: str = ""
    mac: str = ""
    service_account_name: str = ""
    ip_nats: tuple[IPNat, ...] = field(name="ipNATs", default=())
    ports: tuple[dict[str, Any], ...] = ()
    qos_controls: dict[str, Any] | None = field(name="qosControls", default=None)
    allow_spoofed_source_prefixes: tuple[Prefix, ...] = ()


class CalicoNodeStatus(Wire, frozen=True):
    """Which status to fill for a node, and how often; 0 stops refreshing."""

    node: str
    classes: tuple[str, ...] = ()
    update_period_seconds: int | None = None
