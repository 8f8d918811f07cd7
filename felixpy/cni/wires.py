"""The kernel as an ADD and a DEL need it: make a pair, set up the pod's end, cut pairs without waiting for each."""

import asyncio
import errno
import re
import socket
from collections.abc import Collection, Iterator

from felixpy.desired.routes import local_key
from felixpy.kernel import pod_check, pod_side, veth
from felixpy.kernel.links import Links
from felixpy.kernel.neighbours import permanent_neighbours
from felixpy.kernel.netlink import Netlink
from felixpy.kernel.pod_side import PodSide
from felixpy.kernel.route_dump import look_up
from felixpy.kernel.veth import Veth
from felixpy.model.addresses import Address
from felixpy.model.errors import Refused
from felixpy.model.links import Link
from felixpy.model.routes import Device

HOST_MAC = "ee:ee:ee:ee:ee:ee"
DEFAULT_MTU = 1500
MTU_S = 5.0  # a burst of pods asks the kernel once
GATHER_S = 0.1  # how long cuts wait for company: the kernel waits 20 ms for one as for many, holding its lock


class Wires:
    """One per agent. `prefix` begins the names of pods' host interfaces."""

    def __init__(self, prefix: str = "cali") -> None:
        self._netlink = Netlink()
        self._prefix = prefix
        self._cutting: dict[Device, asyncio.Future[None]] = {}  # asked for, and not gone yet
        self._task: asyncio.Task[None] | None = None
        self._mtu, self._mtu_until, self._mtu_pattern = DEFAULT_MTU, 0.0, ""

    def link(self, device: Device) -> Link | None:
        """The link of that name, read now."""
        return Links.ask(self._netlink, device)

    def mtu(self, pattern: str) -> int:
        """The smallest MTU of the node's uplinks: interfaces that are up and hold an address others can reach.

        Of them those whose name matches `pattern` (mtuIfacePattern), all if none does: a container runtime's bridge
        has an address, too, and packets of pods never leave by it.
        """
        now = asyncio.get_running_loop().time()
        if now >= self._mtu_until or pattern != self._mtu_pattern:
            self._mtu, self._mtu_until, self._mtu_pattern = self._smallest_mtu(pattern), now + MTU_S, pattern
        return self._mtu

    def _smallest_mtu(self, pattern: str) -> int:
        links = Links(self._netlink)
        uplinks = {
            assigned.device
            for assigned in links.addresses()
            if not assigned.device.startswith((self._prefix, "lo")) and assigned.scope == 0
        }
        mtus = {name: link.mtu for name, link in links.by_name.items() if name in uplinks and link.up and link.mtu}
        matching = [mtu for name, mtu in mtus.items() if re.match(pattern, name)]
        return min(matching or mtus.values(), default=DEFAULT_MTU)

    async def make(self, wanted: Veth) -> None:
        """Make a pair; one of that name that is left over goes first. Refused with the kernel's reason."""
        if wanted.name in self._cutting:
            await asyncio.shield(self._cutting[wanted.name])
        try:
            veth.create(self._netlink, wanted)
        except Refused as refused:
            if refused.code != errno.EEXIST or self.link(wanted.name) is None:
                raise
            await self.cut(wanted.name)
            veth.create(self._netlink, wanted)

    def configure(self, inside: socket.socket, pod: PodSide) -> None:
        """Set up the pod's end by way of a socket of its namespace. Refused, naming the step."""
        pod_side.configure(Netlink(inside), pod)

    def pod_faults(self, inside: socket.socket, pod: PodSide, mac: str) -> tuple[str, ...]:
        """What of the pod's end is not as `configure` left it."""
        return pod_check.faults(Netlink(inside), pod, mac)

    def route_faults(self, device: Device, addresses: Collection[Address], mac: str) -> Iterator[str]:
        """What of the node's routes and neighbours for a pod's addresses is missing, or somebody else's."""
        keys = {address: local_key(address) for address in addresses}
        holders = look_up(self._netlink, list(keys.values()))
        for address, key in keys.items():
            routes = [found.route for found in holders.get(key, ())]
            if not any(route is not None and route.device == device for route in routes):
                held = ", ".join(found.holder for found in holders.get(key, ()))
                yield f"the node has no route to {address} on {device}" + (f": held by {held}" if held else "")
        entries = permanent_neighbours(self._netlink, device)
        for address in addresses:
            if mac and entries.get(address) != mac:
                yield f"the permanent neighbour entry {address} lladdr {mac} is missing on {device}"

    def cut(self, device: Device) -> "asyncio.Future[None]":
        """Delete the pair soon, together with others; awaiting the answer waits until it is gone."""
        if device not in self._cutting:
            self._cutting[device] = asyncio.get_running_loop().create_future()
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._cut_all(), name="delete pods' interfaces")
        return asyncio.shield(self._cutting[device])

    async def quiet(self) -> None:
        """Wait until everything that was to be cut is gone."""
        if self._task is not None:
            await self._task

    async def _cut_all(self) -> None:
        while self._cutting:
            await asyncio.sleep(GATHER_S)
            devices = list(self._cutting)
            try:
                await veth.delete(devices)
                fault = None
            except Refused as refused:
                fault = refused
            for device in devices:
                waiting = self._cutting.pop(device)
                if fault is not None and self.link(device) is not None:
                    waiting.set_exception(fault)
                    waiting.exception()  # whoever does not wait need not be told
                elif not waiting.done():
                    waiting.set_result(None)
