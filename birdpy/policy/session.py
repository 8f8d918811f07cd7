"""One BGP session that this node should have: the noun from policy/sessions to exabgp/configfile. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from felixpy.model.addresses import Address, Asn, Family, Prefix, family
from felixpy.model.errors import InvalidResource


@dataclass(frozen=True, slots=True)
class Session:
    """Everything about a session that we would correct if it differed. One per peer address."""

    name: str  # Mesh_10_0_0_2 | Global_… | Node_… | Local_Workload_…
    address: Address  # of the peer
    port: int  # that we dial
    local_as: Asn
    peer_as: Asn
    source_address: Address | None  # None: the kernel chooses
    families: frozenset[Family]
    answers_at: Address | None = None  # our end, where no source is bound: what a pod of this node dials
    passive: bool = False
    ttl_security: int | None = None  # hop count (RFC 5082); None: off
    multihop: bool = True
    password: str | None = None  # never printed, logged or shown
    graceful_restart_s: int = 120
    hold_time_s: int = 90
    keepalive_s: int = 30
    next_hop_mode: str = "Auto"  # Auto | Self | Keep
    allowed_local_as: int = 0
    route_reflector_client: bool = False
    cluster_id: Address | None = None  # ours, when we reflect to this peer
    filters: tuple[str, ...] = ()
    held_down: str | None = None  # the reason why this session is kept out of ExaBGP's configuration
    max_prefix: int = 10000
    max_prefix_action: str = "restart"  # restart | warn
    cluster_node: str = ""  # the node of the cluster that owns `address`, when one does
    reachable_by: Address | None = None
    add_path_receive: bool = False  # RFC 7911: the peer may tell several paths of a prefix
    add_path_send: int = 0  # so many paths of a prefix are told, each with an id; 0: the best alone, without one
    extended_next_hop: bool = False  # RFC 8950: our IPv4 prefixes leave with our IPv6 address
    defined_by: str = ""  # the BGPPeer that made this session; "" for the mesh

    @property
    def external(self) -> bool:
        """eBGP: the peer's AS is not ours."""
        return self.peer_as != self.local_as

    @property
    def workload(self) -> bool:
        """A pod of this node."""
        return self.name.startswith("Local_Workload_")

    def __repr__(self) -> str:
        return f"Session({self.name}, {self.address}, AS {self.peer_as})"


@dataclass(frozen=True, slots=True)
class Speaker:
    """This node as a BGP speaker, with all its sessions and what export needs to know."""

    node: str
    router_id: Address
    local_as: Asn
    listen_port: int
    listen_addresses: tuple[Address, ...]
    sessions: tuple[Session, ...]
    cluster_id: Address | None = None
    own_blocks: tuple[Prefix, ...] = ()  # confirmed: announced as aggregates
    addresses: tuple[Address, ...] = ()  # this node's own, IPv4 first
    owners: Mapping[Address, str] = field(default_factory=dict)  # address -> the node of the cluster that has it
    ignored_interfaces: tuple[str, ...] = ()
    problems: tuple[InvalidResource, ...] = ()  # what was passed over, and what to mend

    def address(self, kind: Family) -> Address | None:
        """This node's address of one family."""
        return next((address for address in self.addresses if family(address) == kind), None)

    def session(self, name: str) -> Session | None:
        """The session of that name."""
        return next((session for session in self.sessions if session.name == name), None)


__all__ = ["Session", "Speaker"]
