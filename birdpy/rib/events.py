"""What a peer did, as ExaBGP tells it: the nouns between exabgp/decode and policy/imports. Pure."""

from dataclasses import dataclass, field

import msgspec

from birdpy.rib.path import Attributes
from felixpy.model.addresses import Address, Family, Prefix


class Reach(msgspec.Struct, frozen=True, gc=False):
    """One announced prefix of an UPDATE; `next_hop` None when the UPDATE had none (a fault)."""

    prefix: Prefix
    next_hop: Address | None
    path_id: int = 0


class Unreach(msgspec.Struct, frozen=True, gc=False):
    """One withdrawn prefix of an UPDATE."""

    prefix: Prefix
    path_id: int = 0


class Update(msgspec.Struct, frozen=True, gc=False):
    """One UPDATE message: all announced prefixes share `attributes`."""

    peer: Address
    announced: tuple[Reach, ...] = ()
    withdrawn: tuple[Unreach, ...] = ()
    attributes: Attributes = Attributes()


@dataclass(frozen=True, slots=True)
class Malformed:
    """An UPDATE has an error for which its routes are withdrawn (RFC 7606 §2); `fault` as ExaBGP names it."""

    peer: Address
    prefixes: tuple[Prefix, ...]
    fault: str


@dataclass(frozen=True, slots=True)
class Opened:
    """The peer's OPEN message."""

    peer: Address
    router_id: int
    asn: int
    hold_time: int  # seconds, as proposed
    families: frozenset[Family] = frozenset()
    graceful_restart_s: int | None = None  # None: capability 64 not offered
    restarting: bool = False  # R bit
    forwarding_kept: frozenset[Family] = frozenset()  # F bit per family
    route_refresh: bool = False
    enhanced_refresh: bool = False
    add_path: frozenset[Family] = frozenset()  # in which it takes several paths of a prefix (RFC 7911)
    extended_next_hop: bool = False  # IPv4 prefixes may come and go with IPv6 next hops (RFC 8950)
    restartable: frozenset[Family] = frozenset({4, 6})  # named in capability 64: those whose routes it asks to keep


@dataclass(frozen=True, slots=True)
class Up:
    """The session is established; `local` is our end of it, when that is known."""

    peer: Address
    local: Address | None = None


@dataclass(frozen=True, slots=True)
class Down:
    """The session is not established any more; as decoded also: an attempt ended, which the supervisor makes Failed.

    `ours`: our own ExaBGP ended or was restarted; it says nothing against the peer, and its routes stay.
    """

    peer: Address
    reason: str
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """An attempt to begin a session ended; the reason as ExaBGP or the kernel has it."""

    peer: Address
    reason: str


@dataclass(frozen=True, slots=True)
class EndOfRib:
    """The peer has sent all it has of one family (RFC 4724 §2)."""

    peer: Address
    family: Family


@dataclass(frozen=True, slots=True)
class Refresh:
    """The peer asks for everything again ("query"), or brackets its answer ("begin", "end", RFC 7313)."""

    peer: Address
    family: Family
    subtype: str


@dataclass(frozen=True, slots=True)
class Notified:
    """A NOTIFICATION, sent or received."""

    peer: Address
    sent: bool
    code: int
    subcode: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Overflow:
    """The bridge had to drop lines: everything known of every peer must be asked for again."""

    dropped: int


@dataclass(frozen=True, slots=True)
class Acked:
    """ExaBGP's bare answer to the oldest command without an answer."""

    ok: bool


@dataclass(frozen=True, slots=True)
class Shutdown:
    """ExaBGP says that it stops."""

    reason: str = field(default="shutdown")


Event = Update | Malformed | Opened | Up | Down | Failed | EndOfRib | Refresh | Notified | Overflow | Acked | Shutdown

__all__ = ["Down", "EndOfRib", "Event", "Notified", "Opened", "Reach", "Refresh", "Unreach", "Up", "Update"]
