"""Numbers and layouts of linux/netlink.h and linux/rtnetlink.h, and the few lines that pack and unpack them. Pure.

Host byte order but for addresses, which are in network order. Attributes and messages are aligned to 4 bytes.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

NLMSG_ERROR, NLMSG_DONE = 2, 3
RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK = 16, 17, 18, 19
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH = 28, 29, 30
RTM_NEWNETCONF = 80

NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP_INTR = 0x1, 0x4, 0x10
NLM_F_DUMP = 0x300
NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE = 0x100, 0x200, 0x400
NLM_F_ACK_TLVS = 0x200  # in an answer: attributes (the error's text) follow
NLM_F_CAPPED = 0x100  # in an answer: the request was not copied into it

RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_MULTIPATH, RTA_TABLE, RTA_VIA = 1, 4, 5, 6, 9, 15, 18
RTN_UNICAST, RTN_LOCAL, RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT = 1, 2, 6, 7, 8
RT_SCOPE_UNIVERSE, RT_SCOPE_LINK, RT_SCOPE_HOST, RT_SCOPE_NOWHERE = 0, 253, 254, 255
RT_TABLE_UNSPEC, RT_TABLE_COMPAT = 0, 252
RTNH_F_DEAD, RTNH_F_ONLINK, RTNH_F_LINKDOWN = 1, 4, 16
RTM_F_CLONED = 0x200

AF_UNSPEC, AF_INET, AF_INET6 = 0, 2, 10
FAMILY = {4: AF_INET, 6: AF_INET6}

HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port id
ERROR = struct.Struct("=i")  # nlmsgerr begins with the negative errno; the request's header follows
ATTRIBUTE = struct.Struct("=HH")  # rtattr: length, type
ROUTE = struct.Struct("=BBBBBBBBI")  # rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags
NEXTHOP = struct.Struct("=HBBi")  # rtnexthop: length, flags, hops (weight - 1), ifindex
LINK = struct.Struct("=BxHiII")  # ifinfomsg: family, type, index, flags, change
ADDRESS = struct.Struct("=BBBBI")  # ifaddrmsg: family, prefix length, flags, scope, index
NEIGHBOUR = struct.Struct("=BxxxiHBB")  # ndmsg: family, ifindex, state, flags, type
U16, U32 = struct.Struct("=H"), struct.Struct("=I")

TYPE_MASK = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER


class Message(NamedTuple):
    """One message of an answer or a notification: `body` starts behind nlmsghdr."""

    kind: int
    flags: int
    sequence: int
    port: int
    body: bytes


def attribute(kind: int, value: bytes) -> bytes:
    """One rtattr, padded."""
    return ATTRIBUTE.pack(len(value) + 4, kind) + value + bytes(-len(value) % 4)


def u32(kind: int, value: int) -> bytes:
    """One rtattr that holds an unsigned 32-bit number."""
    return ATTRIBUTE.pack(8, kind) + U32.pack(value)


def text(kind: int, value: str) -> bytes:
    """One rtattr that holds a string, with its terminating zero."""
    return attribute(kind, value.encode() + b"\0")


def message(kind: int, flags: int, body: bytes, sequence: int = 0) -> bytes:
    """A whole message; NLM_F_REQUEST is added."""
    return HEADER.pack(16 + len(body), kind, flags | NLM_F_REQUEST, sequence, 0) + body


def messages(data: bytes) -> Iterator[Message]:
    """The messages of one datagram. What is cut short or lies about its length ends the walk."""
    at, end = 0, len(data)
    while at + 16 <= end:
        length, kind, flags, sequence, port = HEADER.unpack_from(data, at)
        if length < 16 or at + length > end:
            return
        yield Message(kind, flags, sequence, port, data[at + 16 : at + length])
        at += (length + 3) & ~3


def attributes(body: bytes, start: int = 0) -> Mapping[int, bytes]:
    """The rtattrs of `body` from `start` on, by type; the last one wins."""
    found: dict[int, bytes] = {}
    at, end = start, len(body)
    while at + 4 <= end:
        length, kind = ATTRIBUTE.unpack_from(body, at)
        if length < 4 or at + length > end:
            break
        found[kind & TYPE_MASK] = body[at + 4 : at + length]
        at += (length + 3) & ~3
    return found


def c_string(value: bytes) -> str:
    """The text of a string attribute; bytes that are no UTF-8 are shown escaped (interface names may hold any)."""
    return value.split(b"\0", 1)[0].decode(errors="backslashreplace")


def mac_text(value: bytes) -> str:
    """`ee:ee:ee:ee:ee:ee` for six bytes; "" for none."""
    return value.hex(":") if value else ""


def mac_bytes(mac: str) -> bytes:
    """The bytes of a hardware address in text; ValueError when it is none."""
    return bytes.fromhex(mac.replace(":", ""))
