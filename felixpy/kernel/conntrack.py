"""Forget the connections of an address: the next pod that gets it must not inherit the last one's state.

Best effort: a kernel without connection tracking has nothing to forget. One message for each direction; the kernel
itself walks its table (CTA_FILTER, Linux 5.8, nf_conntrack_netlink.c).
"""

import errno
import socket
import struct

from felixpy.kernel.netlink import Failure, Netlink
from felixpy.kernel.rtnetlink import FAMILY, U32, attribute, message
from felixpy.model.addresses import Address
from felixpy.model.errors import Refused

NETLINK_NETFILTER = 12
CT_DELETE = 1 << 8 | 2  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE
NESTED = 0x8000
CTA_TUPLE_ORIG, CTA_FILTER, CTA_TUPLE_IP, CTA_FILTER_ORIG_FLAGS = 1, 25, 1, 1
CTA_IP_SOURCE, CTA_IP_DESTINATION = {4: 1, 6: 3}, {4: 2, 6: 4}
FILTER_SOURCE, FILTER_DESTINATION = 1 << 0, 1 << 1
NO_TRACKING = (errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOENT)


def forget(address: Address) -> None:
    """Delete all tracked connections from or to `address`. Refused when the kernel does not let us."""
    try:
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER)
    except OSError:
        return  # no netfilter in this kernel
    with sock:
        from_it = _deletion(address, CTA_IP_SOURCE[address.version], FILTER_SOURCE)
        to_it = _deletion(address, CTA_IP_DESTINATION[address.version], FILTER_DESTINATION)
        failures = Netlink(sock).send([from_it, to_it])
    for failure in failures.values():
        if failure.code not in NO_TRACKING:
            raise refused(address, failure)


def refused(address: Address, failure: Failure) -> Refused:
    """The kernel's no, as trouble."""
    return failure.refused(address, "connections")


def _deletion(address: Address, side: int, flags: int) -> bytes:
    addresses = attribute(NESTED | CTA_TUPLE_IP, attribute(side, address.packed))
    body = struct.pack("=BBH", FAMILY[address.version], 1, 0)  # nfgenmsg; version 1: mind the family
    body += attribute(NESTED | CTA_TUPLE_ORIG, addresses)
    body += attribute(NESTED | CTA_FILTER, attribute(CTA_FILTER_ORIG_FLAGS, U32.pack(flags)))
    return message(CT_DELETE, 0, body)
