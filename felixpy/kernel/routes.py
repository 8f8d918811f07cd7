"""A daemon's routes in the kernel: a Table, read back from the kernel and never remembered.

Ours is what has our protocol number, one of our metrics, and a prefix that `ours` accepts (it lies in a pool, or we
wrote it). The kernel itself is careless about owners: REPLACE takes over any route of the same prefix and metric,
whoever wrote it. So a key last read as absent is written with CREATE|EXCL, and REPLACE is kept for keys last read as
ours; a key that another holds is refused, and its holder named.

Device names are those of the calling thread's network namespace.
"""

import asyncio
import errno
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cache, partial

from felixpy.kernel.bulk import send_routes
from felixpy.kernel.netlink import BATCH, Failure, Netlink
from felixpy.kernel.nexthops import Nexthops
from felixpy.kernel.route_dump import RouteDump, index_of, look_up
from felixpy.kernel.route_message import Found, Shape, check, erasing, naming, way, writing
from felixpy.kernel.rtnetlink import AF_INET, AF_INET6, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE
from felixpy.model.errors import Refused
from felixpy.model.routes import Route, RouteKey, RouteKind
from felixpy.reconcile.plan import Plan

CREATE, REPLACE = NLM_F_CREATE | NLM_F_EXCL, NLM_F_CREATE | NLM_F_REPLACE
GONE = (errno.ESRCH, errno.ENOENT, errno.ENODEV)  # what the kernel says to erasing what is not there

Refusals = dict[RouteKey, Refused]
Writes = Mapping[RouteKey, Route]
Failed = Mapping[RouteKey, tuple[Route, Failure]]


class KernelRoutes:
    """A Table of the routes with one protocol number and certain metrics, IPv4 and IPv6, in every routing table.

    `ours(key, route)` judges a route that was there before us; what it turns down is in `strangers`, untouched.
    With `shared` learned routes name nexthop objects, which they share: see `nexthops`. One task at a time. `port` is
    the port id whose notifications are our own doing.
    """

    def __init__(
        self,
        protocol: int,
        metrics: Collection[int],
        ours: Callable[[RouteKey, Route], bool],
        netlink: Netlink | None = None,
        *,
        shared: bool = False,
    ) -> None:
        self._protocol, self._metrics, self._ours = protocol, frozenset(metrics), ours
        self._netlink = netlink or Netlink()
        self._dumps = [RouteDump(self._netlink, family, protocol) for family in (AF_INET, AF_INET6)]
        self._rows: dict[RouteKey, Route] = {}  # as last read
        self._since: dict[RouteKey, Route | None] = {}  # written (or erased: None) since then
        self._doubts: set[RouteKey] = set()
        self._groups: Mapping[RouteKey, int] = {}  # that the routes of the present plan are to name
        self.strangers: dict[RouteKey, Found] = {}
        self.nexthops = Nexthops(self._netlink, protocol) if shared else None

    @property
    def port(self) -> int:
        """The port id of the socket that writes."""
        return self._netlink.port

    async def read(self) -> Mapping[RouteKey, Route]:
        """Our routes, read from the kernel now."""
        if self.nexthops is not None:
            self.nexthops.read()
        for dump in self._dumps:
            come, gone = await dump.look()
            left: dict[RouteKey, Route] = {}
            for found in gone:
                self.strangers.pop(found.key, None)
                if found.key in self._rows:
                    left[found.key] = self._rows.pop(found.key)
            for at, found in enumerate(come, 1):
                self._judge(found, self._since.get(found.key) or left.get(found.key))
                if not at % BATCH:
                    await asyncio.sleep(0)
        for found in tuple(self.strangers.values()):  # pools come and go
            self._judge(found)
        if self.nexthops is not None:
            self._follow_groups(self.nexthops)
        self._since.clear()
        self._doubts.clear()
        return dict(self._rows)

    async def apply(self, plan: Plan[RouteKey, Route]) -> Mapping[RouteKey, Refused]:
        """Write, then erase, so that what takes over is there before what goes; the refused keys.

        Costs the plan's own work, not the table's, unless another holds one of the keys.
        """
        refused: Refusals = {}
        write = plan.write
        if self.nexthops is not None:
            write = self._place(self.nexthops, write, refused)
        if write:
            await self._write(write, refused)
        if plan.erase:
            await self._erase(plan.erase, refused)
        if self.nexthops is not None:
            self.nexthops.sweep()
        return refused

    async def migrate(self) -> int:
        """Write routes of ours anew that were written in the other manner; how many. To be called after `read`."""
        refused: Refusals = {}
        if self.nexthops is not None:
            rows = {key: row for key, row in self._rows.items() if row.hops and not self.nexthops.named(key)}
            refused.update(await self.apply(Plan(rows)))
            return len(rows) - len(refused)
        old = Nexthops(self._netlink, self._protocol)
        old.read()
        rows = {}
        for key, found in self.strangers.items():
            hops = old.hops(found.nexthop) if found.nexthop else None
            route = Route(key, RouteKind.LEARNED, hops=hops) if hops else None
            if route is not None and self._is_ours(found, route):
                rows[key] = route
            else:
                old.name(key, found.nexthop)
        await self._send(rows, REPLACE, refused)
        for key in refused:
            old.name(key, self.strangers[key].nexthop)
        old.all_named(self.strangers.keys())
        old.sweep()
        return len(rows) - len(refused)

    def doubt(self, keys: Iterable[RouteKey]) -> None:
        """Somebody else touched these keys: they are not taken for ours before they are read again."""
        self._doubts.update(keys)

    def close(self) -> None:
        """Let go of the socket; the routes stay."""
        self._netlink.close()

    def _judge(self, found: Found, known: Route | None = None) -> None:
        """Ours or a stranger. `known` is what we had or wrote under this key: then it is ours unasked."""
        key, route = found.key, self._route(found)
        if self.nexthops is not None:
            self.nexthops.name(key, found.nexthop)
        if route is not None and key.metric in self._metrics and (known is not None or self._ours(key, route)):
            if route == known:  # the caller's own object: comparing it with itself is cheap
                route = known
            self._rows[route.key] = route
            self.strangers.pop(key, None)
        else:
            self.strangers[key] = found

    def _route(self, found: Found) -> Route | None:
        """The route as we would write it; None when it is of a kind that we never write."""
        hops = self.nexthops.hops(found.nexthop) if self.nexthops is not None and found.nexthop else None
        return found.route if hops is None else Route(found.key, RouteKind.LEARNED, hops=hops)

    def _follow_groups(self, nexthops: Nexthops) -> None:
        """Groups may have turned without a word about the routes that name them."""
        nexthops.all_named(self._rows.keys() | self.strangers.keys())
        for number, keys in nexthops.users().items():
            hops = nexthops.hops(number)
            for key in keys if hops is not None else ():
                row = self._rows.get(key)
                if row is not None and row.hops is not hops and row.hops != hops:
                    self._rows[key] = Route(key, RouteKind.LEARNED, hops=hops or ())

    def _held(self, key: RouteKey) -> Route | None:
        """The route that we hold under `key`, as far as we have been told."""
        if self._doubts and key in self._doubts:  # empty sets are not asked: hashing a key takes 0.4 us
            return None
        return self._since[key] if self._since and key in self._since else self._rows.get(key)

    def _place(self, nexthops: Nexthops, routes: Writes, refused: Refusals) -> Writes:
        """Find the groups for learned routes; what is left to be written once some of them have turned."""
        learned = {key: route for key, route in routes.items() if route.kind is RouteKind.LEARNED and _fits(route)}
        placed = nexthops.place(learned, self._doubts)
        self._groups = placed.groups
        self._since.update((key, learned[key]) for key in placed.done)
        for key, failure in placed.failed.items():
            refused[key] = failure.refused(key, way(learned[key]))
        return {key: route for key, route in routes.items() if key not in placed.done and key not in refused}

    async def _write(self, routes: Writes, refused: Refusals) -> None:
        # By the hashes that sets and dicts keep: 100,000 keys in 12 ms, whatever else is held. Two calls, for one
        # with both would walk through all that is held.
        nothing_held = not self._rows and not self._since
        absent = routes if nothing_held else set(routes).difference(self._rows).difference(self._since)
        create: Writes = routes
        replace: Writes = {}
        if len(absent) < len(routes):
            create = {key: route for key, route in routes.items() if self._held(key) is None}
            replace = {key: route for key, route in routes.items() if key not in create}
        contested = await self._send(create, CREATE, refused)
        await self._send(replace, REPLACE, refused)
        if contested:
            await self._settle(contested, refused)

    async def _send(self, routes: Writes, flags: int, refused: Refusals) -> Writes:
        """Write; the routes whose key somebody holds already."""
        if not routes:
            return {}
        failed = await self._sent(routes, flags)
        self._since.update(routes)
        contested: dict[RouteKey, Route] = {}
        for key, (route, failure) in failed.items():
            del self._since[key]
            if flags == CREATE and failure.code == errno.EEXIST:
                contested[key] = route
            else:
                refused[key] = failure.refused(key, way(route))
        if self.nexthops is not None:
            for key in routes.keys() - failed.keys():
                self.nexthops.name(key, self._groups.get(key, 0))
        return contested

    async def _sent(self, routes: Writes, flags: int) -> Failed:
        """Send them, those of one group together; what failed."""
        shape = partial(self._shape, flags, cache(index_of))
        parts: dict[int, list[Route]] = {}
        if self._groups:
            for key, route in routes.items():
                parts.setdefault(self._groups.get(key, 0), []).append(route)
        failed: dict[RouteKey, tuple[Route, Failure]] = {}
        for number, part in parts.items() if parts else [(0, routes.values())]:
            named = partial(self._naming, flags, number) if number else shape
            failed.update(await send_routes(self._netlink, part, named))
        return failed

    def _naming(self, flags: int, number: int, route: Route) -> Shape:
        self._check(route)
        return naming(route, self._protocol, flags, number)

    def _shape(self, flags: int, index: Callable[[str], int], route: Route) -> Shape:
        self._check(route)
        return writing(route, self._protocol, flags, index)

    def _check(self, route: Route) -> None:
        if route.key.metric not in self._metrics:
            raise ValueError(f"metric {route.key.metric} is not one of ours: {sorted(self._metrics)}")
        check(route)

    async def _settle(self, contested: Writes, refused: Refusals) -> None:
        """The kernel says that these keys exist: read them, and write over what is ours."""
        holders = look_up(self._netlink, contested)
        mine: dict[RouteKey, Route] = {}
        free: dict[RouteKey, Route] = {}
        for key, route in contested.items():
            others = [found for found in holders.get(key, ()) if found.protocol != self._protocol]
            if others:
                refused[key] = Refused(key, f"held by {others[0].holder}", errno.EEXIST)
            elif key in holders:
                mine[key] = route
            else:
                free[key] = route
        await self._send(mine, REPLACE, refused)
        for key in await self._send(free, CREATE, refused):
            refused[key] = Refused(key, "another writer keeps adding and removing it", errno.EEXIST)

    async def _erase(self, keys: Collection[RouteKey], refused: Refusals) -> None:
        routes: list[Route] = []
        unknown: list[RouteKey] = []
        for key in keys:
            route = self._held(key)
            if route is not None:
                routes.append(route)
            elif self._since.get(key, ...) is not None:  # doubted, or never read
                unknown.append(key)
        if unknown:  # erase it only if it is plainly ours
            if self.nexthops is not None:
                self.nexthops.read()
            found = [each for holders in look_up(self._netlink, unknown).values() for each in holders]
            routes += [route for each in found if (route := self._route(each)) and self._is_ours(each, route)]
        failed = await send_routes(self._netlink, routes, partial(self._erasing, cache(index_of)))
        self._since.update(dict.fromkeys(keys))
        if self.nexthops is not None:
            for key in keys:
                if key not in failed or failed[key][1].code in GONE:
                    self.nexthops.name(key, 0)
        for key, (route, failure) in failed.items():
            if failure.code not in GONE:
                self._since[key] = route
                refused[key] = failure.refused(key, way(route))

    def _erasing(self, index: Callable[[str], int], route: Route) -> Shape:
        return erasing(route, self._protocol, index)

    def _is_ours(self, found: Found, route: Route) -> bool:
        if found.protocol != self._protocol or found.key.metric not in self._metrics:
            return False
        return found.key in self._rows or self._ours(found.key, route)


def _fits(route: Route) -> bool:
    """Whether the kernel can hold it: see `check`, which says why not."""
    try:
        check(route)
    except ValueError:
        return False
    return True
