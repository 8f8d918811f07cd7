"""Node, WorkloadEndpoint and CalicoNodeStatus. Pure."""

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


class Node(Wire, frozen=True):
    """One machine of the cluster (calico.md 1.10)."""

    bgp: NodeBGP | None = None
    orch_refs: tuple[OrchRef, ...] = ()
    addresses: tuple[NodeAddress, ...] = ()


class WorkloadEndpoint(Wire, frozen=True):
    """One interface of one pod (calico.md 1.11)."""

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
    allow_spoofed_source_prefixes: tuple[Prefix, ...] = ()


class CalicoNodeStatus(Wire, frozen=True):
    """Which status to fill for a node, and how often (calico.md 1.12)."""

    node: str
    classes: tuple[str, ...] = ()
    update_period_seconds: int | None = None
