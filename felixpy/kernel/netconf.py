"""Settings of interfaces that the kernel tells about when they change: rtnetlink's netconf messages. Pure.

The kernel tells of a few settings only (linux/netconf.h). A write through /proc/sys carries no port id, so our own
come back as well: whoever reads this compares values.
"""

import struct
from collections.abc import Iterator

from felixpy.kernel.rtnetlink import AF_INET, AF_INET6, attributes
from felixpy.model.routes import Device
from felixpy.model.sysctls import Sysctl, SysctlKey

NETCONFA_IFINDEX = 1
INDEX_ALL, INDEX_DEFAULT = -1, -2
HEADER_BYTES = 4  # netconfmsg is one byte, padded
NUMBER = struct.Struct("=i")

# By family: attribute -> the file below net/ipv4/conf/<device> or net/ipv6/conf/<device>.
FILES = {
    AF_INET: {2: "forwarding", 3: "rp_filter", 5: "proxy_arp", 6: "ignore_routes_with_linkdown"},
    AF_INET6: {2: "forwarding", 5: "proxy_ndp", 6: "ignore_routes_with_linkdown"},
}
FOLDERS = {AF_INET: "net/ipv4/conf", AF_INET6: "net/ipv6/conf"}
IP_FORWARD = SysctlKey("net/ipv4/ip_forward")  # one and the same setting as net/ipv4/conf/all/forwarding


def index_in(body: bytes) -> int:
    """Which interface a message is about: its index, -1 for `all`, -2 for `default`; 0 when it does not say."""
    found = attributes(body, HEADER_BYTES).get(NETCONFA_IFINDEX, b"")
    return int(NUMBER.unpack(found)[0]) if len(found) == NUMBER.size else 0


def settings(body: bytes, device: Device) -> Iterator[Sysctl]:
    """The settings in a message about `device` (or `all`, `default`) that have a file in /proc/sys."""
    family = body[0] if body else 0
    for kind, value in attributes(body, HEADER_BYTES).items():
        file = FILES.get(family, {}).get(kind)
        if file is None or len(value) != NUMBER.size:
            continue
        text = str(NUMBER.unpack(value)[0])
        yield Sysctl(SysctlKey(f"{FOLDERS[family]}/{device}/{file}"), text)
        if (family, device, file) == (AF_INET, "all", "forwarding"):
            yield Sysctl(IP_FORWARD, text)
