"""The inside of a pod's namespace: its address, its way out, and the neighbour entry that makes ARP unnecessary.

Everything happens through a NETLINK_ROUTE socket that was opened in that namespace by somebody who may: its
messages act there, and we never enter it. All messages go in one send, and each replaces what an interrupted
attempt may have left.
"""

import struct
from dataclasses import dataclass

from felixpy.kernel.link_message import (
    IFA_ADDRESS,
    IFA_F_NODAD,
    IFA_LOCAL,
    IFF_UP,
    NDA_DST,
    NDA_LLADDR,
    NUD_PERMANENT,
)
from felixpy.kernel.links import Links
from felixpy.kernel.netlink import Netlink, dumped
from felixpy.kernel.owners import PROTOCOL_BOOT
from felixpy.kernel.route_dump import dump_routes
from felixpy.kernel.rtnetlink import (
    ADDRESS,
    FAMILY,
    LINK,
    NEIGHBOUR,
    NLM_F_CREATE,
    NLM_F_REPLACE,
    ROUTE,
    RT_SCOPE_LINK,
    RT_SCOPE_UNIVERSE,
    RT_TABLE_COMPAT,
    RTA_DST,
    RTA_GATEWAY,
    RTA_OIF,
    RTA_TABLE,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTM_NEWNEIGH,
    RTM_NEWROUTE,
    RTN_UNICAST,
    U32,
    attribute,
    attributes,
    mac_bytes,
    message,
    u32,
)
from felixpy.model.addresses import Address, IPv6Address, parse_address
from felixpy.model.errors import Refused
from felixpy.model.routes import MAIN_TABLE, Device

LOOPBACK_INDEX = 1
SET = NLM_F_CREATE | NLM_F_REPLACE
RTM_NEWRULE, FR_ACT_TO_TBL, FRA_SRC, FRA_PRIORITY, FRA_TABLE = 32, 1, 2, 6, 15
RULE = struct.Struct("=BBBBBxxBI")  # struct fib_rule_hdr: family, dst_len, src_len, tos, table, action, flags
RULES_AT = 32_000  # before the main table
TABLES_FROM = 10_000  # of further interfaces: this and the index of the interface
GATEWAY_IPV4 = parse_address("169.254.1.1")  # no host has it: only the neighbour entry makes it answer


@dataclass(frozen=True, slots=True)
class PodSide:
    """What the pod's end of its veth is to have. `gateway_mac` is the MAC of the node's end."""

    device: Device
    addresses: tuple[Address, ...]
    gateway_mac: str


def link_local(mac: str) -> IPv6Address:
    """The IPv6 link-local address that a MAC gives (EUI-64, RFC 4291 appendix A)."""
    octets = mac_bytes(mac)
    interface = bytes([octets[0] ^ 0x02]) + octets[1:3] + b"\xff\xfe" + octets[3:6]
    return IPv6Address(b"\xfe\x80" + bytes(6) + interface)


def table_of(index: int) -> int:
    """The routing table of a further interface of the pod, which does not hold the default route."""
    return TABLES_FROM + index


def configure(netlink: Netlink, pod: PodSide) -> str:
    """Bring up loopback and `pod.device` and give it addresses, default routes and neighbours; its MAC.

    A pod that has a default route by another interface keeps it: the routes of this one then stand in a table of
    their own, for packets from its addresses; from elsewhere the node would drop them (rp_filter). `netlink` holds a
    socket of the pod's namespace. Refused, naming the step, when the kernel turns one down.
    """
    link = Links.ask(netlink, pod.device)
    if link is None:
        raise Refused(pod.device, "the pod's namespace has no such device")
    steps = {"lo up": _up(LOOPBACK_INDEX), f"{pod.device} up": _up(link.index)}
    for version in sorted({address.version for address in pod.addresses}):
        addresses = [address for address in pod.addresses if address.version == version]
        steps |= _of_family(netlink, link.index, addresses, pod.gateway_mac)
    failures = netlink.send(list(steps.values()))
    for place, failure in failures.items():
        raise failure.refused(pod.device, list(steps)[place])
    return link.mac


def _of_family(netlink: Netlink, index: int, addresses: list[Address], mac: str) -> dict[str, bytes]:
    """What the addresses of one family need, by what the step is called."""
    version = addresses[0].version
    gateway = GATEWAY_IPV4 if version == 4 else link_local(mac)
    table = table_of(index) if _defaults(netlink, version) - {index} else MAIN_TABLE
    steps = {f"address {address}": _address(index, address) for address in addresses}
    if version == 4:
        steps[f"route to {gateway}"] = _route(index, gateway, None, table)
    steps[f"neighbour {gateway}"] = _neighbour(index, gateway, mac)
    steps[f"default route via {gateway}"] = _route(index, None, gateway, table)
    if table != MAIN_TABLE:
        steps |= {f"rule for {address}": _rule(address, table) for address in addresses}
    return steps


def _defaults(netlink: Netlink, version: int) -> set[int]:
    """The interfaces with a default route in the main table."""
    found = set()
    for body in dumped(dump_routes(netlink, FAMILY[version], table=MAIN_TABLE), RTM_NEWROUTE):
        _, length, *_ = ROUTE.unpack_from(body)
        hop = attributes(body, ROUTE.size).get(RTA_OIF)
        if not length and hop is not None:
            found.add(int(U32.unpack(hop)[0]))
    return found


def _up(index: int) -> bytes:
    return message(RTM_NEWLINK, 0, LINK.pack(0, 0, index, IFF_UP, IFF_UP))


def _address(index: int, address: Address) -> bytes:
    flags = IFA_F_NODAD if address.version == 6 else 0  # nobody else is on this link
    body = ADDRESS.pack(FAMILY[address.version], address.max_prefixlen, flags, RT_SCOPE_UNIVERSE, index)
    body += attribute(IFA_LOCAL, address.packed) + attribute(IFA_ADDRESS, address.packed)
    return message(RTM_NEWADDR, SET, body)


def _route(index: int, destination: Address | None, gateway: Address | None, table: int) -> bytes:
    """A host route onto the link, or the default route by way of a gateway."""
    known = destination or gateway
    assert known is not None
    length, scope = (0, RT_SCOPE_UNIVERSE) if destination is None else (known.max_prefixlen, RT_SCOPE_LINK)
    short = table if table == MAIN_TABLE else RT_TABLE_COMPAT
    body = ROUTE.pack(FAMILY[known.version], length, 0, 0, short, PROTOCOL_BOOT, scope, RTN_UNICAST, 0)
    body += u32(RTA_TABLE, table)
    if destination is not None:
        body += attribute(RTA_DST, destination.packed)
    if gateway is not None:
        body += attribute(RTA_GATEWAY, gateway.packed)
    return message(RTM_NEWROUTE, SET, body + u32(RTA_OIF, index))


def _rule(address: Address, table: int) -> bytes:
    """Packets from `address` go by `table` (linux/fib_rules.h)."""
    body = RULE.pack(FAMILY[address.version], 0, address.max_prefixlen, 0, 0, FR_ACT_TO_TBL, 0)
    body += attribute(FRA_SRC, address.packed) + u32(FRA_PRIORITY, RULES_AT) + u32(FRA_TABLE, table)
    return message(RTM_NEWRULE, NLM_F_CREATE, body)


def _neighbour(index: int, address: Address, mac: str) -> bytes:
    body = NEIGHBOUR.pack(FAMILY[address.version], index, NUD_PERMANENT, 0, RTN_UNICAST)
    body += attribute(NDA_DST, address.packed) + attribute(NDA_LLADDR, mac_bytes(mac))
    return message(RTM_NEWNEIGH, SET, body)
