"""The whole network at one moment: every node's facts, what its daemons say, and the resources. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from felixpy.insight.lookup import Fib, compiled, parsed_address
from felixpy.model.addresses import Address
from felixpy.model.facts import LinkFact, NeighbourFact, NodeFacts
from felixpy.model.resources import Node
from felixpy.model.snapshot import Snapshot
from felixpy.model.status import EndpointsStatus, EndpointStatus, HealthStatus, PeersStatus, RoutesStatus
from felixpy.model.system import SystemFacts


@dataclass(frozen=True)
class NodeView:
    """One node: what its kernel holds and what its daemons say; None where nobody answered, `why` by source."""

    name: str
    facts: NodeFacts | None = None
    endpoints: EndpointsStatus | None = None
    routes: RoutesStatus | None = None  # of both daemons, joined
    peers: PeersStatus | None = None
    health: Mapping[str, HealthStatus] = field(default_factory=dict)  # by daemon
    system: SystemFacts | None = None  # read for `doctor` only
    why: Mapping[str, str] = field(default_factory=dict)  # source -> why it is missing
    asked: tuple[float, float] | None = None  # when `system` was asked for and when it was there: Unix seconds, here

    @cached_property
    def fib(self) -> Fib | None:
        """The node's tables, compiled once."""
        return compiled(self.facts) if self.facts else None

    @cached_property
    def links(self) -> Mapping[str, LinkFact]:
        """Interfaces by name."""
        return {it.name: it for it in self.facts.links} if self.facts else {}

    @cached_property
    def neighbours(self) -> Mapping[tuple[str, str], NeighbourFact]:
        """Neighbour entries by interface and address."""
        return {(it.device, it.address): it for it in self.facts.neighbours} if self.facts else {}

    @cached_property
    def devices(self) -> Mapping[str, EndpointStatus]:
        """The pods of this node by their interface."""
        found = self.endpoints.endpoints if self.endpoints else ()
        return {it.device: it for it in found if it.device}

    def endpoint_on(self, device: str) -> EndpointStatus | None:
        """The pod behind an interface."""
        return self.devices.get(device)


@dataclass(frozen=True)
class Port:
    """An interface that holds an address."""

    node: str
    device: str


@dataclass(frozen=True)
class NetworkView:
    """Every node that could be asked, and the resources of the datastore."""

    nodes: Mapping[str, NodeView]
    snapshot: Snapshot = field(default_factory=Snapshot)

    @cached_property
    def ports(self) -> Mapping[Address, tuple[Port, ...]]:
        """Who holds which address; link-local ones occur many times."""
        found: dict[Address, list[Port]] = {}
        for node in self.nodes.values():
            for it in node.facts.addresses if node.facts else ():
                found.setdefault(parsed_address(it.address), []).append(Port(node.name, it.device))
        return {address: tuple(ports) for address, ports in found.items()}

    @cached_property
    def by_mac(self) -> Mapping[str, tuple[Port, ...]]:
        """Which interfaces have a hardware address; pods' veths share one."""
        found: dict[str, list[Port]] = {}
        for node in self.nodes.values():
            for link in node.facts.links if node.facts else ():
                if link.mac:
                    found.setdefault(link.mac, []).append(Port(node.name, link.name))
        return {mac: tuple(ports) for mac, ports in found.items()}

    @cached_property
    def pods(self) -> Mapping[Address, tuple[tuple[str, EndpointStatus], ...]]:
        """The endpoints that hold an address, each with its node; more than one is a fault."""
        found: dict[Address, list[tuple[str, EndpointStatus]]] = {}
        for node in self.nodes.values():
            for endpoint in node.endpoints.endpoints if node.endpoints else ():
                for text in endpoint.addresses:
                    found.setdefault(parsed_address(text.partition("/")[0]), []).append((node.name, endpoint))
        return {address: tuple(held) for address, held in found.items()}

    def address_of(self, name: str) -> frozenset[Address]:
        """The addresses that the Node resource says the node has."""
        node = self.snapshot.of(Node).get(name)
        bgp = node.spec.bgp if node is not None else None
        texts = (bgp.ipv4_address, bgp.ipv6_address) if bgp is not None else ()
        return frozenset(parsed_address(text.partition("/")[0]) for text in texts if text)

    def next_node(self, node: str, device: str, via: Address) -> Port | None:
        """Whose interface answers for `via` behind `device` of `node`: by the address, else by its entry's MAC.

        None when nobody in view does.
        """
        candidates = self.ports.get(via, ())
        if len(candidates) != 1 or candidates[0].node == node:
            candidates = tuple(port for port in candidates if port.node != node)
        if len(candidates) == 1:
            return candidates[0]
        entry = self.nodes[node].neighbours.get((device, str(via)))
        by_mac = [port for port in self.by_mac.get(entry.mac, ()) if port.node != node] if entry else []
        return by_mac[0] if len(by_mac) == 1 else None
