"""The shape of ExaBGP's JSON, as far as we read it. Pure.

Unknown fields are skipped; a field of another type makes the whole line undecodable.
"""

from typing import Any

import msgspec


class Nlri(msgspec.Struct):
    """A prefix, with its path identifier when add-path is in use."""

    nlri: str
    path_id: str | int = msgspec.field(default=0, name="path-information")


class Eor(msgspec.Struct):
    """End-of-RIB."""

    afi: str = "ipv4"
    safi: str = "unicast"


class Update(msgspec.Struct):
    """An UPDATE; the attributes stay text, since most are equal to some that were read before."""

    attribute: msgspec.Raw = msgspec.Raw(b"{}")
    announce: dict[str, dict[str, list[Nlri]]] = {}
    withdraw: dict[str, list[Nlri]] = {}


class Message(msgspec.Struct):
    """What an `update` line holds."""

    update: Update | None = None
    eor: Eor | None = None


class Addresses(msgspec.Struct):
    """Of the two ends."""

    peer: str
    local: str = ""  # "None" until a connection of ours told which one the kernel chose


class Refresh(msgspec.Struct):
    """A ROUTE-REFRESH."""

    afi: str
    safi: str
    subtype: str = "query"


class Notification(msgspec.Struct):
    """A NOTIFICATION."""

    code: int
    subcode: int
    message: str = ""


class Open(msgspec.Struct):
    """An OPEN; capabilities by number when received, by name when sent."""

    asn: int
    hold_time: int
    router_id: str
    capabilities: dict[str, dict[str, Any]] = {}


class Neighbor(msgspec.Struct):
    """The peer, and what it did."""

    address: Addresses
    state: str = ""
    reason: str = ""
    direction: str = "receive"
    message: Message | None = None
    open: Open | None = None
    notification: Notification | None = None
    refresh: Refresh | None = msgspec.field(default=None, name="route-refresh")


class Line(msgspec.Struct):
    """Any line."""

    type: str
    neighbor: Neighbor | None = None


class Segment(msgspec.Struct):
    """Of an AS path."""

    element: str
    value: list[int]


class Attribute(msgspec.Struct):
    """Path attributes by ExaBGP's names."""

    origin: str = ""
    as_path: dict[str, Segment] | None = msgspec.field(default=None, name="as-path")
    med: int | None = None
    local_preference: int | None = msgspec.field(default=None, name="local-preference")
    community: list[tuple[int, int]] = []
    large_community: list[tuple[int, int, int]] = msgspec.field(default=[], name="large-community")
    extended_community: list[dict[str, Any]] = msgspec.field(default=[], name="extended-community")
    originator_id: str | None = msgspec.field(default=None, name="originator-id")
    cluster_list: list[str] = msgspec.field(default=[], name="cluster-list")
    atomic_aggregate: bool = msgspec.field(default=False, name="atomic-aggregate")
    aggregator: str = ""
    error: str = ""
