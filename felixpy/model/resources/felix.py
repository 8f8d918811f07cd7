"""FelixConfiguration: the part about routes and endpoints. Pure.

The other hundred fields of Calico's Felix (policy, eBPF, tunnels) are kept and not read: see `foreign.py`.
"""

from msgspec import field

from felixpy.model.addresses import Address
from felixpy.model.resources.base import Duration, Wire


class TableRange(Wire, frozen=True):
    """Numbers of kernel route tables, both ends included."""

    min: int
    max: int


class FelixConfiguration(Wire, frozen=True):
    """`default` for the cluster, `node.<name>` for one node. Defaults are ours where they differ from Calico's."""

    interface_prefix: str = "cali"
    interface_exclude: str = "kube-ipvs0"
    device_route_protocol: int | None = None  # unset means the daemon's own setting, 80
    device_route_source_address: Address | None = None
    device_route_source_address_ipv6: Address | None = field(name="deviceRouteSourceAddressIPv6", default=None)
    remove_external_routes: bool = True
    route_sync_disabled: bool = False
    route_refresh_interval: Duration = Duration(90)  # 0 is off
    interface_refresh_interval: Duration = Duration(90)  # 0 is off
    netlink_timeout: Duration = Duration(10)
    ip_forwarding: str = field(name="ipForwarding", default="Enabled")  # Enabled | Disabled
    ipv6_support: bool = field(name="ipv6Support", default=True)
    floating_ips: str = field(name="floatingIPs", default="Disabled")  # Enabled | Disabled
    program_cluster_routes: str = "EnabledIPIPOnly"
    ipv4_normal_route_priority: int = 1024
    ipv4_elevated_route_priority: int = 512
    ipv6_normal_route_priority: int = 1024
    ipv6_elevated_route_priority: int = 512
    live_migration_route_convergence_time: Duration = Duration(30)
    local_subnet_l2_reachability: str = field(name="localSubnetL2Reachability", default="Disabled")
    local_subnet_l2_reachability_refresh_interval: Duration = field(
        name="localSubnetL2ReachabilityRefreshInterval", default=Duration(120)
    )
    workload_source_spoofing: str = "Disabled"  # Disabled | Any
    endpoint_status_path_prefix: str = "/var/run/calico"
    endpoint_reporting_enabled: bool = False
    endpoint_reporting_delay: Duration = Duration(1)
    reporting_interval: Duration = Duration(30)
    reporting_ttl: Duration = field(name="reportingTTL", default=Duration(90))
    health_enabled: bool = False
    health_host: str = "localhost"
    health_port: int = 9099
    prometheus_metrics_enabled: bool = False
    prometheus_metrics_host: str = ""
    prometheus_metrics_port: int = 9091
    mtu_iface_pattern: str = "^((en|wl|ww|sl|ib)[Pcopsvx].*|(eth|wlan|wwan).*)"
    require_mtu_file: bool = field(name="requireMTUFile", default=False)
    route_source: str = "CalicoIPAM"  # CalicoIPAM | WorkloadIPs
    route_table_ranges: tuple[TableRange, ...] = ()
    route_table_range: TableRange | None = None
    service_loop_prevention: str = "Drop"  # Drop | Reject | Disabled
    use_internal_dataplane_driver: bool = True
