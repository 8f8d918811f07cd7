"""Everything that this node's kernel should hold for its pods, from one snapshot. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from felixpy.desired.endpoints import Endpoints, NodeEndpoints, Unserved, local_endpoints
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
class State:
    """What should be, by table."""

    endpoints: NodeEndpoints = NodeEndpoints()
    routes: Mapping[RouteKey, Route] = field(default_factory=dict)
    neighbours: Mapping[NeighbourKey, Neighbour] = field(default_factory=dict)
    macs: Mapping[Device, str] = field(default_factory=dict)
    sysctls: Mapping[SysctlKey, Sysctl] = field(default_factory=dict)


def desired_state(stored: Endpoints, here: Circumstances) -> State:
    """The state for the endpoints of `here.node` among `stored`."""
    endpoints = local_endpoints(stored, here.node, here.prefixes)
    if here.config.workload_source_spoofing != "Any":
        endpoints = _without_spoofing(endpoints)
    forwards = here.config.ip_forwarding == "Enabled"
    of_node = node_sysctls(
        ipv4=forwards, ipv6=forwards and here.ipv6, advertised=here.advertised, guarded=here.guarded
    )
    of_pods = desired_sysctls(endpoints.served, ipv6=here.ipv6)
    if here.config.route_sync_disabled:  # Calico: never touch routes or link addresses
        return State(endpoints, sysctls={**of_node, **of_pods})
    return State(
        endpoints,
        desired_routes(endpoints.served),
        desired_neighbours(endpoints.served),
        desired_macs(endpoints.served),
        {**of_node, **of_pods},
    )


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
    served = tuple(replace(it, spoofs=False) for it in endpoints.served)
    return NodeEndpoints(served, endpoints.unserved + asked)
