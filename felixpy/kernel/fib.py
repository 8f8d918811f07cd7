"""What the kernel knows how to reach without us, read from its main tables: the ground that next hops stand on.

Read whole and anew whenever an event may have changed it: a link that goes down takes its IPv4 routes along
without a word, so following route events alone would go astray.
"""

from collections.abc import Collection, Iterator

from felixpy.kernel.events import KernelEvent, LinkChanged, Lost, RouteChanged
from felixpy.kernel.netlink import Netlink
from felixpy.kernel.route_dump import bodies, dump_routes, name_of
from felixpy.kernel.route_message import NameOf, ways
from felixpy.kernel.rtnetlink import (
    AF_INET,
    AF_INET6,
    ROUTE,
    RTA_DST,
    RTA_PRIORITY,
    RTM_F_CLONED,
    RTN_BLACKHOLE,
    RTN_PROHIBIT,
    RTN_UNICAST,
    RTN_UNREACHABLE,
    RTNH_F_DEAD,
    RTNH_F_LINKDOWN,
    RTNH_F_ONLINK,
    U32,
    attributes,
)
from felixpy.model.addresses import IPv4Network, IPv6Network, Prefix
from felixpy.model.fib import ConnectedRoute, ConnectedRoutes
from felixpy.model.routes import MAIN_TABLE, Device

DROPS = (RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT)
PROTOCOL_AT = 5  # in the rtmsg


def read_connected(netlink: Netlink, ours: Collection[int] = ()) -> ConnectedRoutes:
    """All IPv4 and IPv6 routes of the main table but those with the protocol numbers `ours`, read now."""
    skip = frozenset(ours)
    names: dict[int, Device] = {}

    def name(index: int) -> Device:
        return names.get(index) or names.setdefault(index, name_of(index))

    found: list[ConnectedRoute] = []
    for family in (AF_INET, AF_INET6):
        for chunk in dump_routes(netlink, family, table=MAIN_TABLE):
            for body in [body for body in bodies(chunk) if body[PROTOCOL_AT] not in skip]:
                if body[0] == family:  # a kernel without IPv6 answers for it with the routes of all families
                    found += _decoded(body, name)
    return ConnectedRoutes.of(found)


def concerns(event: KernelEvent, ours: Collection[int] = ()) -> bool:
    """Whether `event` may have changed what `read_connected` gives. Addresses come with routes of their own."""
    if isinstance(event, RouteChanged):
        return event.protocol not in ours and event.key.table == MAIN_TABLE
    return isinstance(event, LinkChanged | Lost)


def _decoded(body: bytes, name: NameOf) -> Iterator[ConnectedRoute]:
    family, length, source, tos, _, protocol, _, kind, flags = ROUTE.unpack_from(body)
    if tos or source or flags & RTM_F_CLONED or kind not in (RTN_UNICAST, *DROPS):
        return
    attrs = attributes(body, ROUTE.size)
    number = int.from_bytes(attrs.get(RTA_DST, b""), "big")
    prefix: Prefix = IPv4Network((number, length)) if family == AF_INET else IPv6Network((number, length))
    metric = U32.unpack(attrs[RTA_PRIORITY])[0] if RTA_PRIORITY in attrs else 0
    if kind in DROPS:
        yield ConnectedRoute(prefix, None, protocol=protocol, metric=metric)
        return
    for way in ways(attrs, flags):
        usable = not way.flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)
        onlink = bool(way.flags & RTNH_F_ONLINK)
        yield ConnectedRoute(prefix, name(way.on), way.via, protocol, metric, onlink, usable)
