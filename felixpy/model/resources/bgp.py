"""BGPConfiguration, BGPPeer, BGPFilter (projectcalico.org/v3). Pure."""

from msgspec import field

from felixpy.model.addresses import Address, Asn, Prefix
from felixpy.model.resources.base import Duration, Wire


class SecretKeyRef(Wire, frozen=True):
    """Which key of which Secret; the namespace is the daemons' own, else kube-system."""

    name: str
    key: str


class Password(Wire, frozen=True):
    """Where an MD5 password is kept (RFC 2385)."""

    secret_key_ref: SecretKeyRef | None = None


class ServiceCidr(Wire, frozen=True):
    """One range of service addresses to announce; an empty entry is tolerated, as in Calico."""

    cidr: Prefix | None = None


class Community(Wire, frozen=True):
    """A name for a community value: `aa:nn` or, large (RFC 8092), `aa:nn:mm`."""

    name: str = ""
    value: str = ""


class PrefixAdvertisement(Wire, frozen=True):
    """Communities for every announced route inside `cidr`; each a value or a name declared in `communities`."""

    cidr: Prefix
    communities: tuple[str, ...] = ()


class BGPConfiguration(Wire, frozen=True):
    """`default` is cluster-wide; `node.<name>` overrides a few fields for one node."""

    log_severity_screen: str = "Info"
    node_to_node_mesh_enabled: bool = True
    as_number: Asn = Asn(64512)
    service_cluster_ips: tuple[ServiceCidr, ...] = field(name="serviceClusterIPs", default=())
    service_external_ips: tuple[ServiceCidr, ...] = field(name="serviceExternalIPs", default=())
    service_load_balancer_ips: tuple[ServiceCidr, ...] = field(name="serviceLoadBalancerIPs", default=())
    service_load_balancer_aggregation: str = "Enabled"  # Enabled | Disabled
    communities: tuple[Community, ...] = ()
    prefix_advertisements: tuple[PrefixAdvertisement, ...] = ()
    listen_port: int | None = None  # 1..65535; unset means 179
    node_mesh_password: Password | None = None
    node_mesh_max_restart_time: Duration | None = None  # unset means 120 s
    bind_mode: str = "None"  # None | NodeIP
    ignored_interfaces: tuple[str, ...] = ()
    local_workload_peering_ipv4: Address | None = field(name="localWorkloadPeeringIPV4", default=None)
    local_workload_peering_ipv6: Address | None = field(name="localWorkloadPeeringIPV6", default=None)
    program_cluster_routes: str = "EnabledNoEncapOnly"
    ipv4_normal_route_priority: int = 1024
    ipv6_normal_route_priority: int = 1024


class BGPPeer(Wire, frozen=True):
    """Whom to peer with, from which nodes."""

    node: str = ""
    node_selector: str = ""
    peer_ip: str = field(name="peerIP", default="")  # `addr`, `addr:port` or `[v6]:port`
    as_number: Asn | None = None
    local_as_number: Asn | None = field(name="localASNumber", default=None)
    peer_selector: str = ""
    keep_original_next_hop: bool = False
    next_hop_mode: str = ""  # "" | Auto | Self | Keep
    password: Password | None = None
    source_address: str = "UseNodeIP"  # UseNodeIP | None
    max_restart_time: Duration | None = None
    keepalive_time: Duration | None = None
    num_allowed_local_as_numbers: int = field(name="numAllowedLocalASNumbers", default=0)
    ttl_security: int | None = None
    reachable_by: Address | None = None
    filters: tuple[str, ...] = ()
    local_workload_selector: str = ""
    reverse_peering: str = "Auto"  # Auto | Manual


class PrefixLength(Wire, frozen=True):
    """A range of prefix lengths, both ends included."""

    min: int | None = None
    max: int | None = None


class Communities(Wire, frozen=True):
    """Exactly one value, `aa:nn` or `aa:nn:mm`."""

    values: tuple[str, ...] = ()


class AddCommunity(Wire, frozen=True):
    """`aa:nn` or `aa:nn:mm` to add."""

    value: str


class PrependASPath(Wire, frozen=True):
    """AS numbers to put before the path, first one first."""

    prefix: tuple[Asn, ...]


class SetPriority(Wire, frozen=True):
    """LOCAL_PREF becomes 2147483647 - value."""

    value: int


class Operation(Wire, frozen=True):
    """One change to an accepted route; exactly one of the three is set."""

    add_community: AddCommunity | None = None
    prepend_as_path: PrependASPath | None = field(name="prependASPath", default=None)
    set_priority: SetPriority | None = None


class BGPFilterRule(Wire, frozen=True):
    """Conditions are ANDed; none matches everything; the action is final."""

    action: str  # Accept | Reject
    cidr: Prefix | None = None
    match_operator: str = ""  # Equal | NotEqual | In | NotIn
    prefix_length: PrefixLength | None = None
    source: str = ""  # "" | RemotePeers
    interface: str = ""  # glob
    peer_type: str = ""  # "" | eBGP | iBGP
    communities: Communities | None = None
    as_path_prefix: tuple[Asn, ...] = field(name="asPathPrefix", default=())
    priority: int | None = None
    operations: tuple[Operation, ...] = ()


class BGPFilter(Wire, frozen=True):
    """Ordered rules per direction and family."""

    export_v4: tuple[BGPFilterRule, ...] = ()
    import_v4: tuple[BGPFilterRule, ...] = ()
    export_v6: tuple[BGPFilterRule, ...] = ()
    import_v6: tuple[BGPFilterRule, ...] = ()
