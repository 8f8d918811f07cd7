"""One way to reach a prefix, as one source told it. Pure."""

from enum import IntEnum
from typing import Literal

import msgspec

from felixpy.model.addresses import Address, Asn, Prefix

DEFAULT_LOCAL_PREF = 100  # RFC 4271 §5.1.5, what most implementations assume
HIGHEST_LOCAL_PREF = 2147483647  # Calico carries a route priority as this minus LOCAL_PREF
NORMAL_LOCAL_PREF = 2147482623  # 2147483647 - 1024: Calico's normal route priority carried in LOCAL_PREF

Source = Literal["bgp", "local", "static", "kernel"]
LargeCommunity = tuple[int, int, int]


class OriginCode(IntEnum):
    """RFC 4271 §5.1.1; lower is better."""

    IGP = 0
    EGP = 1
    INCOMPLETE = 2


class Attributes(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """The path attributes that many prefixes share. Interned by the decoder: equal ones are one object.

    `as_path` is the sequence of AS numbers, nearest first; AS_SET members count as one hop and are in `as_sets`.
    `faults` names what the UPDATE lacked or garbled (RFC 7606), in the words of policy/imports.
    """

    origin: OriginCode = OriginCode.INCOMPLETE
    as_path: tuple[Asn, ...] = ()
    as_sets: tuple[frozenset[Asn], ...] = ()
    med: int | None = None
    local_pref: int | None = None
    communities: frozenset[tuple[int, int]] = frozenset()
    large_communities: frozenset[LargeCommunity] = frozenset()
    extended_communities: frozenset[str] = frozenset()
    originator_id: Address | None = None
    cluster_list: tuple[Address, ...] = ()
    atomic_aggregate: bool = False
    aggregator: str = ""
    faults: tuple[str, ...] = ()


class Path(msgspec.Struct, frozen=True, gc=False):
    """A prefix, a next hop and attributes, from one source. `session` is the session's name; "" for our own."""

    prefix: Prefix
    next_hop: Address | None  # None for a local path
    attributes: Attributes
    source: Source = "bgp"
    session: str = ""
    peer: Address | None = None
    peer_id: int = 0  # BGP Identifier, unsigned 32 bits
    external: bool = False  # learned over eBGP
    path_id: int = 0  # RFC 7911; 0 when add-path is not in use
    since: float = 0.0  # Unix seconds
    discard: bool = False  # RFC 7999, and a filter rule that names the community let it in: packets are dropped

    @property
    def preference(self) -> int:
        """LOCAL_PREF as it counts: as received; 100 when a peer sent none; Calico's normal priority for our own."""
        if self.attributes.local_pref is not None:
            return self.attributes.local_pref
        return DEFAULT_LOCAL_PREF if self.source == "bgp" else NORMAL_LOCAL_PREF

    @property
    def key(self) -> tuple[str, int]:
        """What makes a path of one prefix the successor of another: its session and its add-path id."""
        return (self.session, self.path_id)


__all__ = ["Attributes", "OriginCode", "Path"]
