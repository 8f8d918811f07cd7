"""Join: what the kernel should forward, kept settled; and what it held before we started, until it is told again.

A restarted router finds its own routes in the kernel and does not know yet which of them still hold (RFC 4724 §4.1).
They stay wanted, as they are, until the RIB wants their key differently or every peer that gave them has spoken:
its End-of-RIB came, its time is over, or it is no peer any more. No peer waits for another one, unless nobody told
the way to its next hop yet: after a restart a session over two switches may be back before the switches' routes are.
"""

import asyncio
import time
from collections.abc import Callable, Mapping

from birdpy.latency import Latency
from birdpy.saved import Given
from felixpy.model.addresses import Address, Prefix
from felixpy.model.routes import Device, Hop, Route, RouteKey, RouteKind
from felixpy.reconcile.settle import Settler
from felixpy.reconcile.table import Outcome, Table

Routes = Mapping[RouteKey, Route]


def no_path(_prefix: Prefix) -> bool:
    """Nothing that was told leads nowhere."""
    return False


class Forwarding:
    """The wanted routes by prefix, over a Settler of the kernel's table."""

    def __init__(self, table: Table[RouteKey, Route], *, resync_s: float) -> None:
        self.settler: Settler[RouteKey, Route] = Settler(table, resync_s=resync_s)
        self.found: dict[RouteKey, Route] = {}  # from before our start, and nobody has spoken about them yet
        self.blackholes: frozenset[RouteKey] = frozenset()  # those that were read back from the kernel
        self._holes: set[RouteKey] = set()  # the blackholes that are wanted
        self._givers: dict[RouteKey, set[Address]] = {}  # whom each of `found` waits for
        self._over: dict[Device, set[RouteKey]] = {}  # may name keys that have left the device
        self._keys: dict[Prefix, RouteKey] = {}  # what the RIB wants now
        self.standing: Routes = {}  # beside it
        self.latency = Latency()
        self._writing = asyncio.Lock()  # the table is for one task at a time
        self.passed: Callable[[Outcome[RouteKey, Route]], None] = lambda _: None  # hears of every pass

    def adopt(self, rows: Routes) -> None:
        """Want what the kernel holds of ours at the start, until somebody has spoken."""
        for key, route in rows.items():
            self.found[key] = route
            self._put(route)

    def wait_for(self, given: Given, peers: frozenset[Address]) -> set[Prefix]:
        """Which peers speak for what was found: those that gave it as far as that is known, else all.

        The answer of this and of `spoken`: prefixes that wait for nobody any more, to be wanted anew.
        """
        for key, route in tuple(self.found.items()):
            known = given.get(key.prefix)
            waits = set(peers if known is None else known & peers) if route.kind is RouteKind.LEARNED else set()
            self._givers[key] = waits
        return self._let_go()

    def spoken(self, peer: Address, leads_nowhere: Callable[[Prefix], bool] = no_path) -> set[Prefix]:
        """`peer` has said everything, or will not any more.

        A prefix that was told again and `leads_nowhere` waits on, for those who may still tell of its next hop.
        """
        freed = [key for key, waits in self._givers.items() if waits == {peer}]
        for waits in self._givers.values():
            waits.discard(peer)
        others = set[Address]().union(*self._givers.values())
        for key in freed if others else ():
            if leads_nowhere(key.prefix):
                self._givers[key] = set(others)
        return self._let_go()

    def _let_go(self) -> set[Prefix]:
        free = [key for key, waits in self._givers.items() if not waits]
        for key in free:
            del self._givers[key], self.found[key]
            if key != self._keys.get(key.prefix) and key not in self.standing:
                self.settler.drop(key)
        return {key.prefix for key in free}

    def want(self, prefix: Prefix, route: Route | None) -> None:
        """What the RIB wants of one prefix, now."""
        before = self._keys.pop(prefix, None)
        if route is not None:
            self._keys[prefix] = route.key
            if not self.found or not self._narrows(route.key, route):
                self._put(route)
        if before is not None and (route is None or route.key != before) and before not in self.found:
            self.settler.drop(before)

    def stand(self, routes: Routes) -> None:
        """These are wanted whatever the RIB says, under keys that it has not: all of them."""
        for key in self.standing.keys() - routes.keys():
            self.settler.drop(key)
        for route in routes.values():
            self._put(route)
        self.standing = routes

    def heard(self, taken_in: float) -> None:
        """The RIB has worked out what follows from UPDATEs taken in then (on the loop's clock)."""
        self.latency.decided(taken_in, time.monotonic(), wanted=self.settler.due_at() == 0.0)

    def over(self, device: Device) -> frozenset[RouteKey]:
        """The routes that are wanted, or were found, to leave by `device`."""
        desired = self.settler.desired
        return frozenset(
            key
            for key in self._over.get(device, ())
            if (route := desired.get(key)) is not None and any(hop.device == device for hop in route.hops)
        )

    def _put(self, route: Route) -> None:
        for hop in route.hops:
            if hop.device not in self._over:
                self._over[hop.device] = set()
            self._over[hop.device].add(route.key)
        if route.kind is RouteKind.BLACKHOLE:
            self._holes.add(route.key)
        self.settler.put(route.key, route)

    def _narrows(self, key: RouteKey, route: Route) -> bool:
        """Whether this is only a part of a multipath route that waits for further peers."""
        before = self.found.get(key)
        if before is None or not self._givers.get(key, True):
            return False
        return bool(route.hops) and set(route.hops) < set(before.hops)

    def alike(self) -> list[list[Route]]:
        """The learned routes that the kernel holds as they are wanted, those with the same ways out together."""
        desired = self.settler.desired
        same: dict[int, list[Route]] = {}  # by identity first: a tuple of hops hashes slowly, and most share theirs
        for key, route in self.settler.held.items():
            if route.hops and key not in self.found and desired.get(key) == route:
                same.setdefault(id(route.hops), []).append(route)
        equal: dict[tuple[Hop, ...], list[Route]] = {}
        for routes in same.values():
            equal.setdefault(routes[0].hops, []).extend(routes)
        return list(equal.values())

    async def ahead(self, routes: Routes, now: float) -> None:
        """Write these before they are wanted: the next pass looks at each of them."""
        async with self._writing:
            await self.settler.ahead(routes, now)

    async def settle(self, now: float, *, may_erase: bool) -> Outcome[RouteKey, Route]:
        """One pass; with every blackhole that was written read back before anybody relies on it."""
        waiting = self.latency.pass_began()
        async with self._writing:
            outcome = last = await self.settler.settle(now, may_erase=may_erase)
            self.passed(outcome)
            if not self._holes.isdisjoint(outcome.plan.write):
                self.settler.resync()
                last = await self.settler.settle(now, may_erase=may_erase)
                self.passed(last)
        desired, held = self.settler.desired, self.settler.held
        self._holes &= desired.keys()
        there = (k for k in self._holes if k not in last.plan.write and held.get(k) == desired[k])
        self.blackholes = frozenset(k for k in there if desired[k].kind is RouteKind.BLACKHOLE)
        self.latency.pass_ended(waiting, time.monotonic())
        return outcome
