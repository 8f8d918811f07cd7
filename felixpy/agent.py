"""Join: the loop. Follow the datastore and the kernel, and settle the kernel: level-triggered, one pass at a time.

However many events come during a pass, they are one next pass over the latest state. Nothing is erased before the
datastore has listed everything once. A datastore that goes away leaves everything as it is known. Ending, in
whatever way, changes nothing in the kernel.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import ip_network

from felixpy.daemon.lag import Lag
from felixpy.daemon.logs import Log
from felixpy.daemon.remarks import Remarks
from felixpy.datastore.source import Datastore
from felixpy.desired.endpoints import Endpoints, LocalEndpoint, Unserved, claimed
from felixpy.desired.state import Circumstances, State, felix_configuration, state_of
from felixpy.holdings import Holdings
from felixpy.kernel.events import (
    AddressChanged,
    KernelEvent,
    LinkChanged,
    Lost,
    NeighbourChanged,
    RouteChanged,
    SettingsChanged,
)
from felixpy.local import LocalEndpoints
from felixpy.model.addresses import Address, contains
from felixpy.model.errors import Unreachable
from felixpy.model.links import Link
from felixpy.model.neighbours import NeighbourKey
from felixpy.model.resources import FelixConfiguration, IPPool, Node, Resource, Spec, WorkloadEndpoint
from felixpy.model.routes import Device, Route, RouteKey
from felixpy.model.snapshot import Listed, Snapshot
from felixpy.model.sysctls import SysctlKey
from felixpy.progress import Passed, Progress
from felixpy.reconcile.table import Outcome
from felixpy.story import Story

NEEDED: tuple[type[Spec], ...] = (WorkloadEndpoint, FelixConfiguration)  # what the kernel's state is made of
WATCHED: tuple[type[Spec], ...] = (*NEEDED, Node, IPPool)
DEFAULT_IPV6 = ip_network("::/0")
RETRY_S = 1.0  # while the kernel does not answer
RECONNECT_S = (0.5, 30.0)  # first and greatest wait before the datastore is tried again


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the agent is given: everything that touches the world is made outside."""

    datastore: Datastore
    holdings: Holdings
    events: AsyncIterator[tuple[KernelEvent, ...]]
    advertised: Callable[[], frozenset[Device]]  # interfaces with a default route from a router advertisement, now
    protocol: int  # marks felixpy's routes
    log: Log
    setting: Callable[[SysctlKey], str | None]  # the value of a kernel setting, now
    links: Collection[Link] = ()  # that there are before the first event


class Agent:
    """Keeps one node's kernel as its pods need it. `local` is where the CNI server says what it makes."""

    def __init__(
        self, circumstances: Circumstances, around: Surroundings, local: LocalEndpoints | None = None
    ) -> None:
        self.here = circumstances
        self.around = around
        self.local = local or LocalEndpoints()
        self.snapshot = Snapshot()
        self.state = State()
        self.progress = Progress(Lag(time.monotonic()))
        self.addresses_changed = asyncio.Event()  # of the machine; whoever waits clears it
        self.conditions: dict[str, str] = {}  # what the parts beside the loop cannot do, by name
        self.left: asyncio.Queue[Address] = asyncio.Queue()  # addresses that no pod holds any more, or another one
        self.passed = Passed()
        self._changed = asyncio.Event()
        self._links = {link.index: link for link in around.links}
        self._advertised_known = False
        self._story = Story(around.log)
        self._remarks = Remarks(around.log)
        self._made_of: tuple[object, ...] = ()
        self._asked: tuple[object, ...] = ()
        self._claims: dict[str, tuple[Resource[WorkloadEndpoint], tuple[str, ...], LocalEndpoint | Unserved]] = {}
        self.local.follow(self._changed.set)

    async def run(self) -> None:
        """Until cancelled. A task that dies ends them all: a restart is always safe."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_datastore(), name="follow the datastore")
            tasks.create_task(self._follow_kernel(), name="follow the kernel")
            tasks.create_task(self._settle(), name="settle the kernel")

    @property
    def in_sync(self) -> bool:
        """Whether all that the kernel's state is made of was listed once."""
        return self.snapshot.in_sync(WATCHED)

    @property
    def may_erase(self) -> bool:
        """Whether what no endpoint wants is really unwanted."""
        return self.snapshot.may_erase(NEEDED)

    def owns(self, key: RouteKey, route: Route) -> bool:
        """Whether a route with our protocol and metric, found in the kernel, is ours: a pod's, or inside a pool."""
        if route.device is not None and route.device.startswith(self.here.prefixes):
            return True
        return any(contains(pool.spec.cidr, key.prefix) for pool in self.snapshot.of(IPPool).values())

    def now(self) -> float:
        """The loop's clock, on which all times of the agent are."""
        return asyncio.get_running_loop().time()

    async def _follow_datastore(self) -> None:
        wait = RECONNECT_S[0]
        while True:
            try:
                async for event in self.around.datastore.watch(WATCHED):
                    self.snapshot = self.snapshot.after(event)
                    self._remarks.unknown(self.snapshot)
                    self._remarks.broken(self.snapshot)
                    self._changed.set()
                    if isinstance(event, Listed) and event.stale:
                        continue
                    self.progress.lag.heard(self.now())
                    if not self.progress.reachable:
                        self.progress.reachable = True
                        self.around.log.info("datastore reached", target=self.around.datastore.target)
                    wait = RECONNECT_S[0]
            except Unreachable as error:
                if self.progress.reachable or wait == RECONNECT_S[0]:
                    self.around.log.warning("datastore lost", reason=str(error))
                self.progress.reachable = False
                self.progress.lag.lost(self.now())
            await asyncio.sleep(wait)
            wait = min(wait * 2, RECONNECT_S[1])

    async def _follow_kernel(self) -> None:
        async for burst in self.around.events:
            now = self.now()
            for event in burst:
                self._kernel_event(event, now)
            if self.around.holdings.due_at() <= now or not self._advertised_known:
                self._changed.set()  # most events are none of ours: another program's routes, ARP on the uplink

    def _kernel_event(self, event: KernelEvent, now: float) -> None:
        holdings = self.around.holdings
        match event:
            case RouteChanged(key, protocol, gone):
                holdings.route_changed(key, now, ours=protocol == self.around.protocol, gone=gone)
                self._advertised_known &= key.prefix != DEFAULT_IPV6
            case NeighbourChanged(device, address):
                holdings.neighbour_changed(NeighbourKey(device, address))
            case LinkChanged(link, gone):
                self._link_event(link, now, gone=gone)
            case SettingsChanged(settings):
                holdings.settings_told(settings, self.around.setting, now)
            case AddressChanged():
                self.addresses_changed.set()
            case Lost():
                self.addresses_changed.set()
                self.around.log.warning("kernel notifications lost, everything is read again")
                holdings.resync()
                self._advertised_known = False

    def _link_event(self, link: Link, now: float, *, gone: bool) -> None:
        before = self._links.pop(link.index, None)
        if not gone:
            self._links[link.index] = link
            self.around.holdings.mac_seen(link.name, link.mac, now)
        if not gone and before is not None and link.only_gained(before):
            self.around.holdings.device_ready(
                link.name
            )  # every pod's interface does so once: no reason to read tables
        elif gone or before is None or _state(before) != _state(link):
            self.around.holdings.device_changed(link.name, fresh=before is None or before.name != link.name)

    async def _settle(self) -> None:
        while True:
            await self._wait()
            self._changed.clear()
            try:
                await self._pass()
            except Unreachable as error:
                if self.progress.trouble != str(error):
                    self.around.log.warning("kernel not reachable", reason=str(error))
                self.progress.trouble = str(error)
                await asyncio.sleep(RETRY_S)
                self._changed.set()

    async def _wait(self) -> None:
        """Until something changed or is due: the retry of a refused key, the periodic resync."""
        delay = self.around.holdings.due_at() - self.now()
        with suppress(TimeoutError):
            async with asyncio.timeout(None if delay == math.inf else max(delay, 0.0)):
                await self._changed.wait()

    async def _pass(self) -> None:
        """One comparison of what should be with what is, and the work that it finds."""
        holdings = self.around.holdings
        wanted = self.local.wanted
        snapshot = self.snapshot
        self.progress.lag.pass_began()
        self._want(snapshot)
        now = self.now()
        outcomes = await holdings.settle(now, may_erase=snapshot.may_erase(NEEDED))
        if "routes" in outcomes:
            self._note_leavers(outcomes["routes"])
        self._story.passed(outcomes, holdings.contested(now))
        if holdings.guarded(self.here.advertised) != self.here.guarded:
            self._changed.set()  # IPv6 forwarding waited for this
        self.progress.passed(self.now())
        await self.local.passed(wanted, self.reasons())
        self.passed.tell()

    def _note_leavers(self, outcome: Outcome[RouteKey, Route]) -> None:
        """The addresses whose route went, or moved to another interface."""
        for key, before in outcome.before.items():
            route = outcome.plan.write.get(key)
            if route is not None and key not in outcome.refused and before.device != route.device:
                self.left.put_nowait(key.prefix.network_address)
        for key in outcome.plan.erase - outcome.refused.keys():
            self.left.put_nowait(key.prefix.network_address)

    def _want(self, snapshot: Snapshot) -> None:
        """Work out what should be, unless nothing that it is made of has changed."""
        holdings = self.around.holdings
        config = felix_configuration(snapshot.of(FelixConfiguration), self.here.node)
        advertised = self.here.advertised
        if not self._advertised_known:
            self._advertised_known = True
            advertised = self.around.advertised()
        endpoints = self.local.over(snapshot.of(WorkloadEndpoint))
        guarded = holdings.guarded(advertised)
        if (made_of := (endpoints, config, advertised, guarded)) == self._made_of:
            return
        self._made_of = made_of
        claims = {claim.name: claim for claim in self._claimed(endpoints)}
        if (asked := (claims, config, advertised, guarded)) == self._asked:
            return  # the echo of what the CNI server has said, or a change of what nothing here is made of
        self._asked = asked
        self.here = replace(self.here, config=config, advertised=advertised, guarded=guarded)
        self.state = state_of(claims.values(), self.here)
        self._story.endpoints(self.state.endpoints)
        changed = {endpoint.device for endpoint in holdings.want(self.state)}
        for link in self._links.values():
            if link.name in changed:
                holdings.mac_seen(link.name, link.mac, self.now())

    def _claimed(self, endpoints: Endpoints) -> Iterator[LocalEndpoint | Unserved]:
        """What each endpoint of this node asks for, worked out once for each version of it."""
        before, self._claims = self._claims, {}
        prefixes = self.here.prefixes
        for name, resource in endpoints.items():
            if resource.spec.node == self.here.node:
                known = before.get(name)
                same = known is not None and known[0] is resource and known[1] == prefixes
                claim = known[2] if known is not None and same else claimed(resource, prefixes)
                claim = known[2] if known is not None and claim == known[2] else claim  # told apart by identity
                self._claims[name] = (resource, prefixes, claim)
                yield claim

    def reasons(self) -> dict[str, tuple[str, ...]]:
        """Why endpoints of this node are not served in full, by their name."""
        reasons = self.around.holdings.reasons(self.now())
        for unserved in self.state.endpoints.unserved:
            reasons[unserved.name] = (*reasons.get(unserved.name, ()), unserved.reason)
        return reasons


def _state(link: Link) -> tuple[Device, bool, bool, str]:
    """What of a link makes the kernel drop or take rows: with another MAC it forgets the link's neighbours."""
    return link.name, link.up, link.carrier, link.mac
