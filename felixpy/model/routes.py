"""What a kernel route is, without any kernel. Pure."""

from dataclasses import dataclass
from enum import Enum
from typing import NewType

import msgspec

from felixpy.model.addresses import Address, Prefix

Device = NewType("Device", str)  # an interface name, at most 15 bytes (IFNAMSIZ)

MAIN_TABLE = 254  # RT_TABLE_MAIN
LOCAL_TABLE = 255  # RT_TABLE_LOCAL: the node's own addresses
LOCAL_METRIC_IPV6 = 512  # the kernel turns an IPv6 metric of 0 into 1024, so local routes name theirs
BGP_METRIC = 1024  # Calico's normal route priority


class RouteKind(Enum):
    """How the kernel delivers."""

    LOCAL = "local"  # straight onto a pod's veth: scope link
    LEARNED = "learned"  # by way of one or several next hops
    BLACKHOLE = "blackhole"  # drop: no longer prefix claims it
    HOST = "host"  # to this node itself, as if it had the address: RTN_LOCAL, in the table of its addresses


class RouteKey(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """What the kernel lets exist once: two routes with one key are one route.

    Here and below a Struct where there are as many as routes: made in a tenth of the time of a dataclass, and the
    garbage collector passes it by.
    """

    prefix: Prefix
    table: int = MAIN_TABLE
    metric: int = 0  # lower wins; IPv6 0 becomes 1024 in the kernel, so never ask for it


@dataclass(frozen=True, slots=True, order=True)
class Hop:
    """One way out of a LEARNED route."""

    via: Address
    device: Device
    weight: int = 1  # 1..256; the share of flows among the hops of one route
    onlink: bool = False  # RTNH_F_ONLINK: believe that `via` is on `device` although no route says so


class Origin(msgspec.Struct, frozen=True, gc=False):
    """Where a route comes from: provenance, carried from the source to the command line."""

    kind: str  # "pod" | "block" | "peer" | "reachable-by"
    name: str  # the pod `namespace/name`, the block's affinity, the peer's session name
    peer: Address | None = None
    as_path: tuple[int, ...] = ()
    rule: str = ""  # the rule or round that decided
    since: float = 0.0  # Unix seconds


class Route(msgspec.Struct, frozen=True, gc=False):
    """Everything about a route that we would correct if it differed, and its origin, which we would not.

    LOCAL and HOST have a device and no hops; LEARNED has hops, sorted; BLACKHOLE has neither.
    """

    key: RouteKey
    kind: RouteKind
    device: Device | None = None
    hops: tuple[Hop, ...] = ()
    origin: Origin | None = None

    def __post_init__(self) -> None:
        if self.hops and self.device is None and self.kind is RouteKind.LEARNED:  # nearly all
            return
        if self.kind in (RouteKind.LOCAL, RouteKind.HOST):
            fits = self.device is not None and not self.hops
        else:
            fits = self.device is None and bool(self.hops) is (self.kind is RouteKind.LEARNED)
        if not fits:
            raise ValueError(f"a {self.kind.value} route does not fit its fields: {self}")

    def __eq__(self, other: object) -> bool:
        """Whether nothing needs correcting; where it came from does not count."""
        if self is other:
            return True
        if not isinstance(other, Route):
            return NotImplemented
        return (
            self.hops == other.hops
            and self.device == other.device
            and self.kind is other.kind
            and self.key == other.key
        )

    def __hash__(self) -> int:
        return hash(self.key)


__all__ = ["Device", "Hop", "Origin", "Route", "RouteKey", "RouteKind"]
