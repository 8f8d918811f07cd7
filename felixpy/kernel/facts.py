"""Everything that decides where this kernel sends a packet, read now, for `trace`, `check` and `doctor`. Edge.

Read on demand and never remembered: whoever asks wants to know what is, also when the daemons believe otherwise.
"""

import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from felixpy.kernel.link_message import decode_neighbour
from felixpy.kernel.links import Links
from felixpy.kernel.netlink import Netlink, dumped
from felixpy.kernel.owners import protocol_name
from felixpy.kernel.route_dump import bodies, dump_routes, name_of
from felixpy.kernel.route_message import Way, ways
from felixpy.kernel.rtnetlink import (
    AF_INET,
    FAMILY,
    NEIGHBOUR,
    ROUTE,
    RTA_DST,
    RTA_PRIORITY,
    RTA_TABLE,
    RTM_F_CLONED,
    RTM_GETNEIGH,
    RTM_NEWNEIGH,
    RTNH_F_DEAD,
    RTNH_F_LINKDOWN,
    RTNH_F_ONLINK,
    U32,
    attributes,
)
from felixpy.kernel.sysctls import KernelSysctls
from felixpy.model.addresses import Address, IPv4Network, IPv6Network, Prefix, parse_address
from felixpy.model.errors import Trouble
from felixpy.model.facts import AddressFact, LinkFact, NeighbourFact, NodeFacts, RouteFact, RuleFact, WayFact
from felixpy.model.routes import Device
from felixpy.model.sysctls import SysctlKey

RTM_NEWRULE, RTM_GETRULE = 32, 34
FRA_DST, FRA_SRC, FRA_PRIORITY, FRA_TABLE, FRA_PROTOCOL, FRA_SUPPRESS_PREFIXLEN = 1, 2, 6, 15, 21, 14
PLAIN = frozenset({FRA_DST, FRA_SRC, FRA_PRIORITY, FRA_TABLE, FRA_PROTOCOL, FRA_SUPPRESS_PREFIXLEN})
FR_ACT = {1: "lookup", 6: "blackhole", 7: "unreachable", 8: "prohibit"}
RTN = {
    1: "unicast", 2: "local", 3: "broadcast", 4: "anycast", 5: "multicast", 6: "blackhole", 7: "unreachable",
    8: "prohibit", 9: "throw",
}  # fmt: skip
NUD = {
    1: "incomplete", 2: "reachable", 4: "stale", 8: "delay", 16: "probe", 32: "failed", 64: "noarp", 128: "permanent",
}  # fmt: skip
NODE_WIDE = (
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/rp_filter",
    "net/ipv4/conf/all/ignore_routes_with_linkdown",
    "net/ipv6/conf/all/forwarding",
    "net/ipv6/conf/all/disable_ipv6",
    "net/ipv6/conf/all/ignore_routes_with_linkdown",
)
OF_DEVICE = (
    "net/ipv4/conf/{}/rp_filter",
    "net/ipv4/conf/{}/forwarding",
    "net/ipv4/conf/{}/ignore_routes_with_linkdown",
    "net/ipv6/conf/{}/forwarding",
    "net/ipv6/conf/{}/accept_ra",
)


def read_facts(node: str, about: Collection[Address] = (), netlink: Netlink | None = None) -> NodeFacts:
    """The facts of the network namespace that this process (or the lent socket) is in.

    With `about` only the routes that cover one of those addresses. Unreachable when the kernel does not answer.
    """
    netlink = netlink or Netlink()
    links = Links(netlink)
    return NodeFacts(
        node=node,
        taken=time.time(),
        kernel=os.uname().release,
        links=tuple(
            LinkFact(
                name=it.name,
                index=it.index,
                up=it.up,
                carrier=it.carrier,
                mac=it.mac,
                mtu=it.mtu,
                kind=it.kind,
                peer=it.peer,
            )
            for it in links.by_name.values()
        ),
        addresses=tuple(
            AddressFact(device=it.device, address=str(it.address), subnet=str(it.subnet), tentative=it.tentative)
            for it in links.addresses()
        ),
        routes=tuple(_routes(netlink, _covering(about) if about else _any)),
        neighbours=tuple(_neighbours(netlink)),
        rules=tuple(_rules(netlink)),
        sysctls=_sysctls(links.by_name),
    )


def asked_facts(node: str, arguments: Mapping[str, Any]) -> NodeFacts:
    """The answer to the question "facts"; `about` is a list of addresses. Trouble when it is none."""
    about = arguments.get("about", [])
    try:
        return read_facts(node, [parse_address(text) for text in about])
    except (TypeError, ValueError) as error:
        raise Trouble(f"about: {error}; it is a list of addresses") from None


def _any(_: Prefix) -> bool:
    return True


def _covering(about: Collection[Address]) -> Callable[[Prefix], bool]:
    return lambda prefix: any(address in prefix for address in about)


def _routes(netlink: Netlink, wanted: Callable[[Prefix], bool]) -> Iterator[RouteFact]:
    for family in FAMILY.values():
        for chunk in dump_routes(netlink, family):
            for body in bodies(chunk):
                if body[0] == family:  # a kernel without IPv6 answers for it with the routes of all families
                    found = _route(body, wanted)
                    if found is not None:
                        yield found


def _route(body: bytes, wanted: Callable[[Prefix], bool]) -> RouteFact | None:
    family, length, source, tos, table, protocol, _, kind, flags = ROUTE.unpack_from(body)
    if tos or source or flags & RTM_F_CLONED:
        return None
    attrs = attributes(body, ROUTE.size)
    prefix = _prefix(family, attrs.get(RTA_DST, b""), length)
    if not wanted(prefix):
        return None
    return RouteFact(
        prefix=str(prefix),
        table=U32.unpack(attrs[RTA_TABLE])[0] if RTA_TABLE in attrs else table,
        metric=U32.unpack(attrs[RTA_PRIORITY])[0] if RTA_PRIORITY in attrs else 0,
        kind=RTN.get(kind, "other"),
        protocol=protocol_name(protocol),
        ways=tuple(map(_way, ways(attrs, flags))),
    )


def _way(way: Way) -> WayFact:
    return WayFact(
        via=None if way.via is None else str(way.via),
        device=name_of(way.on),
        weight=way.weight,
        onlink=bool(way.flags & RTNH_F_ONLINK),
        dead=bool(way.flags & RTNH_F_DEAD),
        linkdown=bool(way.flags & RTNH_F_LINKDOWN),
    )


def _prefix(family: int, packed: bytes, length: int) -> Prefix:
    number = int.from_bytes(packed, "big")
    return IPv4Network((number, length)) if family == AF_INET else IPv6Network((number, length))


def _neighbours(netlink: Netlink) -> Iterator[NeighbourFact]:
    for family in FAMILY.values():
        chunks = netlink.dump(RTM_GETNEIGH, NEIGHBOUR.pack(family, 0, 0, 0, 0))
        for found in map(decode_neighbour, dumped(chunks, RTM_NEWNEIGH)):
            if found is not None and not found.address.is_multicast:
                state = NUD.get(found.state, "none")
                yield NeighbourFact(
                    device=name_of(found.index), address=str(found.address), mac=found.mac, state=state
                )


def _rules(netlink: Netlink) -> Iterator[RuleFact]:
    for version, family in FAMILY.items():
        chunks = netlink.dump(RTM_GETRULE, ROUTE.pack(family, 0, 0, 0, 0, 0, 0, 0, 0))
        for body in dumped(chunks, RTM_NEWRULE):
            # fib_rule_hdr has the layout of rtmsg; the place of rtm_type is the rule's action.
            of_family, to_length, from_length, tos, table, _, _, action, _ = ROUTE.unpack_from(body)
            if of_family != family:
                continue
            attrs = attributes(body, ROUTE.size)
            yield RuleFact(
                family=version,
                priority=U32.unpack(attrs[FRA_PRIORITY])[0] if FRA_PRIORITY in attrs else 0,
                table=U32.unpack(attrs[FRA_TABLE])[0] if FRA_TABLE in attrs else table,
                action=FR_ACT.get(action, "other"),
                source=str(_prefix(family, attrs[FRA_SRC], from_length)) if FRA_SRC in attrs else "",
                destination=str(_prefix(family, attrs[FRA_DST], to_length)) if FRA_DST in attrs else "",
                selective=bool(tos) or not PLAIN.issuperset(attrs),
            )


def _sysctls(devices: Iterable[Device]) -> dict[str, str]:
    files = KernelSysctls()
    paths = [*NODE_WIDE, *(pattern.format(device) for device in devices for pattern in OF_DEVICE)]
    found = {path: files.value(SysctlKey(path)) for path in paths}
    return {path: value for path, value in found.items() if value is not None}
