"""The nodes of the cluster as BGP speakers: address, AS, port, and which BGPConfiguration holds for each. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv6Interface

from felixpy.model.addresses import Address, Asn, Family, Prefix
from felixpy.model.errors import InvalidResource
from felixpy.model.resources import BGPConfiguration, Node, Resource
from felixpy.model.snapshot import Snapshot

BGP_PORT = 179
DEFAULTS = BGPConfiguration()


@dataclass(frozen=True, slots=True)
class ClusterNode:
    """One node as a BGP speaker."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    addresses: Mapping[Family, Address] = field(default_factory=dict)
    networks: Mapping[Family, Prefix] = field(default_factory=dict)  # the subnet each address is in
    own_as: Asn | None = None  # what its Node resource says
    port: int | None = None  # `node.<name>` listenPort, else the global one
    cluster_id: Address | None = None  # a route reflector, when set


@dataclass(frozen=True, slots=True)
class Cluster:
    """All nodes, and the configuration that holds for the whole cluster."""

    nodes: Mapping[str, ClusterNode]
    configuration: BGPConfiguration
    owners: Mapping[Address, str]  # two nodes with one address: the first by name has it
    problems: tuple[InvalidResource, ...] = ()

    def asn(self, node: ClusterNode) -> Asn:
        """The node's own AS, else the cluster's."""
        return node.own_as or self.configuration.as_number

    def owner(self, address: Address) -> ClusterNode | None:
        """The node that has `address`."""
        name = self.owners.get(address)
        return self.nodes[name] if name is not None else None


def cluster(snapshot: Snapshot) -> Cluster:
    """Every Node of the snapshot, read for BGP; what cannot be read is named and left out."""
    problems: list[InvalidResource] = []
    nodes: dict[str, ClusterNode] = {}
    owners: dict[Address, str] = {}
    configurations = snapshot.of(BGPConfiguration)
    for name, resource in sorted(snapshot.of(Node).items()):
        nodes[name] = node = _node(resource, configurations, problems)
        for address in node.addresses.values():
            first = owners.setdefault(address, name)
            if first != name:
                reason = f"{address} is the address of node {first} too; give each node its own"
                problems.append(InvalidResource(f"Node {name}", "spec.bgp", reason))
    return Cluster(nodes, _default(configurations), owners, tuple(problems))


def cluster_configuration(snapshot: Snapshot) -> BGPConfiguration:
    """What holds for the whole cluster."""
    return _default(snapshot.of(BGPConfiguration))


def _default(configurations: Mapping[str, Resource[BGPConfiguration]]) -> BGPConfiguration:
    found = configurations.get("default")
    return found.spec if found else DEFAULTS


def _node(
    resource: Resource[Node],
    configurations: Mapping[str, Resource[BGPConfiguration]],
    problems: list[InvalidResource],
) -> ClusterNode:
    name, bgp = resource.name, resource.spec.bgp
    own = configurations.get(f"node.{name}")
    port = (own.spec.listen_port if own else None) or _default(configurations).listen_port
    if bgp is None:
        return ClusterNode(name, resource.meta.labels, port=port)
    addresses: dict[Family, Address] = {}
    networks: dict[Family, Prefix] = {}
    written: tuple[tuple[Family, str, str], ...] = (
        (4, "ipv4Address", bgp.ipv4_address),
        (6, "ipv6Address", bgp.ipv6_address),
    )
    for kind, field_name, text in written:
        if not text:
            continue
        try:
            found = IPv4Interface(text) if kind == 4 else IPv6Interface(text)
        except ValueError as error:
            problems.append(InvalidResource(f"Node {name}", f"spec.bgp.{field_name}", str(error)))
            continue
        addresses[kind], networks[kind] = found.ip, found.network
    return ClusterNode(
        name, resource.meta.labels, addresses, networks, bgp.as_number, port, bgp.route_reflector_cluster_id
    )
