"""A nexthop object as rtnetlink says it (linux/nexthop.h), and back. Pure but for the device names.

An object is a gateway (one way out) or a group of gateways with weights. Routes that name a group by its id all
follow when the group changes, by one message.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

from felixpy.kernel.route_message import IndexOf, NameOf
from felixpy.kernel.rtnetlink import AF_UNSPEC, FAMILY, RTNH_F_ONLINK, U32, attribute, attributes, message, u32
from felixpy.model.addresses import IPv4Address, IPv6Address
from felixpy.model.routes import Hop

RTM_NEWNEXTHOP, RTM_DELNEXTHOP, RTM_GETNEXTHOP = 104, 105, 106
NHA_ID, NHA_GROUP, NHA_OIF, NHA_GATEWAY = 1, 2, 5, 6
OBJECT = struct.Struct("=BBBxI")  # nhmsg: family, scope, protocol, flags (RTNH_F_*)
MEMBER = struct.Struct("=IBBxx")  # nexthop_grp: id, weight - 1, its high byte (Linux 6.12)

Member = tuple[int, int]  # id, weight


class Found(NamedTuple):
    """An object in the kernel, anyone's: a gateway, a group, or neither (a blackhole, a bridge's)."""

    id: int
    protocol: int
    gateway: Hop | None = None
    members: tuple[Member, ...] = ()


def decode(body: bytes, name_of: NameOf) -> Found:
    """The object that an RTM_NEWNEXTHOP is about."""
    _, _, protocol, flags = OBJECT.unpack_from(body)
    found = attributes(body, OBJECT.size)
    (number,) = U32.unpack(found[NHA_ID])
    if NHA_GROUP in found:
        members = ((id_, 1 + low + (high << 8)) for id_, low, high in MEMBER.iter_unpack(found[NHA_GROUP]))
        return Found(number, protocol, members=tuple(members))
    packed = found.get(NHA_GATEWAY, b"")
    if len(packed) not in (4, 16) or NHA_OIF not in found:
        return Found(number, protocol)
    via = IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)
    return Found(number, protocol, Hop(via, name_of(*U32.unpack(found[NHA_OIF])), 1, bool(flags & RTNH_F_ONLINK)))


def gateway(number: int, hop: Hop, protocol: int, flags: int, index_of: IndexOf) -> bytes:
    """RTM_NEWNEXTHOP for one way out; its weight is the groups' affair. `flags` are NLM_F_*."""
    onlink = RTNH_F_ONLINK if hop.onlink else 0
    body = OBJECT.pack(FAMILY[hop.via.version], 0, protocol, onlink) + u32(NHA_ID, number)
    body += attribute(NHA_GATEWAY, hop.via.packed) + u32(NHA_OIF, index_of(hop.device))
    return message(RTM_NEWNEXTHOP, flags, body)


def group(number: int, members: Sequence[Member], protocol: int, flags: int) -> bytes:
    """RTM_NEWNEXTHOP for a group of gateways."""
    packed = b"".join(MEMBER.pack(id_, weight - 1 & 0xFF, weight - 1 >> 8) for id_, weight in members)
    body = OBJECT.pack(AF_UNSPEC, 0, protocol, 0) + u32(NHA_ID, number) + attribute(NHA_GROUP, packed)
    return message(RTM_NEWNEXTHOP, flags, body)


def erasing(number: int) -> bytes:
    """RTM_DELNEXTHOP; the kernel wants the rest of the header empty. Routes through it go along, without a word."""
    return message(RTM_DELNEXTHOP, 0, OBJECT.pack(AF_UNSPEC, 0, 0, 0) + u32(NHA_ID, number))


def listing() -> bytes:
    """The body of RTM_GETNEXTHOP for all of them."""
    return OBJECT.pack(AF_UNSPEC, 0, 0, 0)
