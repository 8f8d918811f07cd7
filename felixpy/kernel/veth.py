"""Veth pairs: one end on the node, the other made straight inside another namespace, by one message.

The namespace is given as a descriptor, so no process ever enters it. The MAC of the node's end is part of the
creating message: pods hold a permanent neighbour entry for it and would otherwise fall silent for a moment.
"""

import asyncio
import errno
import os
from collections.abc import Collection
from dataclasses import dataclass

from felixpy.kernel.link_message import (
    IFF_UP,
    IFLA_ADDRESS,
    IFLA_GROUP,
    IFLA_IFNAME,
    IFLA_INFO_DATA,
    IFLA_INFO_KIND,
    IFLA_LINKINFO,
    IFLA_MTU,
    IFLA_NET_NS_FD,
    VETH_INFO_PEER,
)
from felixpy.kernel.links import Links
from felixpy.kernel.netlink import Netlink
from felixpy.kernel.rtnetlink import (
    LINK,
    NLM_F_CREATE,
    NLM_F_EXCL,
    RTM_DELLINK,
    RTM_NEWLINK,
    attribute,
    mac_bytes,
    message,
    text,
    u32,
)
from felixpy.model.errors import Refused
from felixpy.model.routes import Device

GROUPS_FROM = 0x0C000000  # group numbers that we use while deleting; people use small ones


@dataclass(frozen=True, slots=True)
class Veth:
    """A pair to be made. `namespace` is a descriptor of the namespace in which `peer` is to appear.

    With `up` False the node's end stays down, so that its settings (rp_filter, accept_dad) are in force before its
    first packet: duplicate address detection would hold up IPv6 to the pod for a second.
    """

    name: Device
    mac: str
    mtu: int  # bytes, of both ends
    peer: Device
    namespace: int
    peer_mac: str = ""  # "" lets the kernel choose
    up: bool = True


def create(netlink: Netlink, veth: Veth) -> None:
    """Make the pair. Refused when a name is taken (code EEXIST) or anything else."""
    peer = LINK.pack(0, 0, 0, 0, 0) + text(IFLA_IFNAME, veth.peer) + u32(IFLA_MTU, veth.mtu)
    peer += u32(IFLA_NET_NS_FD, veth.namespace)
    if veth.peer_mac:
        peer += attribute(IFLA_ADDRESS, mac_bytes(veth.peer_mac))
    info = text(IFLA_INFO_KIND, "veth") + attribute(IFLA_INFO_DATA, attribute(VETH_INFO_PEER, peer))
    body = (
        LINK.pack(0, 0, 0, IFF_UP if veth.up else 0, IFF_UP) + text(IFLA_IFNAME, veth.name) + u32(IFLA_MTU, veth.mtu)
    )
    body += attribute(IFLA_ADDRESS, mac_bytes(veth.mac)) + attribute(IFLA_LINKINFO, info)
    _do(netlink, veth.name, [message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body)])


@dataclass(frozen=True, slots=True)
class LinkChange:
    """What to set on a link; None leaves it as it is."""

    up: bool | None = None
    mac: str | None = None
    mtu: int | None = None
    name: Device | None = None


def change(netlink: Netlink, device: Device, wanted: LinkChange) -> None:
    """Set `wanted` on a link. Refused with the reason; code ENODEV when there is none of that name."""
    index = _index(netlink, device)
    flags, mask = (IFF_UP if wanted.up else 0, IFF_UP) if wanted.up is not None else (0, 0)
    body = LINK.pack(0, 0, index, flags, mask)
    if wanted.mac is not None:
        body += attribute(IFLA_ADDRESS, mac_bytes(wanted.mac))
    if wanted.mtu is not None:
        body += u32(IFLA_MTU, wanted.mtu)
    if wanted.name is not None:
        body += text(IFLA_IFNAME, wanted.name)
    _do(netlink, device, [message(RTM_NEWLINK, 0, body)])


async def delete(devices: Collection[Device]) -> None:
    """Delete links of this namespace, and their other ends; those that are gone already count as deleted.

    Deleting a link waits about 20 ms for the kernel's grace periods, so it is done in a thread. Several are put
    into one group and deleted by one message, which waits once for all: 0.5 ms each.
    """
    if devices:
        await asyncio.to_thread(_delete, list(devices))


def _delete(devices: list[Device]) -> None:
    netlink = Netlink()
    try:
        links = Links(netlink).by_name
        indexes = [links[device].index for device in devices if device in links]
        if len(indexes) > 1:
            taken = {link.group for link in links.values()}
            group = next(g for g in range(GROUPS_FROM + os.getpid(), GROUPS_FROM << 1) if g not in taken)
            marks = [message(RTM_NEWLINK, 0, LINK.pack(0, 0, i, 0, 0) + u32(IFLA_GROUP, group)) for i in indexes]
            request = message(RTM_DELLINK, 0, LINK.pack(0, 0, 0, 0, 0) + u32(IFLA_GROUP, group))
            requests = [*marks, request]
        else:
            requests = [message(RTM_DELLINK, 0, LINK.pack(0, 0, index, 0, 0)) for index in indexes]
        _do(netlink, ", ".join(devices), requests)
    finally:
        netlink.close()


def _index(netlink: Netlink, device: Device) -> int:
    link = Links.ask(netlink, device)
    if link is None:
        raise Refused(device, "there is no such device", errno.ENODEV)
    return link.index


def _do(netlink: Netlink, key: str, requests: list[bytes]) -> None:
    for failure in netlink.send(requests).values():
        if failure.code != errno.ENODEV or len(requests) == 1:
            raise failure.refused(key)
