"""Services and their endpoints -> the service routes that this node announces (Calico: confd routes.go). Pure.

Announced only, never installed (see desired/fib).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from birdpy.rib.prefixes import PrefixMap
from felixpy.model.addresses import Address, Prefix, host_prefix, parse_address
from felixpy.model.resources import BGPConfiguration, EndpointSlice, Node, Resource, Service, ServiceCidr
from felixpy.model.resources.core import Endpoint
from felixpy.model.snapshot import Snapshot

EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
SERVICE_NAME = "kubernetes.io/service-name"
TYPES = ("ClusterIP", "NodePort", "LoadBalancer")


@dataclass(frozen=True, slots=True)
class Ranges:
    """The service ranges of the cluster."""

    cluster: tuple[Prefix, ...] = ()
    external: tuple[Prefix, ...] = ()
    balancer: tuple[Prefix, ...] = ()
    aggregated: bool = True  # serviceLoadBalancerAggregation

    @property
    def all(self) -> tuple[Prefix, ...]:
        """Every range, single addresses too: none of them belongs into the kernel."""
        return (*self.cluster, *self.external, *self.balancer)

    @property
    def announced(self) -> tuple[Prefix, ...]:
        """Those that are announced as a whole; of the others only single addresses that a service has."""
        balancer = self.balancer if self.aggregated else ()
        return (*self.cluster, *(cidr for cidr in (*self.external, *balancer) if not _single(cidr)))


@dataclass(frozen=True, slots=True)
class Cluster:
    """What deciding about one service needs."""

    node: str
    ranges: Ranges
    slices: Mapping[str, list[EndpointSlice]] = field(default_factory=dict)  # by `namespace/service`


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a service's addresses are announced one by one, and why."""

    announced: bool
    reason: str


def ranges(snapshot: Snapshot) -> Ranges:
    """The ranges that BGPConfiguration lists."""
    found = snapshot.of(BGPConfiguration).get("default")
    spec = found.spec if found else BGPConfiguration()
    return Ranges(
        _cidrs(spec.service_cluster_ips),
        _cidrs(spec.service_external_ips),
        _cidrs(spec.service_load_balancer_ips),
        spec.service_load_balancer_aggregation != "Disabled",
    )


def service_routes(snapshot: Snapshot, node: str) -> frozenset[Prefix]:
    """What `node` announces for services: the ranges, and single addresses where a range does not stand for them."""
    known = ranges(snapshot)
    if is_excluded(snapshot, node) or not known.all:
        return frozenset()
    cluster = cluster_of(snapshot, node)
    found = set(known.announced)
    for name, service in snapshot.of(Service).items():
        if verdict(name, service, cluster).announced:
            found |= {host_prefix(address) for address in addresses(service.spec, known)}
    return frozenset(found)


def is_excluded(snapshot: Snapshot, node: str) -> bool:
    """Whether `node` is to announce no service address at all."""
    here = snapshot.of(Node).get(node)
    return here is not None and here.meta.labels.get(EXCLUDED) == "true"


def cluster_of(snapshot: Snapshot, node: str) -> Cluster:
    """What deciding about services needs of `snapshot`."""
    return Cluster(node, ranges(snapshot), _slices(snapshot))


def never_installed(snapshot: Snapshot, announced: Iterable[Prefix]) -> PrefixMap[str]:
    """What must not get into the kernel: every service range, and what is announced for services."""
    kept_out: PrefixMap[str] = PrefixMap()
    for prefix in (*ranges(snapshot).all, *announced):
        kept_out[prefix] = str(prefix)
    return kept_out


def _cidrs(entries: Iterable[ServiceCidr]) -> tuple[Prefix, ...]:
    return tuple(entry.cidr for entry in entries if entry.cidr is not None)


def _single(cidr: Prefix) -> bool:
    return cidr.prefixlen == cidr.max_prefixlen


def _slices(snapshot: Snapshot) -> dict[str, list[EndpointSlice]]:
    """All slices of each service together, so that one that goes away is missed (Calico forgets to withdraw)."""
    found: dict[str, list[EndpointSlice]] = {}
    for one in snapshot.of(EndpointSlice).values():
        service = one.meta.labels.get(SERVICE_NAME)
        if service:
            found.setdefault(f"{one.meta.namespace}/{service}", []).append(one.spec)
    return found


def verdict(name: str, service: Resource[Service], cluster: Cluster) -> Verdict:
    """Whether this node announces the addresses of one service by themselves, and why."""
    spec, known = service.spec, cluster.ranges
    if spec.type not in TYPES:
        return Verdict(False, f"its type is {spec.type}")
    if not _cluster_ips(spec):
        return Verdict(False, "it is headless: it has no clusterIP")
    local = spec.external_traffic_policy == "Local"
    if spec.external_traffic_policy == "Cluster":
        if spec.type == "LoadBalancer" and _any_in(_balancer_ips(spec), filter(_single, known.balancer)):
            return Verdict(True, "every node announces a single address in serviceLoadBalancerIPs")
        if _any_in(_parsed(spec.external_ips), filter(_single, known.external)):
            return Verdict(True, "every node announces a single address in serviceExternalIPs")
    if not local and known.aggregated:
        return Verdict(False, "its externalTrafficPolicy is not Local: only its range is announced")
    slices = cluster.slices.get(name, [])
    if any(_serves(one, spec, cluster.node if local else "") for one in slices):
        where = (
            "on this node, externalTrafficPolicy Local" if local else "and serviceLoadBalancerAggregation Disabled"
        )
        return Verdict(True, f"it has a ready endpoint {where}")
    if not slices:
        return Verdict(False, "it has no EndpointSlice")
    ready = sorted(
        {one.node_name or "?" for each in slices if _fits(each, spec) for one in each.endpoints if _ready(one)}
    )
    if local and ready:
        return Verdict(False, f"externalTrafficPolicy Local, and its ready endpoints are on {', '.join(ready)}")
    return Verdict(False, "none of its endpoints is ready")


def _ready(endpoint: Endpoint) -> bool:
    return endpoint.conditions.ready is not False


def _fits(one: EndpointSlice, spec: Service) -> bool:
    return not spec.ip_families or one.address_type in spec.ip_families


def _serves(one: EndpointSlice, spec: Service, node: str) -> bool:
    """Whether a slice has a ready endpoint, on `node` when one is given."""
    return _fits(one, spec) and any(
        _ready(endpoint) and (not node or endpoint.node_name == node) for endpoint in one.endpoints
    )


def addresses(spec: Service, known: Ranges) -> Iterator[Address]:
    """What goes together once a service is announced."""
    if known.cluster:
        yield from _cluster_ips(spec)
    yield from (a for a in _parsed(spec.external_ips) if _any_in([a], known.external))
    ingress = _parsed(entry.ip for entry in spec.load_balancer.ingress)
    yield from (a for a in ingress if _any_in([a], known.balancer))


def service_addresses(spec: Service) -> Iterator[Address]:
    """Every address that a service has, announced or not."""
    yield from _cluster_ips(spec)
    yield from _parsed(spec.external_ips)
    yield from _balancer_ips(spec)


def _cluster_ips(spec: Service) -> list[Address]:
    return list(_parsed(spec.cluster_ips or (spec.cluster_ip,)))


def _balancer_ips(spec: Service) -> list[Address]:
    return list(_parsed((spec.load_balancer_ip, *(entry.ip for entry in spec.load_balancer.ingress))))


def _parsed(texts: Iterable[str]) -> Iterator[Address]:
    """The addresses among `texts`; "None" of a headless service, "" and garbage are none."""
    for text in texts:
        try:
            yield parse_address(text)
        except ValueError:
            continue


def _any_in(addresses: Iterable[Address], cidrs: Iterable[Prefix]) -> bool:
    wanted = list(cidrs)
    return any(address in cidr for address in addresses for cidr in wanted)
