"""Join: what the agent's status socket answers."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from felixpy.agent import Agent
from felixpy.daemon.health import why_not_live, why_not_ready
from felixpy.daemon.paths import state_dir
from felixpy.daemon.version import version
from felixpy.desired.conditions import conditions
from felixpy.desired.endpoints import LocalEndpoint, Unserved
from felixpy.kernel.owners import protocol_name
from felixpy.model.addresses import Prefix, contains, parse_prefix
from felixpy.model.errors import Trouble, Unreachable
from felixpy.model.facts import NodeFacts
from felixpy.model.resources import FelixConfiguration
from felixpy.model.routes import Route, RouteKey
from felixpy.model.status import (
    Condition,
    EndpointsStatus,
    EndpointStatus,
    HealthStatus,
    RoutesStatus,
    RouteStatus,
    problem_status,
    route_status,
)
from felixpy.model.system import SystemFacts

PROBE_S = 2.0  # what the datastore gets to answer when somebody asks for health
NOTHING: Mapping[str, Any] = {}
ReadRoutes = Callable[[], Awaitable[Mapping[RouteKey, Route]]]


@dataclass(frozen=True, slots=True)
class Answers:
    """The questions that felixpy answers. `read` looks into the kernel at the moment of the question."""

    agent: Agent
    read: ReadRoutes
    started: float  # Unix seconds

    def by_question(self) -> dict[str, Callable[[Mapping[str, Any]], Any]]:
        """For daemon/status."""
        return {
            "routes": self.routes,
            "endpoints": self.endpoints,
            "health": self.health,
            "facts": self.facts,
            "system": self.system,
        }

    async def facts(self, arguments: Mapping[str, Any]) -> NodeFacts:
        """Everything that decides where this node sends a packet; `about` narrows the routes to those that matter."""
        from felixpy.kernel.facts import asked_facts

        return await asyncio.to_thread(asked_facts, self.agent.here.node, arguments)

    async def system(self, _: Mapping[str, Any]) -> SystemFacts:
        """What the node is like besides its routing, for `felixpy doctor`."""
        from felixpy.kernel.system import read_system

        return await asyncio.to_thread(read_system, self.agent.here.node, state_dir())

    async def routes(self, arguments: Mapping[str, Any]) -> RoutesStatus:
        """Every route that felixpy wants or that is marked as its own; `prefix` narrows it to what overlaps."""
        within = asked_prefix(arguments)
        installed = await self.read()
        settler = self.agent.around.holdings.routes
        refused = settler.refused(settler.desired)
        rows = []
        for key in sorted(settler.desired.keys() | installed.keys(), key=order):
            if within is None or overlap(within, key.prefix):
                reason = refused[key].reason if key in refused else ""
                rows.append(self._route(settler.desired.get(key), installed.get(key), reason))
        return RoutesStatus(node=self.agent.here.node, routes=tuple(rows))

    def _route(self, wanted: Route | None, found: Route | None, reason: str) -> RouteStatus:
        route = wanted or found
        assert route is not None
        if wanted is None:
            reason = reason or "leftover: no endpoint of this node has this address"
        elif found is not None and wanted != found:
            reason = reason or f"the kernel has it on {found.device}"
        return route_status(
            route,
            wanted=wanted is not None,
            installed=found is not None and wanted in (None, found),
            protocol=protocol_name(self.agent.around.protocol),
            reason=reason,
        )

    def endpoints(self, _: Mapping[str, Any]) -> EndpointsStatus:
        """Every endpoint of this node."""
        return endpoints_of(self.agent)

    async def health(self, _: Mapping[str, Any] = NOTHING) -> HealthStatus:
        """Whether all is well, and if not, what is not; the datastore is asked, too."""
        return self._health(reachable=await self._reachable())

    async def known_health(self) -> HealthStatus:
        """The same without asking the datastore: a probe every few seconds on 5000 nodes must cost it nothing."""
        return self._health(reachable=self.agent.progress.reachable)

    def _health(self, *, reachable: bool) -> HealthStatus:
        agent = self.agent
        progress, holdings = agent.progress, agent.around.holdings
        now, wall = agent.now(), time.time()
        refused = holdings.refused(now)
        unready = why_not_ready(
            in_sync=agent.in_sync,
            refused=Counter(row.table for row in refused),
            troubles={"kernel": progress.trouble},
        )
        stuck = why_not_live(progress.last_pass, now, holdings.resync_s)
        return HealthStatus(
            daemon="felixpy",
            node=agent.here.node,
            version=version(),
            pid=os.getpid(),
            started=self.started,
            datastore=agent.around.datastore.target,
            datastore_reachable=reachable,
            in_sync=agent.in_sync,
            ready=not unready,
            live=not stuck,
            unready=unready,
            stuck=stuck,
            datastore_lag_s=progress.lag.seconds(now),
            last_pass=None if progress.last_pass is None else wall - (now - progress.last_pass),
            passes=progress.passes,
            keys={name: len(settler.desired) for name, settler in holdings.tables()},
            refused=refused,
            conditions=self._conditions(reachable=reachable),
            problems=tuple(problem_status(*key, error) for key, error in agent.snapshot.problems.items()),
        )

    async def _reachable(self) -> bool:
        """Whether the datastore answers now; a watch on it may wait in silence."""
        try:
            async with asyncio.timeout(PROBE_S):
                await self.agent.around.datastore.list(FelixConfiguration)  # a small kind
        except (Unreachable, TimeoutError):
            return False
        return True

    def _conditions(self, *, reachable: bool) -> tuple[Condition, ...]:
        agent = self.agent
        found = list(conditions(agent.snapshot, agent.here.node, agent.here.config))
        if not reachable:
            text = f"{agent.around.datastore.target} does not answer; what is known of it stays in force"
            found.append(Condition(name="DatastoreUnreachable", message=text))
        if agent.in_sync and not agent.may_erase:
            text = "an object that was never readable may be one we need: nothing is erased until it is mended"
            found.append(Condition(name="ErasingSuspended", message=text))
        if agent.progress.trouble:
            found.append(Condition(name="KernelUnreachable", message=agent.progress.trouble))
        for (table, key), reason in agent.around.holdings.contested(agent.now()).items():
            found.append(Condition(name="Contested", message=f"{table} {key}: {reason}"))
        found += [Condition(name=name, message=message) for name, message in agent.conditions.items()]
        unserved = agent.state.endpoints.unserved
        return (*found, *(Condition(name="EndpointNotServed", message=f"{it.name}: {it.reason}") for it in unserved))


def endpoints_of(agent: Agent) -> EndpointsStatus:
    """Every endpoint of the agent's node."""
    state, reasons = agent.state.endpoints, agent.reasons()
    served = (_served(it, reasons.get(it.name, ())) for it in state.served)
    names = {it.name for it in state.served}
    unserved = (_unserved(it) for it in state.unserved if it.name not in names)
    return EndpointsStatus(node=agent.here.node, endpoints=(*served, *unserved))


def asked_prefix(arguments: Mapping[str, Any]) -> Prefix | None:
    """The `prefix` of a question; Trouble when it is none."""
    if arguments.get("prefix") is None:
        return None
    try:
        return parse_prefix(arguments["prefix"])
    except ValueError as error:
        raise Trouble(f"prefix: {error}") from None


def overlap(one: Prefix, other: Prefix) -> bool:
    """Whether one of them holds the other."""
    return contains(one, other) or contains(other, one)


def order(key: RouteKey) -> tuple[int, int, int, int]:
    """IPv4 first, then by address."""
    return key.prefix.version, int(key.prefix.network_address), key.prefix.prefixlen, key.metric


def _served(endpoint: LocalEndpoint, reasons: tuple[str, ...]) -> EndpointStatus:
    return EndpointStatus(
        name=endpoint.name,
        pod=endpoint.pod,
        device=endpoint.device,
        addresses=tuple(map(str, endpoint.addresses)),
        mac=endpoint.mac or None,
        state="down" if reasons else "up",
        reason="; ".join(reasons),
    )


def _unserved(it: Unserved) -> EndpointStatus:
    state = "shadowed" if it.reason.startswith("shadowed") else "down"
    return EndpointStatus(name=it.name, pod=it.pod, device="", addresses=(), mac=None, state=state, reason=it.reason)
