"""What this node should say about its resources: fields that are accepted and not done. Pure."""

from collections.abc import Iterator

from felixpy.model.resources import FelixConfiguration, IPPool, Node, Resource
from felixpy.model.snapshot import Snapshot
from felixpy.model.status import Condition


def conditions(snapshot: Snapshot, node: str, config: FelixConfiguration) -> tuple[Condition, ...]:
    """Honest refusals (silence would look like success), in the order of the resources' names."""
    return (*_about_node(snapshot, node), *_about_pools(snapshot), *_about_config(config))


def _about_node(snapshot: Snapshot, node: str) -> Iterator[Condition]:
    if snapshot.in_sync([Node]) and node not in snapshot.of(Node):
        known = ", ".join(sorted(snapshot.of(Node))) or "none"
        message = f"no Node resource is named {node} (known: {known}): birdpy cannot peer for it"
        yield Condition(name="NodeMissing", message=message)
    own = addresses_of(snapshot.of(Node).get(node))
    for name, other in sorted(snapshot.of(Node).items()):
        for address in own & addresses_of(other) if name != node else ():
            message = f"{address} is also the address of node {name}: give each node its own (spec.bgp of the Nodes)"
            yield Condition(name="AddressConflict", message=message)


def addresses_of(node: Resource[Node] | None) -> set[str]:
    """The addresses in spec.bgp, without the length of their subnets."""
    if node is None or node.spec.bgp is None:
        return set()
    return {text.partition("/")[0] for text in (node.spec.bgp.ipv4_address, node.spec.bgp.ipv6_address) if text}


def _about_pools(snapshot: Snapshot) -> Iterator[Condition]:
    for name, pool in sorted(snapshot.of(IPPool).items()):
        spec = pool.spec
        for field, mode in (("ipipMode", spec.ipip_mode), ("vxlanMode", spec.vxlan_mode)):
            if mode != "Never":
                text = (
                    f"IPPool {name}: {field} is {mode}; tunnels are not done, the pool is not served: set it to Never"
                )
                yield Condition(name="EncapsulationNotDone", message=text)
        if spec.nat_outgoing:
            text = f"IPPool {name}: natOutgoing is not done: pod addresses leave the node as they are"
            yield Condition(name="NatOutgoingNotDone", message=text)


def _about_config(config: FelixConfiguration) -> Iterator[Condition]:
    if config.device_route_source_address or config.device_route_source_address_ipv6:
        text = "FelixConfiguration: deviceRouteSourceAddress is not done: pod routes carry no source address"
        yield Condition(name="RouteSourceNotDone", message=text)
    if config.floating_ips != "Disabled":
        text = "FelixConfiguration: floatingIPs is not done: it needs NAT"
        yield Condition(name="FloatingIPsNotDone", message=text)
    if config.route_sync_disabled:
        text = "FelixConfiguration: routeSyncDisabled is true: no route, neighbour or MAC is written"
        yield Condition(name="RouteSyncDisabled", message=text)
