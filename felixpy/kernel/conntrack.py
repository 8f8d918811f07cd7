"""Forget the connections of an address: the next pod that gets it must not inherit the last one's state.

Best effort: a kernel without connection tracking has nothing to forget.

IPv4: one message for each direction, and the kernel walks its table (CTA_FILTER, Linux 5.8). Not so for IPv6: there
the same filter forgets everybody else's connections and keeps ours (ctnetlink_filter_match_tuple in
nf_conntrack_netlink.c has the comparison the wrong way round, seen in Linux 6.18), so the IPv6 table is read and its
entries are named one by one.
"""

import errno
import socket
import struct
from collections.abc import Iterator

from felixpy.kernel.netlink import Netlink, dumped
from felixpy.kernel.rtnetlink import AF_INET6, FAMILY, U32, attribute, attributes, message
from felixpy.model.addresses import Address, IPv4Address
from felixpy.model.errors import Refused

NETLINK_NETFILTER = 12
CT_NEW, CT_GET, CT_DELETE = (1 << 8 | number for number in (0, 1, 2))  # NFNL_SUBSYS_CTNETLINK
NESTED = 0x8000
CTA_TUPLE_ORIG, CTA_ZONE, CTA_FILTER, CTA_TUPLE_IP, CTA_FILTER_ORIG_FLAGS = 1, 18, 25, 1, 1
CTA_IP_V4_SRC, CTA_IP_V4_DST, CTA_IP_V6_SRC, CTA_IP_V6_DST = 1, 2, 3, 4
FILTER_SOURCE, FILTER_DESTINATION = 1 << 0, 1 << 1
NO_TRACKING = (errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOENT)
NFGEN_BYTES = 4


def forget(address: Address) -> None:
    """Delete all tracked connections from or to `address`. Refused when the kernel does not let us."""
    try:
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER)
    except OSError:
        return  # no netfilter in this kernel
    with sock:
        netlink = Netlink(sock)
        try:
            deletions = _filtered(address) if isinstance(address, IPv4Address) else _named(netlink, address.packed)
            failures = netlink.send(list(deletions))
        except Refused as error:
            if error.code in NO_TRACKING:
                return
            raise
    for failure in failures.values():
        if failure.code not in NO_TRACKING:
            raise failure.refused(address, "connections")


def _filtered(address: IPv4Address) -> Iterator[bytes]:
    for side, flags in ((CTA_IP_V4_SRC, FILTER_SOURCE), (CTA_IP_V4_DST, FILTER_DESTINATION)):
        body = _nfgen(address.version) + attribute(
            NESTED | CTA_TUPLE_ORIG, attribute(NESTED | CTA_TUPLE_IP, attribute(side, address.packed))
        )
        body += attribute(NESTED | CTA_FILTER, attribute(CTA_FILTER_ORIG_FLAGS, U32.pack(flags)))
        yield message(CT_DELETE, 0, body)


def _named(netlink: Netlink, packed: bytes) -> Iterator[bytes]:
    """A deletion for each IPv6 entry whose original direction has the address at either end."""
    for body in dumped(netlink.dump(CT_GET, _nfgen(6)), CT_NEW):
        if packed not in body or body[0] != AF_INET6:
            continue
        found = attributes(body, NFGEN_BYTES)
        ends = attributes(attributes(found.get(CTA_TUPLE_ORIG, b"")).get(CTA_TUPLE_IP, b""))
        if packed in (ends.get(CTA_IP_V6_SRC), ends.get(CTA_IP_V6_DST)):
            zone = attribute(CTA_ZONE, found[CTA_ZONE]) if CTA_ZONE in found else b""
            yield message(CT_DELETE, 0, _nfgen(6) + attribute(NESTED | CTA_TUPLE_ORIG, found[CTA_TUPLE_ORIG]) + zone)


def _nfgen(version: int) -> bytes:
    """nfgenmsg: family, version 1 (mind the family), resource 0."""
    return struct.pack("=BBH", FAMILY[version], 1, 0)
