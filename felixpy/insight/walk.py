"""A packet's way through the network, hop by hop, as the kernels' tables have it. Pure.

Nothing is sent: so it works on a broken network, and says which hop breaks it.
"""

from collections.abc import Iterator
from enum import Enum

import msgspec

from felixpy.insight.lookup import Decision, parsed_address
from felixpy.insight.view import NetworkView, NodeView
from felixpy.model.addresses import Address
from felixpy.model.facts import LinkFact, NeighbourFact, WayFact

MAX_HOPS = 64  # the usual TTL


class End(Enum):
    """How a way ends."""

    POD = "delivered to a pod"
    HOST = "delivered to a host"
    LEAVES = "leaves the network in view"
    NO_ROUTE = "no route"
    DROPPED = "dropped by a route"
    LINK_DOWN = "the link is down"
    NEIGHBOUR_FAILED = "the neighbour does not answer"
    NOT_FORWARDING = "the node does not forward"
    REVERSE_PATH = "refused by the reverse path filter"
    LOOP = "goes round in a loop"
    UNKNOWN = "nobody could look into this node"

    @property
    def good(self) -> bool:
        """Whether the packet arrived, as far as anybody in view can tell."""
        return self in (End.POD, End.HOST, End.LEAVES, End.UNKNOWN)


class Hop(msgspec.Struct, frozen=True, gc=False):
    """One node on the way: what its kernel decides and the way out that is followed."""

    node: str
    decision: Decision
    way: WayFact | None = None
    link: LinkFact | None = None  # the egress
    neighbour: NeighbourFact | None = None  # the entry of the next hop, if there is one


class Walk(msgspec.Struct, frozen=True, gc=False):
    """The hops and how they end."""

    hops: tuple[Hop, ...]
    end: End
    at: str  # the node (or pod) where it ends

    @property
    def mtu(self) -> int:
        """The smallest MTU of the links that were taken, bytes; 0 when none was."""
        return min((hop.link.mtu for hop in self.hops if hop.link), default=0)


class Step(msgspec.Struct, frozen=True, gc=False):
    """One way on from a node: to the node `at` when `end` is None, else the end of the way."""

    hop: Hop | None
    end: End | None
    at: str
    into: str = ""  # the interface of `at` that the packet comes in by


class Packet(msgspec.Struct, frozen=True, gc=False):
    """What is looked for: with a source, the reverse path filters of the nodes on the way are asked too."""

    destination: Address
    source: Address | None = None


def walk(view: NetworkView, start: str, destination: Address, source: Address | None = None) -> Walk:
    """The way by the first of equal ways at each hop."""
    return next(walks(view, start, destination, source))


def walks(view: NetworkView, start: str, destination: Address, source: Address | None = None) -> Iterator[Walk]:
    """Every way that some flow takes: each of several equal ways is followed. At least one."""
    yield from _from(view, Step(None, None, start), Packet(destination, source), ())


def _from(view: NetworkView, start: Step, packet: Packet, behind: tuple[Hop, ...]) -> Iterator[Walk]:
    for step in onward(view, start.at, packet, into=start.into if behind else None):
        taken = (*behind, step.hop) if step.hop else behind
        if step.end is not None:
            yield Walk(taken, step.end, step.at)
        elif len(taken) >= MAX_HOPS or any(hop.node == step.at for hop in taken):
            yield Walk(taken, End.LOOP, step.at)
        else:
            yield from _from(view, step, packet, taken)


def onward(view: NetworkView, node: str, packet: Packet, *, into: str | None) -> Iterator[Step]:
    """Every way on from `node`, at least one. `into`: the interface a packet from another node came in by; None for
    one that starts here, "" when it is not known.
    """
    here = view.nodes.get(node)
    if here is None or here.fib is None:
        yield Step(None, End.UNKNOWN, node)
        return
    decision = here.fib.decide(packet.destination, packet.source)
    end = End.REVERSE_PATH if into and _filtered(here, packet, into) else None
    end = end or _ended(here, decision, packet.destination, transit=into is not None)
    if end is not None:
        yield Step(Hop(node, decision), end, node)
        return
    for way in decision.ways:
        yield _out(view, here, _hop(here, decision, way, packet.destination), packet.destination)


def _filtered(here: NodeView, packet: Packet, into: str) -> bool:
    """Whether `rp_filter` drops the packet (fib_validate_source in the kernel's fib_frontend.c); IPv4 only.

    Strict (1): the way back must lead out of the interface it came in by; loose (2): there must be any way back.
    """
    if packet.source is None or packet.source.version != 4 or here.facts is None or here.fib is None:
        return False
    modes = (here.facts.sysctls.get(f"net/ipv4/conf/{name}/rp_filter", "0") for name in ("all", into))
    mode = max(modes)
    if mode == "0":
        return False
    back = here.fib.decide(packet.source, packet.destination)
    if back.kind != "forward":
        return True
    return mode == "1" and all(way.device != into for way in back.ways)


def _ended(here: NodeView, decision: Decision, destination: Address, *, transit: bool) -> End | None:
    """How the way ends at this node whatever the way out; None when it goes on."""
    if decision.kind == "local":
        return End.HOST
    if transit and not _forwards(here, destination):
        return End.NOT_FORWARDING
    if decision.kind == "none":
        return End.LINK_DOWN if decision.unusable else End.NO_ROUTE
    return None if decision.kind == "forward" else End.DROPPED


def _forwards(here: NodeView, destination: Address) -> bool:
    path = "net/ipv4/ip_forward" if destination.version == 4 else "net/ipv6/conf/all/forwarding"
    return here.facts is None or here.facts.sysctls.get(path, "1") != "0"


def _hop(here: NodeView, decision: Decision, way: WayFact, destination: Address) -> Hop:
    neighbours = here.neighbours  # `str` of an address costs as much as all the rest
    target = way.via or str(destination) if neighbours else ""
    return Hop(here.name, decision, way, here.links.get(way.device), neighbours.get((way.device, target)))


def _out(view: NetworkView, here: NodeView, hop: Hop, destination: Address) -> Step:
    way, link = hop.way, hop.link
    assert way is not None
    if link is None or not (link.up and link.carrier):
        return Step(hop, End.LINK_DOWN, here.name)
    endpoint = here.endpoint_on(way.device) if way.via is None else None
    if endpoint is not None:
        return Step(hop, End.POD, endpoint.pod)
    if hop.neighbour is not None and hop.neighbour.state == "failed":
        return Step(hop, End.NEIGHBOUR_FAILED, here.name)
    target = destination if way.via is None else parsed_address(way.via)
    port = view.next_node(here.name, way.device, target)
    if port is None:
        return Step(hop, End.LEAVES, way.via or way.device)
    return Step(hop, None, port.node, port.device)
