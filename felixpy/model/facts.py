"""What one node's kernel holds, as plain records: the ground on which trace, check and doctor think. Pure.

Users may script against these as against `model/status`: addresses and prefixes are text, numbers are the kernel's.
"""

import msgspec

from felixpy.model.status import Record


class LinkFact(Record, frozen=True):
    """One interface."""

    name: str
    index: int
    up: bool
    carrier: bool
    mac: str
    mtu: int  # bytes
    kind: str  # veth | bridge | ...; "" for hardware
    peer: int = 0  # index of a veth's other end, in that end's namespace


class AddressFact(Record, frozen=True):
    """One address of an interface."""

    device: str
    address: str
    subnet: str
    tentative: bool = False


class WayFact(Record, frozen=True):
    """One way out of a route; `via` is None for what is on the wire."""

    via: str | None
    device: str
    weight: int = 1
    onlink: bool = False
    dead: bool = False  # RTNH_F_DEAD: its device is down
    linkdown: bool = False  # RTNH_F_LINKDOWN: its device has no carrier; used all the same unless a sysctl says no


class RouteFact(Record, frozen=True):
    """One route of the kernel, anyone's."""

    prefix: str
    table: int
    metric: int
    kind: str  # unicast | local | broadcast | multicast | blackhole | unreachable | prohibit | throw | other
    protocol: str  # as in kernel/owners
    ways: tuple[WayFact, ...] = ()


class NeighbourFact(Record, frozen=True):
    """One neighbour entry."""

    device: str
    address: str
    mac: str
    state: str  # reachable | stale | delay | probe | failed | permanent | ...


class RuleFact(Record, frozen=True):
    """One policy rule of the kernel (`ip rule`): where a lookup goes on, and for which packets."""

    family: int
    priority: int
    table: int
    action: str  # lookup | blackhole | unreachable | prohibit | other
    source: str = ""  # prefix; "" for all
    destination: str = ""
    selective: bool = False  # it has conditions besides source and destination (mark, interface, tos, ...)


class NodeFacts(Record, frozen=True):
    """Everything that decides where this node's kernel sends a packet."""

    node: str
    taken: float  # Unix seconds
    kernel: str = ""  # release
    links: tuple[LinkFact, ...] = ()
    addresses: tuple[AddressFact, ...] = ()
    routes: tuple[RouteFact, ...] = ()
    neighbours: tuple[NeighbourFact, ...] = ()
    rules: tuple[RuleFact, ...] = ()
    sysctls: dict[str, str] = msgspec.field(default_factory=dict)  # path below /proc/sys -> value
