"""Join: what the page of `felixpy ui` asks of a running network, each as a command of that name asks it."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from msgspec import structs

from felixpy.cli.past import routes_then
from felixpy.cli.trace import looked
from felixpy.cli.viewing import (
    AT_ONCE,
    DAEMONS,
    Asked,
    cluster_of,
    missing,
    network,
    node_view,
    resources,
    runs_daemons,
    targets_of,
)
from felixpy.history.moments import parse_moment
from felixpy.insight.trace import trace
from felixpy.insight.view import NetworkView, NodeView
from felixpy.lab.topology import Topology, load
from felixpy.model.addresses import parse_prefix
from felixpy.model.errors import Trouble, Usage
from felixpy.model.past import PastRoutes
from felixpy.model.resources import BGPPeer, Node
from felixpy.model.status import EndpointsStatus, HealthStatus, PeersStatus, RibStatus
from felixpy.show.target import Target
from felixpy.ui.cast import told_sessions
from felixpy.ui.picture import Picture
from felixpy.ui.shape import picture
from felixpy.ui.stories import NodeStory, PrefixStory, node_story, prefix_story
from felixpy.ui.then import Span, as_it_was
from felixpy.ui.way import TraceStory, way

NAMES_MOST = 2000  # pods whose names are offered while one types
AGAIN_S = 30.0  # before routers and hosts of a lab are looked into once more, when a peer's address is nobody's


class Seen:
    """One lab, one cluster or one machine. Every question runs in a thread: it asks sockets and waits."""

    def __init__(self, lab: str | None, datastore: str | None) -> None:
        self._lab = lab
        self._datastore = datastore
        self.cluster = cluster_of(lab, datastore)
        self._still: Mapping[str, NodeView] = {}  # lab nodes without our daemons, as they were when last looked into
        self._still_at = 0.0
        self._drawn: Picture | None = None
        self._view = NetworkView({})  # from which it was drawn
        self._pods: Sequence[str] = ()

    async def look(self) -> Picture:
        """The picture now."""
        return await asyncio.to_thread(self._look)

    async def node(self, given: Mapping[str, str]) -> NodeStory:
        """One node's routes, sessions and pods, now or `at` a moment."""
        name, find, at = given.get("name", ""), given.get("find", ""), given.get("at")
        return await asyncio.to_thread(self._node, name, find, _moment(at) if at else None)

    async def prefix(self, given: Mapping[str, str]) -> PrefixStory:
        """One prefix on every node."""
        return await asyncio.to_thread(self._prefix, given.get("prefix", ""))

    async def span(self, _given: Mapping[str, str]) -> Span:
        """How far back the nodes' logs go."""
        return await asyncio.to_thread(self._span)

    async def past(self, given: Mapping[str, str]) -> Picture:
        """The picture `at` a moment of the past."""
        return await asyncio.to_thread(self._past, _moment(given.get("at", "")))

    async def trace(self, given: Mapping[str, str]) -> TraceStory:
        """The way between two pods or addresses, without a probe: the page only looks."""
        return await asyncio.to_thread(self._trace, given.get("from", ""), given.get("to", ""))

    async def pods(self, _given: Mapping[str, str]) -> Mapping[str, Sequence[str]]:
        """The names of pods, as they were when last seen."""
        return {"pods": self._pods[:NAMES_MOST]}

    def _targets(self) -> list[Target]:
        return targets_of(self._lab, datastore=self.cluster or self._datastore)

    def _topology(self, targets: Sequence[Target]) -> Topology | None:
        """A lab's file as it is now; None when it is gone, or no longer one."""
        lab = next((target.lab for target in targets if target.lab), "")
        if not lab:
            return None
        from felixpy.lab.registry import find_lab

        try:
            return load(Path(find_lab(lab).topology))
        except Trouble:
            return None

    def _look(self) -> Picture:
        targets = self._targets()
        snapshot = resources(targets, self.cluster or self._datastore, (Node, BGPPeer))
        ours = [target for target in targets if runs_daemons(target)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            nodes = {node.name: node for node in pool.map(_light, ours)}
        others = [target for target in targets if target not in ours]
        view = NetworkView({**nodes, **self._still}, snapshot)
        if others and self._puzzled(view, others):
            self._still = dict(network(others, snapshot, about=["0.0.0.0"]).nodes)  # noqa: S104 - no route matters
            self._still_at = time.monotonic()
            view = NetworkView({**nodes, **self._still}, snapshot)
        self._view = view
        name = next((target.lab for target in targets if target.lab), "") or self.cluster or targets[0].node
        self._pods = sorted({it.pod for node in nodes.values() for it in node.devices.values()})
        self._drawn = picture(view, self._topology(targets), name, time.time())
        return self._drawn

    def _puzzled(self, view: NetworkView, others: Sequence[Target]) -> bool:
        """Whether a peer's address is nobody's, and routers and hosts were not asked for it lately."""
        if {target.node for target in others} != self._still.keys():
            return True
        unknown = any(it.other and it.other not in view.nodes for it in told_sessions(view, view.nodes))
        return unknown and time.monotonic() - self._still_at > AGAIN_S

    def _picture(self) -> Picture:
        return self._drawn or self._look()

    def _node(self, name: str, find: str, at: float | None) -> NodeStory:
        drawn = self._picture()
        target = next((target for target in self._targets() if target.node == name), None)
        if target is None:
            raise Usage(f"no node is named {name!r}")
        if at is not None:
            then = as_it_was(self._view, {name: routes_then(target, at)}, {})
            return node_story(then.nodes[name], structs.replace(drawn, taken=at), find)
        return node_story(node_view(target, about=["0.0.0.0"]), drawn, find)  # noqa: S104 - the daemons say the routes

    def _then(self, at: float) -> tuple[Mapping[str, PastRoutes], Mapping[str, str]]:
        """What every node's log says of a moment, and why of some nothing is known."""
        ours = [target for target in self._targets() if runs_daemons(target)]
        why: dict[str, str] = {}

        def ask(target: Target) -> PastRoutes | None:
            try:
                return routes_then(target, at)
            except Trouble as error:
                why[target.node] = str(error)
                return None

        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = dict(zip([it.node for it in ours], pool.map(ask, ours), strict=True))
        return {node: it for node, it in found.items() if it is not None}, why

    def _span(self) -> Span:
        now = time.time()
        then, why = self._then(now)
        begins = [it.begins for it in then.values() if it.begins is not None]
        return Span(begins=min(begins, default=None), until=now, missing=why)

    def _past(self, at: float) -> Picture:
        drawn, (then, why) = self._picture(), self._then(at)
        return picture(as_it_was(self._view, then, why), self._topology(self._targets()), drawn.name, at)

    def _prefix(self, text: str) -> PrefixStory:
        try:
            wanted = parse_prefix(text.strip())
        except ValueError as error:
            raise Usage(f"{text!r} is no prefix and no address: {error}") from error
        drawn = self._picture()
        ours = [target for target in self._targets() if runs_daemons(target)]
        asked = {target.node: Asked(target) for target in ours}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            ribs = pool.map(
                lambda it: it.daemon("birdpy", "rib", RibStatus, prefix=str(wanted)), asked.values()
            )  # fmt: skip
            found = {node: rib for node, rib in zip(asked, ribs, strict=True) if rib is not None}
        why = {f"{node} {source}": said for node, it in asked.items() for source, said in it.why.items()}
        return prefix_story(wanted, found, drawn, why)

    def _trace(self, source: str, destination: str) -> TraceStory:
        drawn, store = self._picture(), self.cluster or self._datastore
        _, view, (start, end) = looked(self._targets(), store, source.strip(), destination.strip())
        return TraceStory(
            there=way(trace(view, start, end), drawn), back=way(trace(view, end, start), drawn),
            missing=dict(missing(view)),
        )  # fmt: skip


def _light(target: Target) -> NodeView:
    """What the picture needs of a node, and no route."""
    asked = Asked(target)
    peers = asked.daemon("birdpy", "peers", PeersStatus)
    endpoints = asked.daemon("felixpy", "endpoints", EndpointsStatus)
    health = {daemon: found for daemon in DAEMONS if (found := asked.daemon(daemon, "health", HealthStatus))}
    return NodeView(target.node, endpoints=endpoints, peers=peers, health=health, why=asked.why)


def _moment(text: str) -> float:
    """Unix seconds. Usage when they are none."""
    return parse_moment(text, time.time())
