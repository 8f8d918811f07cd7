"""Join: the four tables that felixpy keeps in the kernel, and what a notification puts in doubt."""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from felixpy.desired.endpoints import LocalEndpoint
from felixpy.desired.routes import local_key
from felixpy.desired.state import Rows, State
from felixpy.desired.sysctls import accept_ra
from felixpy.model.neighbours import Neighbour, NeighbourKey
from felixpy.model.routes import Device, Route, RouteKey
from felixpy.model.status import RefusedStatus
from felixpy.model.sysctls import Sysctl, SysctlKey
from felixpy.reconcile.settle import Settler
from felixpy.reconcile.table import Outcome, Table

K = TypeVar("K")
V = TypeVar("V")
NO_DEVICE = Device("")


@dataclass(frozen=True, slots=True)
class Tables:
    """The kernel, as far as felixpy writes it. In tests each is a MemoryTable."""

    routes: Table[RouteKey, Route]
    doubt_routes: Callable[[Collection[RouteKey]], None]  # someone else may have taken these keys
    neighbours: Table[NeighbourKey, Neighbour]
    macs: Table[Device, str]
    sysctls: Table[SysctlKey, Sysctl]
    ask_sysctls: Callable[[Mapping[SysctlKey, Sysctl]], None] = lambda _: None  # which ones to read


class Holdings:
    """Each table with what is wanted of it."""

    def __init__(self, tables: Tables, resync_s: float = 90.0) -> None:
        self._ask_sysctls = tables.ask_sysctls
        self.passed: Callable[[str, Outcome[Any, Any]], None] = lambda _table, _outcome: None  # hears of every pass
        self.resync_s = period = resync_s or math.inf  # 0: never
        self.routes = Settler(tables.routes, resync_s=period, doubt=tables.doubt_routes)
        self.neighbours = Settler(tables.neighbours, resync_s=period)
        self.macs = Settler(tables.macs, resync_s=period)
        self.sysctls = Settler(tables.sysctls, resync_s=period)
        self._state = State()
        self._served: dict[str, LocalEndpoint] = {}
        self._devices: dict[Device, LocalEndpoint] = {}

    def tables(self) -> Iterator[tuple[str, Settler[Any, Any]]]:
        """By name, in the order in which they are settled: a route last, when all that it needs is there."""
        yield "sysctls", self.sysctls
        yield "macs", self.macs
        yield "neighbours", self.neighbours
        yield "routes", self.routes

    def want(self, state: State) -> tuple[LocalEndpoint, ...]:
        """Everything that should be; the endpoints that are new or changed. Only their rows are worked out again."""
        before, self._state = self._state, state
        served = {endpoint.name: endpoint for endpoint in state.endpoints.served}
        if (before.ipv6, before.routed) != (state.ipv6, state.routed):
            gone, come = tuple(self._served.values()), state.endpoints.served
        else:
            gone = tuple(differing(self._served, served))
            come = tuple(differing(served, self._served))
        self._change(before.rows_of(gone), state.rows_of(come))
        self._swap(self.sysctls, before.of_node, state.of_node)
        self._served = served
        self._devices = {endpoint.device: endpoint for endpoint in state.endpoints.served}
        return come

    def _change(self, old: Rows, new: Rows) -> None:
        self._swap(self.routes, old.routes, new.routes)
        self._swap(self.neighbours, old.neighbours, new.neighbours)
        self._swap(self.macs, old.macs, new.macs)
        self._swap(self.sysctls, old.sysctls, new.sysctls)

    @staticmethod
    def _swap(settler: Settler[K, V], old: Mapping[K, V], new: Mapping[K, V]) -> None:
        for key in old.keys() - new.keys():
            settler.drop(key)
        for key, value in new.items():
            settler.put(key, value)

    def due_at(self) -> float:
        """When there is something to do; 0 for now."""
        return min(settler.due_at() for _, settler in self.tables())

    async def settle(self, now: float, *, may_erase: bool) -> dict[str, Outcome[Any, Any]]:
        """One pass over the tables that need one; what was tried, by table. Unreachable when the kernel is not."""
        outcomes = {}
        if self.sysctls.reads(now):
            self._ask_sysctls(self.sysctls.desired)
        for name, settler in self.tables():
            if settler.due_at() <= now or may_erase != settler.may_erase:
                outcomes[name] = await settler.settle(now, may_erase=may_erase)
                self.passed(name, outcomes[name])
        return outcomes

    def resync(self) -> None:
        """Notifications were lost: read everything again."""
        for _, settler in self.tables():
            settler.resync()

    def device_ready(self, device: Device) -> None:
        """The interface went up or got a carrier: the kernel took nothing away, and takes what it refused before."""
        endpoint = self._devices.get(device)
        if endpoint is not None:
            keys = keys_of(endpoint)
            self.routes.again(self.routes.refused(keys.routes))
            self.neighbours.again(self.neighbours.refused(keys.neighbours))

    def device_changed(self, device: Device, *, fresh: bool) -> None:
        """The interface came (`fresh`), went or went down: the kernel may have removed what was on it."""
        endpoint = self._devices.get(device)
        if endpoint is None:
            return
        keys = keys_of(endpoint)
        self.routes.excuse(keys.routes)
        self.neighbours.excuse(keys.neighbours)
        if fresh:  # the kernel keeps settings while a link is down
            self.macs.again(self.macs.refused((device,)))  # while it was not there
            self.sysctls.again(key for key in self.sysctls.desired if device_of(key) == device)

    def route_changed(self, key: RouteKey, now: float, *, ours: bool, gone: bool) -> None:
        """Someone else wrote or removed a route; `ours` when it has our protocol."""
        if gone and not ours and key in self.routes.desired:
            self.routes.excuse([key])  # whoever was in the way of ours has left
        elif key in self.routes.desired or (ours and not gone):
            self.routes.changed([key], now)

    def neighbour_changed(self, key: NeighbourKey) -> None:
        """Someone else wrote or removed an entry for an address of ours."""
        if key in self.neighbours.desired:
            self.neighbours.resync()

    def mac_seen(self, device: Device, mac: str, now: float) -> None:
        """An interface has this MAC now."""
        if device in self.macs.desired:
            self.macs.seen(device, mac, now)

    def settings_told(self, settings: Iterable[Sysctl], value: Callable[[SysctlKey], str | None], now: float) -> None:
        """The kernel told values of settings. The news may be older than our own last write, so `value` looks."""
        for told in settings:
            wanted = self.sysctls.desired.get(told.key)
            if wanted is not None and wanted.value != told.value:
                actual = value(told.key)
                if actual is not None:
                    self.sysctls.seen(told.key, Sysctl(told.key, actual), now)

    def guarded(self, devices: Iterable[Device]) -> frozenset[Device]:
        """Those of `devices` whose advertised default route survives IPv6 forwarding (accept_ra is 2)."""
        held = ((device, self.sysctls.held.get(accept_ra(device))) for device in devices)
        return frozenset(device for device, sysctl in held if sysctl is not None and sysctl.value == "2")

    def contested(self, now: float) -> dict[tuple[str, str], str]:
        """The keys that someone else keeps changing: the reason by table and key."""
        return {
            (name, readable(key)): standing.refused.reason
            for name, settler in self.tables()
            for key, standing in settler.troubles(now)
            if standing.contested
        }

    def reasons(self, now: float) -> dict[str, tuple[str, ...]]:
        """Why endpoints are not served in full, by their name."""
        reasons: dict[str, tuple[str, ...]] = {}
        for _, settler in self.tables():
            for key, standing in settler.troubles(now):
                endpoint = self._devices.get(self._device_of(key))
                if endpoint is not None:
                    reasons[endpoint.name] = (*reasons.get(endpoint.name, ()), str(standing.refused))
        return reasons

    def _device_of(self, key: object) -> Device:
        """The interface that a row is about; "" for none of ours."""
        match key:
            case RouteKey():
                route = self.routes.desired.get(key)
                return route.device if route is not None and route.device is not None else NO_DEVICE
            case NeighbourKey(device, _):
                return device
            case SysctlKey():
                return device_of(key)
            case _:
                return Device(str(key))

    def refused(self, now: float) -> tuple[RefusedStatus, ...]:
        """Every key that is not as wanted, for status."""
        return tuple(
            RefusedStatus(
                table=name,
                key=readable(key),
                reason=standing.refused.reason,
                retry_in_s=None if standing.retry_at == math.inf else round(max(standing.retry_at - now, 0.0), 3),
            )
            for name, settler in self.tables()
            for key, standing in settler.troubles(now)
        )


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that one endpoint puts into the tables."""

    routes: tuple[RouteKey, ...]
    neighbours: tuple[NeighbourKey, ...]


def differing(one: Mapping[str, LocalEndpoint], other: Mapping[str, LocalEndpoint]) -> Iterator[LocalEndpoint]:
    """The endpoints of `one` that `other` has not, or has with another content."""
    for name, endpoint in one.items():
        there = other.get(name)
        if there is not endpoint and there != endpoint:  # most are the same object: that is cheap to see
            yield endpoint


def device_of(key: SysctlKey) -> Device:
    """The interface that a setting is about: the fourth part of `net/ipv4/conf/cali0123/rp_filter`."""
    return Device((*key.path.split("/"), "", "", "")[3])


def keys_of(endpoint: LocalEndpoint) -> Keys:
    """Its routes' and neighbours' keys."""
    return Keys(
        tuple(local_key(address) for address in endpoint.addresses),
        tuple(NeighbourKey(endpoint.device, address) for address in endpoint.addresses),
    )


def readable(key: object) -> str:
    """A key as a person writes it."""
    match key:
        case RouteKey(prefix):
            return str(prefix)
        case NeighbourKey(device, address):
            return f"{address} dev {device}"
        case SysctlKey(path):
            return path
        case _:
            return str(key)
