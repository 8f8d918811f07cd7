"""What a dump of routes says, read as cheaply as its size allows: only records that were not in the last dump are
decoded, and a dump that equals the last one is recognised by its digest.

Nothing is remembered about the kernel here that the kernel did not just say again, byte for byte.
"""

import asyncio
import socket
import struct
from collections.abc import Collection, Mapping
from hashlib import blake2b

from felixpy.kernel.netlink import Netlink, dumped
from felixpy.kernel.route_message import Found, decode
from felixpy.kernel.rtnetlink import FAMILY, HEADER, ROUTE, RTA_TABLE, RTM_GETROUTE, RTM_NEWROUTE, U32, u32
from felixpy.model.routes import Device, RouteKey

END_BYTES = 20  # NLMSG_DONE with its errno
FEW = 16  # destinations that are sought in the raw bytes of a dump before anything is decoded


def name_of(index: int) -> Device:
    """The name of the interface, or `if7` when it has just gone."""
    try:
        return Device(socket.if_indextoname(index))
    except OSError:
        return Device(f"if{index}")


def index_of(device: Device) -> int:
    """The index of the interface; KeyError when there is none of that name."""
    try:
        return socket.if_nametoindex(device)
    except (OSError, ValueError):
        raise KeyError(device) from None


def dump_routes(netlink: Netlink, family: int, protocol: int = 0, table: int = 0) -> list[bytes]:
    """The datagrams of a dump that the kernel filters: by protocol and by table where not 0."""
    body = ROUTE.pack(family, 0, 0, 0, 0, protocol, 0, 0, 0)
    return netlink.dump(RTM_GETROUTE, body + u32(RTA_TABLE, table) if table else body)


class RouteDump:
    """The routes of one family and one protocol: what is new and what is gone since the last look."""

    def __init__(self, netlink: Netlink, family: int, protocol: int) -> None:
        self._netlink, self._family, self._protocol = netlink, family, protocol
        self._digest = b""
        self._records: dict[bytes, Found | None] = {}
        self._names: dict[int, Device] = {}

    async def look(self) -> tuple[list[Found], list[Found]]:
        """Read the kernel; the routes that are new, and those that are gone, since the last call."""
        renamed = any(name_of(index) != name for index, name in self._names.items())
        chunks = dump_routes(self._netlink, self._family, self._protocol)
        digest = blake2b(digest_size=16)
        for chunk in chunks:
            digest.update(chunk)
        if digest.digest() == self._digest and not renamed:
            return [], []
        before = self._records
        if renamed:  # the same bytes now mean other routes
            self._names, before = {}, {}
        now: dict[bytes, Found | None] = {}
        come: list[Found] = []
        for chunk in chunks:
            found_in = bodies(chunk)
            now.update(zip(found_in, map(before.get, found_in), strict=True))
            for body in found_in:
                # A kernel without IPv6 answers for it with the routes of all families.
                if now[body] is None and body not in before and body[0] == self._family:
                    found = now[body] = decode(body, self._name)
                    if found is not None:
                        come.append(found)
            await asyncio.sleep(0)
        gone = [found for body, found in self._records.items() if found is not None and (renamed or body not in now)]
        self._records, self._digest = now, digest.digest()
        return come, gone

    def _name(self, index: int) -> Device:
        if index not in self._names:
            self._names[index] = name_of(index)
        return self._names[index]


def bodies(chunk: bytes) -> list[bytes]:
    """The bodies of the route messages in one datagram; at the speed of C where all have one length, as most do."""
    (size,) = U32.unpack_from(chunk)
    if HEADER.size <= size <= len(chunk) and not size % 4:
        count = len(chunk) // size
        words = memoryview(chunk)[: count * size].cast("I")
        sizes, kinds = words[:: size // 4].tolist(), words[1 :: size // 4].tolist()
        rest = len(chunk) - count * size  # nothing, or the end of the dump
        alike = sizes.count(size) == count and kinds.count(kinds[0]) == count and rest in (0, END_BYTES)
        if alike and kinds[0] & 0xFFFF == RTM_NEWROUTE:
            form = f"{HEADER.size}x{size - HEADER.size}s"
            return [body for (body,) in struct.iter_unpack(form, chunk[: count * size])]
    return list(dumped([chunk], RTM_NEWROUTE))


def look_up(netlink: Netlink, keys: Collection[RouteKey]) -> Mapping[RouteKey, list[Found]]:
    """Who holds these keys now, of any protocol. One dump for each family and table among them."""
    holders: dict[RouteKey, list[Found]] = {}
    for version, table in {(key.prefix.version, key.table) for key in keys}:
        sought = {key for key in keys if (key.prefix.version, key.table) == (version, table)}
        needles = {key.prefix.network_address.packed for key in sought if key.prefix.prefixlen}
        everywhere = len(needles) > FEW or any(not key.prefix.prefixlen for key in sought)
        for chunk in dump_routes(netlink, FAMILY[version], table=table):
            if not everywhere and not any(needle in chunk for needle in needles):
                continue
            for body in dumped([chunk], RTM_NEWROUTE):
                found = decode(body, name_of)
                if found is not None and found.key in sought:
                    holders.setdefault(found.key, []).append(found)
    return holders
