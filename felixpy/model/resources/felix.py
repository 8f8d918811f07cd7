"""FelixConfiguration: the part about routes and endpoints (calico.md 1.13). Pure."""

from msgspec import field

from felixpy.model.addresses import Address
from felixpy.model.resources.base import Duration, Wire


class FelixConfiguration(Wire, frozen=True):
    """`default` for the cluster, `node.<name>` for one node. Defaults are ours where design decides otherwise."""

    interface_prefix: str = "cali"
    device_route_protocol: int | None = None  # unset means the daemon's own setting, 80
    device_route_source_address: Address | None = None
    device_route_source_address_ipv6: Address | None = field(name="deviceRouteSourceAddressIPv6", default=None)
    remove_external_routes: bool = True
    route_sync_disabled: bool = False
    route_refresh_interval: Duration = Duration(90)
    interface_refresh_interval: Duration = Duration(90)
    ip_forwarding: str = field(name="ipForwarding", default="Enabled")
    ipv6_support: bool = field(name="ipv6Support", default=True)
    floating_ips: str = field(name="floatingIPs", default="Disabled")
    program_cluster_routes: str = "EnabledIPIPOnly"
    ipv4_normal_route_priority: int = 1024
    ipv4_elevated_route_priority: int = 512
    ipv6_normal_route_priority: int = 1024
    ipv6_elevated_route_priority: int = 512
    workload_source_spoofing: str = "Disabled"
    mtu_iface_pattern: str = ""
