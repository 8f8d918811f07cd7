"""Join: what the kernel says about this node besides our own routes, as policy and next hops need it."""

import errno
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from birdpy.policy.guard import Here
from birdpy.rib.next_hops import Ground
from felixpy.history.events import TURNED, Cause
from felixpy.kernel.events import KernelEvent, LinkChanged, NeighbourChanged
from felixpy.kernel.owners import PROTOCOL_FELIX
from felixpy.model.addresses import Address
from felixpy.model.fib import ConnectedRoutes
from felixpy.model.links import AssignedAddress, Link
from felixpy.model.neighbours import NeighbourKey
from felixpy.model.routes import Device, Hop, Route, RouteKey
from felixpy.reconcile.table import Outcome

NO_GATEWAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EINVAL)  # "Nexthop has invalid gateway"

NEVER = ("cali*", "kube-ipvs*")  # as in Calico's own configuration of BIRD

MOVED = Cause("ground moved", why="another route or address of this node changed")

Gateway = tuple[Address, Device]
T = TypeVar("T", Gateway, Device)


@dataclass(slots=True)
class Surroundings:
    """The kernel as of the last look, and what events have told since."""

    routes: ConnectedRoutes = field(default_factory=ConnectedRoutes)
    addresses: Collection[AssignedAddress] = ()
    down: set[Device] = field(default_factory=set)
    failed: set[Gateway] = field(default_factory=set)
    forced: set[Gateway] = field(default_factory=set)  # the kernel refused these gateways without onlink

    ignored: tuple[str, ...] = ()  # patterns of interfaces whose subnets no next hop is looked for in
    devices: frozenset[Device] = frozenset()  # that next hops may be reached over
    returned: set[Gateway | Device] = field(default_factory=set)  # what is back, and nobody has looked yet
    told: tuple[frozenset[Device], frozenset[Gateway]] = (frozenset(), frozenset())  # `down` and `failed` of `news`
    _firm: ConnectedRoutes = field(init=False)  # `routes` without those of interfaces that are ignored
    _beside: ConnectedRoutes = field(init=False)  # those

    def __post_init__(self) -> None:
        self._divide()

    def links(self, links: Mapping[Device, Link]) -> None:
        """These are all the links."""
        self.down = {name for name, link in links.items() if not (link.up and link.carrier)}

    def look(self, routes: ConnectedRoutes, addresses: Collection[AssignedAddress]) -> None:
        """This is what the kernel holds now."""
        self.routes, self.addresses = routes, addresses
        self._divide()
        self.forced.clear()  # whatever the kernel refused before, it may take now
        found = {way.device for ways in routes.ways.values() for way in ways if way.protocol != PROTOCOL_FELIX}
        self.devices = frozenset(device for device in found if device is not None)

    def ignore(self, patterns: tuple[str, ...]) -> bool:
        """These are BGPConfiguration's ignoredInterfaces; whether that moves the ground of next hops."""
        before, self.ignored = self.ignored, patterns
        if before != patterns:
            self._divide()
        return before != patterns

    def _divide(self) -> None:
        self._beside = self.routes.on((*NEVER, *self.ignored))
        self._firm = self.routes.without(self._beside)

    def after(self, event: KernelEvent) -> bool:
        """Take in what needs no second look; whether the ground of next hops moved."""
        match event:
            case LinkChanged(link, gone):
                return self._turned(self.down, link.name, bad=gone or not (link.up and link.carrier))
            case NeighbourChanged(device, address, reachable, failed, forgotten):
                if failed or reachable or forgotten:  # else it is only being asked
                    return self._turned(self.failed, (address, device), bad=failed) and device in self.devices
        return False

    def answered(self, keys: Iterable[NeighbourKey]) -> bool:
        """These neighbours are there; whether that is news."""
        news = [self._turned(self.failed, (key.address, key.device), bad=False) for key in keys]
        return any(news)

    def _turned(self, known: set[T], item: T, *, bad: bool) -> bool:
        if bad == (item in known):
            return False
        (known.add if bad else known.discard)(item)
        if not bad:
            self.returned.add(item)
        return True

    def force_onlink(self, outcome: Outcome[RouteKey, Route]) -> bool:
        """Remember the gateways that the kernel refused although a device route leads to them; whether there are any.

        Only those: behind a router, onlink would make the kernel ask for a host that is not on the wire.
        """
        before = len(self.forced)
        for key, refused in outcome.refused.items():
            route = outcome.plan.write.get(key)
            if route is not None and refused.code in NO_GATEWAY:
                self.forced |= {(hop.via, hop.device) for hop in route.hops if self._on_device(hop)}
        return len(self.forced) > before

    def _on_device(self, hop: Hop) -> bool:
        ways = self.routes.covering(hop.via)
        return any(way.device == hop.device and way.gateway is None for way in ways)

    def ground(self) -> Ground:
        """What next hops are resolved on."""
        return Ground(
            self._firm, frozenset(self.down), frozenset(self.failed), frozenset(self.forced), ignored=self._beside
        )

    def news(self) -> Cause:
        """What is down or back since this was asked last."""
        (down, failed), self.told = self.told, (frozenset(self.down), frozenset(self.failed))
        words = [f"{device} down" for device in sorted(self.down - down)]
        words += [f"{device} up" for device in sorted(down - self.down)]
        words += [f"{via} dev {device} lost" for via, device in sorted(self.failed - failed, key=str)]
        words += [f"{via} dev {device} back" for via, device in sorted(failed - self.failed, key=str)]
        return Cause(TURNED, why=", ".join(words)) if words else MOVED

    def here(self, api_servers: tuple[Address, ...]) -> Here:
        """What import's guard protects."""
        return Here(self.routes, frozenset(each.address for each in self.addresses), api_servers)
