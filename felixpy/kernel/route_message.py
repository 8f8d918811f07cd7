"""A route as rtnetlink says it, and back. Pure but for the device names, which the caller looks up.

A message is nlmsghdr, rtmsg, RTA_DST, then a tail that does not depend on the destination: so routes that differ
only in their destination differ in 4 or 16 bytes, at `DESTINATION_AT`.
"""

from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import NamedTuple

from felixpy.kernel.owners import protocol_name
from felixpy.kernel.rtnetlink import (
    AF_INET,
    AF_INET6,
    ATTRIBUTE,
    FAMILY,
    HEADER,
    NEXTHOP,
    NLM_F_REQUEST,
    ROUTE,
    RT_SCOPE_HOST,
    RT_SCOPE_LINK,
    RT_SCOPE_NOWHERE,
    RT_SCOPE_UNIVERSE,
    RT_TABLE_COMPAT,
    RTA_DST,
    RTA_GATEWAY,
    RTA_MULTIPATH,
    RTA_OIF,
    RTA_PRIORITY,
    RTA_TABLE,
    RTA_VIA,
    RTM_DELROUTE,
    RTM_F_CLONED,
    RTM_NEWROUTE,
    RTN_BLACKHOLE,
    RTN_LOCAL,
    RTN_PROHIBIT,
    RTN_UNICAST,
    RTN_UNREACHABLE,
    RTNH_F_ONLINK,
    U16,
    U32,
    attribute,
    attributes,
    u32,
)
from felixpy.model.addresses import Address, Prefix
from felixpy.model.routes import Device, Hop, Route, RouteKey, RouteKind

RTA_ENCAP, RTA_NH_ID = 22, 30
DESTINATION_AT = 16 + 12 + 4
TYPE = {
    RouteKind.LOCAL: RTN_UNICAST,
    RouteKind.LEARNED: RTN_UNICAST,
    RouteKind.BLACKHOLE: RTN_BLACKHOLE,
    RouteKind.HOST: RTN_LOCAL,
}
SCOPE = {RouteKind.LOCAL: RT_SCOPE_LINK, RouteKind.HOST: RT_SCOPE_HOST}
TYPE_NAME = {RTN_BLACKHOLE: "blackhole", RTN_UNREACHABLE: "unreachable", RTN_PROHIBIT: "prohibit", 9: "throw"}

IndexOf = Callable[[Device], int]  # KeyError when there is no such device
NameOf = Callable[[int], Device]


class Found(NamedTuple):
    """A route in the kernel, anyone's. `route` is None when it is of a kind that we never write."""

    key: RouteKey
    protocol: int
    route: Route | None
    type: int  # RTN_*
    nexthop: int = 0  # the id of the nexthop object that it names

    @property
    def holder(self) -> str:
        """Whose it is and where it leads, as `ip route` would say: `proto static via 10.0.0.1 dev eth0`."""
        return f"proto {protocol_name(self.protocol)} {self._way()}"

    def _way(self) -> str:
        if self.route is None or self.route.kind is RouteKind.BLACKHOLE:
            return TYPE_NAME.get(
                self.type, f"of type {self.type}" if self.type != RTN_UNICAST else "by a nexthop object"
            )
        return way(self.route)


def way(route: Route) -> str:
    """Where a route leads: `dev cali0123`, `via 10.0.0.1 dev eth0`, several hops with commas, `blackhole`."""
    if route.device is not None:
        return f"dev {route.device}"
    if route.kind is RouteKind.BLACKHOLE:
        return "blackhole"
    return ", ".join(f"via {hop.via} dev {hop.device}" for hop in route.hops)


def decode(body: bytes, name_of: NameOf) -> Found | None:
    """The route that an RTM_NEWROUTE or RTM_DELROUTE is about.

    None for what no RouteKey can name: a cached copy, or a route that also matches a TOS or a source prefix.
    """
    family, length, source, tos, table, protocol, _, kind, flags = ROUTE.unpack_from(body)
    if tos or source or flags & RTM_F_CLONED or family not in (AF_INET, AF_INET6):
        return None
    found = attributes(body, ROUTE.size)
    number = int.from_bytes(found.get(RTA_DST, b""), "big")
    prefix: Prefix = IPv4Network((number, length)) if family == AF_INET else IPv6Network((number, length))
    if RTA_TABLE in found:
        (table,) = U32.unpack(found[RTA_TABLE])
    metric = U32.unpack(found[RTA_PRIORITY])[0] if RTA_PRIORITY in found else 0
    key = RouteKey(prefix, table, metric)
    if kind == RTN_BLACKHOLE:
        return Found(key, protocol, Route(key, RouteKind.BLACKHOLE), kind)
    if RTA_NH_ID in found:
        return Found(key, protocol, None, kind, *U32.unpack(found[RTA_NH_ID]))
    if kind == RTN_LOCAL and RTA_OIF in found:
        device = name_of(*U32.unpack(found[RTA_OIF]))
        return Found(key, protocol, Route(key, RouteKind.HOST, device), kind)
    if kind != RTN_UNICAST or RTA_ENCAP in found:
        return Found(key, protocol, None, kind)
    several = ways(found, flags)
    hops = _hops(several, name_of)
    if hops:
        return Found(key, protocol, Route(key, RouteKind.LEARNED, hops=hops), kind)
    if len(several) != 1:
        return Found(key, protocol, None, kind)
    return Found(key, protocol, Route(key, RouteKind.LOCAL, name_of(several[0].on)), kind)


class Way(NamedTuple):
    """One way out as the kernel lists it. `flags` are RTNH_F_*."""

    via: Address | None  # None: straight onto the device
    on: int  # ifindex
    weight: int
    flags: int


def ways(found: Mapping[int, bytes], flags: int) -> list[Way]:
    """The ways out of a route with these attributes and this rtm_flags; none for a blackhole and its kind."""
    if RTA_MULTIPATH not in found:
        return [Way(_via(found), U32.unpack(found[RTA_OIF])[0], 1, flags)] if RTA_OIF in found else []
    body, at, several = found[RTA_MULTIPATH], 0, []
    while at + NEXTHOP.size <= len(body):
        length, hop_flags, others, index = NEXTHOP.unpack_from(body, at)
        if length < NEXTHOP.size:
            break
        via = _via(attributes(body[at : at + length], NEXTHOP.size))
        several.append(Way(via, index, others + 1, hop_flags))
        at += (length + 3) & ~3
    return several


def _hops(several: Iterable[Way], name_of: NameOf) -> tuple[Hop, ...]:
    """The next hops, sorted; () when there is none or one of them is a device alone."""
    hops = []
    for way_out in several:
        if way_out.via is None:
            return ()
        onlink = bool(way_out.flags & RTNH_F_ONLINK)
        hops.append(Hop(way_out.via, name_of(way_out.on), way_out.weight, onlink))
    return in_order(hops)


def in_order(hops: Iterable[Hop]) -> tuple[Hop, ...]:
    """As a Route has them."""
    return tuple(sorted(hops, key=lambda hop: (hop.via.version, int(hop.via), hop.device, hop.weight, hop.onlink)))


def _via(found: Mapping[int, bytes]) -> Address | None:
    """The next hop: RTA_GATEWAY in the route's own family, RTA_VIA when IPv4 goes by way of IPv6."""
    packed = found[RTA_VIA][2:] if RTA_VIA in found else found.get(RTA_GATEWAY, b"")
    if len(packed) == 4:
        return IPv4Address(packed)
    return IPv6Address(packed) if len(packed) == 16 else None


class Shape(NamedTuple):
    """All of a message but its destination and its number."""

    start: bytes  # nlmsghdr without sequence number, rtmsg, the header of RTA_DST
    tail: bytes  # the attributes behind RTA_DST

    @property
    def width(self) -> int:
        """Of the destination, in 32-bit words: 1 or 4."""
        return 1 if self.start[HEADER.size] == AF_INET else 4

    def message(self, destination: bytes) -> bytes:
        """The message for one destination, which is 4 or 16 bytes."""
        return self.start + destination + self.tail


def check(route: Route) -> None:
    """ValueError for what the kernel would take and give back as something else: it would never be at rest."""
    if route.key.prefix.version == 6 and not route.key.metric:
        raise ValueError("the kernel turns an IPv6 metric of 0 into 1024: name the metric")
    if len(route.hops) == 1 and route.hops[0].weight != 1:
        raise ValueError("the kernel keeps no weight for a single next hop: give it 1")
    if any(not 1 <= hop.weight <= 256 for hop in route.hops):
        raise ValueError("a weight is 1 to 256")


def writing(route: Route, protocol: int, flags: int, index_of: IndexOf) -> Shape:
    """RTM_NEWROUTE for `route` and for all that differ only in their destination. `flags` are NLM_F_*."""
    scope = SCOPE.get(route.kind, RT_SCOPE_UNIVERSE)
    onlink = RTNH_F_ONLINK if len(route.hops) == 1 and route.hops[0].onlink else 0
    tail = _key_tail(route.key)
    if route.device is not None:
        tail += u32(RTA_OIF, index_of(route.device))
    elif len(route.hops) == 1:
        (hop,) = route.hops
        tail += _gateway(hop.via, route.key.prefix) + u32(RTA_OIF, index_of(hop.device))
    elif route.hops:
        tail += attribute(RTA_MULTIPATH, b"".join(_nexthop(hop, route.key.prefix, index_of) for hop in route.hops))
    rtmsg = _rtmsg(route.key, (protocol, scope, TYPE[route.kind], onlink))
    return _shape(RTM_NEWROUTE, flags, rtmsg, tail)


def naming(route: Route, protocol: int, flags: int, nexthop: int) -> Shape:
    """RTM_NEWROUTE for a route that names a nexthop object instead of its ways out."""
    rtmsg = _rtmsg(route.key, (protocol, RT_SCOPE_UNIVERSE, RTN_UNICAST, 0))
    return _shape(RTM_NEWROUTE, flags, rtmsg, _key_tail(route.key) + u32(RTA_NH_ID, nexthop))


def erasing(route: Route, protocol: int, index_of: IndexOf) -> Shape:
    """RTM_DELROUTE for `route` and for all that differ only in their destination.

    The kernel takes a metric of 0 for "any", so then the device is named too (fib_nh_match in fib_semantics.c).
    """
    tail = _key_tail(route.key)
    if route.device is not None and not route.key.metric:
        tail += u32(RTA_OIF, index_of(route.device))
    rtmsg = _rtmsg(route.key, (protocol, RT_SCOPE_NOWHERE, TYPE[route.kind], 0))
    return _shape(RTM_DELROUTE, 0, rtmsg, tail)


def _shape(kind: int, flags: int, rtmsg: bytes, tail: bytes) -> Shape:
    width = 4 if rtmsg[0] == AF_INET else 16
    size = HEADER.size + ROUTE.size + ATTRIBUTE.size + width + len(tail)
    header = HEADER.pack(size, kind, flags | NLM_F_REQUEST, 0, 0)
    return Shape(header + rtmsg + ATTRIBUTE.pack(4 + width, RTA_DST), tail)


def _rtmsg(key: RouteKey, rest: tuple[int, int, int, int]) -> bytes:
    table = key.table if key.table < 256 else RT_TABLE_COMPAT
    return ROUTE.pack(FAMILY[key.prefix.version], key.prefix.prefixlen, 0, 0, table, *rest)


def _key_tail(key: RouteKey) -> bytes:
    table = u32(RTA_TABLE, key.table) if key.table > 255 else b""
    return table + u32(RTA_PRIORITY, key.metric) if key.metric else table


def _gateway(via: Address, prefix: Prefix) -> bytes:
    if via.version == prefix.version:
        return attribute(RTA_GATEWAY, via.packed)
    return attribute(RTA_VIA, U16.pack(FAMILY[via.version]) + via.packed)


def _nexthop(hop: Hop, prefix: Prefix, index_of: IndexOf) -> bytes:
    gateway = _gateway(hop.via, prefix)
    flags = RTNH_F_ONLINK if hop.onlink else 0
    return NEXTHOP.pack(NEXTHOP.size + len(gateway), flags, hop.weight - 1, index_of(hop.device)) + gateway
