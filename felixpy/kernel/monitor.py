"""Changes that others make to links, addresses, routes and neighbours, as events on the asyncio loop.

A raw socket of its own, never used for requests. A classic BPF program in the kernel drops the notifications of our
own writing: without it 100,000 own routes overflow an 8 MiB buffer, with it they cost nothing.
"""

import asyncio
import ctypes
import errno
import socket
from collections import deque
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from enum import IntFlag
from itertools import accumulate, chain

from felixpy.kernel.events import (
    AddressChanged,
    KernelEvent,
    LinkChanged,
    Lost,
    NeighbourChanged,
    RouteChanged,
    SettingsChanged,
)
from felixpy.kernel.link_message import (
    NUD_DELAY,
    NUD_FAILED,
    NUD_PERMANENT,
    NUD_PROBE,
    NUD_REACHABLE,
    NUD_STALE,
    decode_address,
    decode_link,
    decode_neighbour,
)
from felixpy.kernel.netconf import INDEX_ALL, INDEX_DEFAULT, index_in, settings
from felixpy.kernel.netlink import SO_RCVBUFFORCE
from felixpy.kernel.route_dump import name_of
from felixpy.kernel.route_message import NameOf
from felixpy.kernel.route_message import decode as decode_route
from felixpy.kernel.rtnetlink import (
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_DELNEIGH,
    RTM_DELROUTE,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTM_NEWNEIGH,
    RTM_NEWNETCONF,
    RTM_NEWROUTE,
    Message,
    messages,
)
from felixpy.model.routes import Device

SO_ATTACH_FILTER = 26
BUFFER_BYTES = 8 << 20
BACKLOG = 1 << 16  # events that wait for a slow reader; beyond, reading everything again is cheaper
READ_BYTES = 1 << 16


class Groups(IntFlag):
    """What to listen to: RTMGRP_*. Links always come: without them no event knows its device's name."""

    LINK = 0x1
    NEIGHBOUR = 0x4
    IPV4_ADDRESS = 0x10
    IPV4_ROUTE = 0x40
    IPV6_ADDRESS = 0x100
    IPV6_ROUTE = 0x400
    IPV4_SETTINGS = 0x800000  # RTNLGRP_IPV4_NETCONF, 24
    IPV6_SETTINGS = 0x1000000  # RTNLGRP_IPV6_NETCONF, 25
    ADDRESS = IPV4_ADDRESS | IPV6_ADDRESS
    ROUTE = IPV4_ROUTE | IPV6_ROUTE
    SETTINGS = IPV4_SETTINGS | IPV6_SETTINGS
    ALL = LINK | NEIGHBOUR | ADDRESS | ROUTE  # without settings: only who keeps some needs them


class Monitor:
    """Bursts of events: `async for burst in monitor`, each a tuple of what came since the last one.

    `own` are the port ids whose route and neighbour changes are left out (links and addresses always come: we want
    to see what became of ours). `ignore` are protocol numbers of routes that are left out whoever writes them.
    `quiet` leaves out the states through which a neighbour that answers goes round and round.
    Lost is among the events when some did not fit; the monitor goes on.
    """

    def __init__(
        self,
        groups: Groups = Groups.ALL,
        own: Collection[int] = (),
        ignore: Collection[int] = (),
        *,
        quiet: bool = False,
    ) -> None:
        self._events: deque[KernelEvent] = deque()
        self._came = asyncio.Event()
        self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0)
        try:
            self._sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
        except PermissionError:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        _attach(self._sock, _program(own, ignore, quiet=quiet))
        self._sock.bind((0, int(groups | Groups.LINK)))
        self._names = {index: Device(name) for index, name in socket.if_nameindex()}
        asyncio.get_running_loop().add_reader(self._sock, self._readable)

    def __aiter__(self) -> AsyncIterator[tuple[KernelEvent, ...]]:
        return self._bursts()

    async def _bursts(self) -> AsyncIterator[tuple[KernelEvent, ...]]:
        while self._sock.fileno() >= 0:
            await self._came.wait()
            self._came.clear()
            burst = tuple(self._events)
            self._events.clear()
            if burst:
                yield burst

    def close(self) -> None:
        """Stop listening; the iteration ends."""
        if self._sock.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._sock)
            self._sock.close()
        self._came.set()

    def _readable(self) -> None:
        """Take what is there, but let the loop turn after a few hundred messages."""
        for _ in range(256):
            try:
                data = self._sock.recv(READ_BYTES)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self._lose()
                break
            self._events.extend(self._decoded(data))
        if len(self._events) > BACKLOG:
            self._lose()
        if self._events:
            self._came.set()

    def _lose(self) -> None:
        """Throw away what waits, here and in the kernel, and say so.

        A congested socket is given nothing more, without another word, until its queue is empty
        (NETLINK_S_CONGESTED in af_netlink.c): Lost before that would be followed by silent losses.
        """
        while True:
            try:
                self._sock.recv(READ_BYTES)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
        self._events.clear()
        self._events.append(Lost())

    def _decoded(self, data: bytes) -> Iterator[KernelEvent]:
        """The events in one datagram; what is none of ours to know (bridges' own, other families) gives none."""
        for message in messages(data):
            decode = DECODE.get(message.kind)
            event = decode and decode(message, self._name)
            if isinstance(event, LinkChanged):
                self._names[event.link.index] = event.name  # kept when it is gone: events about it may follow
            if event is not None:
                yield event

    def _name(self, index: int) -> Device:
        return self._names.get(index) or name_of(index)


def _link(message: Message, _: NameOf) -> KernelEvent | None:
    link = decode_link(message.body)
    return None if link is None else LinkChanged(link, message.kind == RTM_DELLINK)


def _address(message: Message, name: NameOf) -> KernelEvent | None:
    on = decode_address(message.body)
    return None if on is None else AddressChanged(name(on.index), on.address, message.kind == RTM_DELADDR)


def _route(message: Message, name: NameOf) -> KernelEvent | None:
    found = decode_route(message.body, name)
    return None if found is None else RouteChanged(found.key, found.protocol, message.kind == RTM_DELROUTE)


def _neighbour(message: Message, name: NameOf) -> KernelEvent | None:
    entry = decode_neighbour(message.body)
    if entry is None:
        return None
    reachable = message.kind == RTM_NEWNEIGH and bool(entry.state & (NUD_REACHABLE | NUD_PERMANENT))
    gone = message.kind == RTM_DELNEIGH
    failed = bool(entry.state & NUD_FAILED) and not gone
    return NeighbourChanged(name(entry.index), entry.address, reachable, failed, gone)


def _settings(message: Message, name: NameOf) -> KernelEvent | None:
    index = index_in(message.body)
    device = {INDEX_ALL: Device("all"), INDEX_DEFAULT: Device("default")}.get(index) or name(index)
    found = tuple(settings(message.body, device))
    return SettingsChanged(found) if found else None


DECODE = {
    RTM_NEWLINK: _link, RTM_DELLINK: _link, RTM_NEWADDR: _address, RTM_DELADDR: _address,
    RTM_NEWROUTE: _route, RTM_DELROUTE: _route, RTM_NEWNEIGH: _neighbour, RTM_DELNEIGH: _neighbour,
    RTM_NEWNETCONF: _settings,
}  # fmt: skip

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, operand
LOAD_WORD, LOAD_HALF, LOAD_BYTE, JUMP, JUMP_EQUAL, RETURN = 0x20, 0x28, 0x30, 0x05, 0x15, 0x06
KIND_AT, PORT_AT = 4, 12  # in nlmsghdr; behind it rtm_protocol in the rtmsg, ndm_state in the ndmsg
PROTOCOL_AT, STATE_AT = 16 + 5, 16 + 8
PASSING = (NUD_REACHABLE, NUD_STALE, NUD_DELAY, NUD_PROBE)  # the round of a neighbour that answers


def _program(own: Collection[int], ignore: Collection[int], *, quiet: bool) -> list[Instruction]:
    """The filter. BPF loads are big-endian and netlink is in host order, so the operands are swapped.

    if type is route: drop if rtm_protocol is in `ignore`; if it is a neighbour's new state and we are `quiet`: drop
    if it is a passing one; if route or neighbour: drop if port id is in `own`.
    """
    kinds = {RTM_NEWROUTE: "route", RTM_DELROUTE: "route", RTM_NEWNEIGH: "neighbour", RTM_DELNEIGH: "port"}
    states = map(socket.htons, PASSING if quiet else ())
    return _assembled(
        {
            "kind": [(LOAD_HALF, KIND_AT), *((socket.htons(kind), to) for kind, to in kinds.items()), "accept"],
            "route": [(LOAD_BYTE, PROTOCOL_AT), *((protocol, "drop") for protocol in ignore), "port"],
            "neighbour": [(LOAD_HALF, STATE_AT), *((state, "drop") for state in states), "port"],
            "port": [(LOAD_WORD, PORT_AT), *((port, "drop") for port in map(socket.htonl, own)), "accept"],
            "accept": [(RETURN, 0xFFFFFFFF)],
            "drop": [(RETURN, 0)],
        }
    )


Line = tuple[int, int] | tuple[int, str] | str


def _assembled(blocks: Mapping[str, Sequence[Line]]) -> list[Instruction]:
    """Instructions of named blocks: `(code, operand)`, `(value, block to go to if equal)`, `block to go to`."""
    starts = dict(zip(blocks, accumulate(map(len, blocks.values()), initial=0), strict=False))
    program: list[Instruction] = []
    for line in chain.from_iterable(blocks.values()):
        after = len(program) + 1
        if isinstance(line, str):
            program.append((JUMP, 0, 0, starts[line] - after))
            continue
        first, second = line
        if isinstance(second, str):
            program.append((JUMP_EQUAL, starts[second] - after, 0, first))
        else:
            program.append((first, 0, 0, second))
    return program


class _Filter(ctypes.Structure):
    _fields_ = (("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.POINTER(_Filter)))


def _attach(sock: socket.socket, program: Collection[Instruction]) -> None:
    instructions = (_Filter * len(program))(*(_Filter(*each) for each in program))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, bytes(_Program(len(program), instructions)))
