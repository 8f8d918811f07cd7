"""What all kernels of the lab hold, read from outside, and where a packet would go: it needs no living daemon.

A look takes some 20 ms for all nodes; what seems wrong counts only when the next look finds it again.
"""

import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import TypeVar

from felixpy.kernel.netlink import Netlink, dumped
from felixpy.kernel.route_dump import dump_routes
from felixpy.kernel.route_message import ways
from felixpy.kernel.rtnetlink import (
    AF_INET,
    ROUTE,
    RTA_DST,
    RTA_PRIORITY,
    RTM_NEWROUTE,
    RTN_LOCAL,
    RTN_UNICAST,
    RTNH_F_DEAD,
    RTNH_F_LINKDOWN,
    U32,
    attributes,
)
from felixpy.lab import namespaces
from felixpy.model.errors import Trouble

MAIN, LOCAL = 254, 255
POD_PROTOCOL = 80
BLOCK_LENGTH = 26
T = TypeVar("T")


def inside(netns: str, work: Callable[[], T]) -> T:
    """The result of `work`, done in a thread within the network namespace at that path."""
    answers: list[T] = []

    def run() -> None:
        held = os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if not namespaces.LIBC.setns(held, namespaces.CLONE_NEWNET):
                answers.append(work())
        finally:
            os.close(held)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if not answers:
        raise OSError(f"the network namespace {netns} cannot be entered")
    return answers[0]


def netlink_of(pid: int) -> Netlink:
    """A socket for requests to the kernel in that process's namespace."""
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    return Netlink(inside(f"/proc/{pid}/ns/net", lambda: socket.socket(socket.AF_NETLINK, kind, 0)))


@dataclass(frozen=True, slots=True)
class Entry:
    """One route: the gateways that are usable; `device` for one that leads straight onto a device."""

    metric: int
    protocol: int
    vias: tuple[int, ...] = ()
    device: int = 0
    drops: bool = False


@dataclass(slots=True)
class Table:
    """The main table of one node, by prefix length, and the node's own addresses."""

    routes: dict[int, dict[int, Entry]] = field(default_factory=dict)
    own: set[int] = field(default_factory=set)

    def entry(self, address: int) -> Entry | None:
        """The longest match."""
        for length in sorted(self.routes, reverse=True):
            found = self.routes[length].get(address >> (32 - length) if length else 0)
            if found is not None:
                return found
        return None

    def pods(self) -> set[int]:
        """The addresses that lead onto a device of felixpy's."""
        return {
            at for at, entry in self.routes.get(32, {}).items() if entry.protocol == POD_PROTOCOL and entry.device
        }

    def single(self) -> list[int]:
        """Learned routes to blocks that have one way only, for which there should be two."""
        return [entry.vias[0] for entry in self.routes.get(BLOCK_LENGTH, {}).values() if len(entry.vias) == 1]


def read(netlink: Netlink) -> Table:
    """One kernel, now."""
    found = Table()
    for table in (MAIN, LOCAL):
        for body in dumped(dump_routes(netlink, AF_INET, table=table), RTM_NEWROUTE):
            _, length, _, _, _, protocol, _, kind, flags = ROUTE.unpack_from(body)
            told = attributes(body, ROUTE.size)
            address = int.from_bytes(told.get(RTA_DST, b""), "big")
            if table == LOCAL:
                if kind == RTN_LOCAL and length == 32:
                    found.own.add(address)
                continue
            metric = U32.unpack(told[RTA_PRIORITY])[0] if RTA_PRIORITY in told else 0
            live = [way for way in ways(told, flags) if not way.flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)]
            vias = tuple(sorted(int(way.via) for way in live if way.via is not None))
            device = next((way.on for way in live if way.via is None), 0)
            entry = Entry(metric, protocol, vias, device, drops=kind != RTN_UNICAST)
            held = found.routes.setdefault(length, {})
            place = address >> (32 - length) if length else 0
            if place not in held or metric < held[place].metric:
                held[place] = entry
    return found


@dataclass(frozen=True, slots=True)
class Look:
    """All tables of one moment, and who holds which address."""

    tables: Mapping[str, Table]
    holders: Mapping[int, str]

    @classmethod
    def of(cls, tables: Mapping[str, Table]) -> "Look":
        """Work out the holders; loopbacks are nobody's."""
        holders = {at: name for name, table in tables.items() for at in table.own if at >> 24 != 127}
        return cls(tables, holders)

    def ends(self, start: str, address: int, seen: tuple[str, ...] = ()) -> Iterator[str]:
        """How each way of a packet from `start` ends: `at NODE`, `lost at NODE`, `loop ...`, `strays to NODE`."""
        if start in seen:
            yield f"loop {' '.join((*seen, start))}"
            return
        entry = self.tables[start].entry(address)
        if entry is not None and entry.device and entry.protocol == POD_PROTOCOL:
            yield f"at {start}"
        elif entry is None or entry.drops or not entry.vias:
            yield f"lost at {start}"
        else:
            for via in entry.vias:
                next_node = self.holders.get(via)
                if next_node is None:
                    yield f"lost behind {start}"  # towards a node that is gone
                else:
                    yield from self.ends(next_node, address, (*seen, start))


def doubled(look: Look) -> list[str]:
    """Addresses that two nodes think they have a pod for."""
    seen: dict[int, str] = {}
    found = []
    for name, table in look.tables.items():
        for at in table.pods():
            if at in seen:
                found.append(f"{IPv4Address(at)} is doubled: on {seen[at]} and on {name}")
            seen[at] = name
    return found


def faults(look: Look, homes: Mapping[int, str], nodes: frozenset[str]) -> tuple[list[str], list[str]]:
    """What must never be (loops, packets that stray to a node which has not the pod, doubled addresses), and what may
    be for a moment (packets that are lost on their way). `homes`: the node of each pod by address."""
    wrong, lost = doubled(look), []
    for start in look.tables:
        for address, home in homes.items():
            for end in look.ends(start, address):
                text = f"{start} to {IPv4Address(address)} of {home}: {end}"
                what, _, where = end.partition(" ")
                stray = what == "lost" and (last := where.split()[-1]) != home and last != start and last in nodes
                if what == "loop" or stray or (what == "at" and where != home):
                    wrong.append(text)
                elif what == "lost":
                    lost.append(text)
    return wrong, lost


def look(sockets: Mapping[str, Netlink]) -> Look:
    """Read them all; a node that goes meanwhile is left out."""
    tables = {}
    for name, each in sockets.items():
        try:
            tables[name] = read(each)
        except (OSError, Trouble):
            continue
    return Look.of(tables)
