"""Everything that this node's kernel should hold for its pods, from one snapshot. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from felixpy.desired.endpoints import Endpoints, LocalEndpoint, NodeEndpoints, Unserved, claimed, resolved
from felixpy.desired.links import desired_macs
from felixpy.desired.neighbours import desired_neighbours
from felixpy.desired.routes import desired_routes
from felixpy.desired.sysctls import desired_sysctls, node_sysctls
from felixpy.model.neighbours import Neighbour, NeighbourKey
from felixpy.model.resources import FelixConfiguration, Resource
from felixpy.model.routes import Device, Route, RouteKey
from felixpy.model.sysctls import Sysctl, SysctlKey


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What of this node matters besides its endpoints."""

    node: str
    config: FelixConfiguration = FelixConfiguration()
    kernel_has_ipv6: bool = True
    advertised: frozenset[Device] = frozenset()  # interfaces with a default route from a router advertisement
    guarded: frozenset[Device] = frozenset()  # those of them whose accept_ra is 2

    @property
    def ipv6(self) -> bool:
        """Whether IPv6 is ours to do."""
        return self.kernel_has_ipv6 and self.config.ipv6_support

    @property
    def prefixes(self) -> tuple[str, ...]:
        """How the names of pods' interfaces begin."""
        return tuple(filter(None, (part.strip() for part in self.config.interface_prefix.split(",")))) or ("cali",)


@dataclass(frozen=True, slots=True)
class Rows:
    """What should be in each table."""

    routes: Mapping[RouteKey, Route] = field(default_factory=dict)
    neighbours: Mapping[NeighbourKey, Neighbour] = field(default_factory=dict)
    macs: Mapping[Device, str] = field(default_factory=dict)
    sysctls: Mapping[SysctlKey, Sysctl] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class State:
    """What should be. Every row belongs to the node or to one endpoint: no two hold an interface or an address."""

    endpoints: NodeEndpoints = NodeEndpoints()
    of_node: Mapping[SysctlKey, Sysctl] = field(default_factory=dict)
    ipv6: bool = True
    routed: bool = True  # False: routes, neighbours and MACs are not ours to do (routeSyncDisabled)

    def rows_of(self, endpoints: Iterable[LocalEndpoint]) -> Rows:
        """The rows that these endpoints need."""
        several = tuple(endpoints)
        sysctls = desired_sysctls(several, ipv6=self.ipv6)
        if not self.routed:
            return Rows(sysctls=sysctls)
        return Rows(desired_routes(several), desired_neighbours(several), desired_macs(several), sysctls)

    @property
    def rows(self) -> Rows:
        """All rows."""
        rows = self.rows_of(self.endpoints.served)
        return replace(rows, sysctls={**self.of_node, **rows.sysctls})


def desired_state(stored: Endpoints, here: Circumstances) -> State:
    """The state for the endpoints of `here.node` among `stored`."""
    return state_of((claimed(it, here.prefixes) for it in stored.values() if it.spec.node == here.node), here)


def state_of(claims: Iterable[LocalEndpoint | Unserved], here: Circumstances) -> State:
    """The state for what the endpoints of this node ask for (desired/endpoints: claimed)."""
    endpoints = resolved(claims)
    if here.config.workload_source_spoofing != "Any":
        endpoints = _without_spoofing(endpoints)
    forwards = here.config.ip_forwarding == "Enabled"
    of_node = node_sysctls(
        ipv4=forwards, ipv6=forwards and here.ipv6, advertised=here.advertised, guarded=here.guarded
    )
    return State(endpoints, of_node, here.ipv6, not here.config.route_sync_disabled)


def felix_configuration(stored: Mapping[str, Resource[FelixConfiguration]], node: str) -> FelixConfiguration:
    """The `default` FelixConfiguration with what `node.<name>` sets over it; ours when there is none.

    A field that `node.<name>` sets to the default cannot be told from one that it leaves out.
    """
    base = stored["default"].spec if "default" in stored else FelixConfiguration()
    own = stored.get(f"node.{node}")
    if own is None:
        return base
    unset = FelixConfiguration()
    names = FelixConfiguration.__struct_fields__
    changed = {name: getattr(own.spec, name) for name in names if getattr(own.spec, name) != getattr(unset, name)}
    return FelixConfiguration(**{name: getattr(base, name) for name in names} | changed)


def _without_spoofing(endpoints: NodeEndpoints) -> NodeEndpoints:
    refusal = "allowSpoofedSourcePrefixes is not honoured: set workloadSourceSpoofing: Any in FelixConfiguration"
    asked = tuple(Unserved(it.name, it.pod, refusal) for it in endpoints.served if it.spoofs)
    if not asked:
        return endpoints
    served = tuple(replace(it, spoofs=False) if it.spoofs else it for it in endpoints.served)
    return NodeEndpoints(served, endpoints.unserved + asked)
