"""Which routes this node's kernel should hold for its own pods. Pure."""

from collections.abc import Iterable

from felixpy.desired.endpoints import LocalEndpoint
from felixpy.model.addresses import Address, family, host_prefix
from felixpy.model.routes import LOCAL_METRIC_IPV6, Origin, Route, RouteKey, RouteKind


def desired_routes(endpoints: Iterable[LocalEndpoint]) -> dict[RouteKey, Route]:
    """One /32 or /128 for each address of each endpoint, straight onto its interface."""
    routes: dict[RouteKey, Route] = {}
    for endpoint in endpoints:
        origin = Origin("pod", endpoint.pod, since=endpoint.since)
        for address in endpoint.addresses:
            key = local_key(address)
            routes[key] = Route(key, RouteKind.LOCAL, device=endpoint.device, origin=origin)
    return routes


def local_key(address: Address) -> RouteKey:
    """The key of a pod's route: metric 0, or 512 for IPv6, whose 0 the kernel turns into 1024, birdpy's own."""
    return RouteKey(host_prefix(address), metric=0 if family(address) == 4 else LOCAL_METRIC_IPV6)
