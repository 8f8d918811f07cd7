"""Networks on paper for the page: racks with their switches, every node with sessions, pods and health."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from felixpy.insight.view import NetworkView, NodeView
from felixpy.model.addresses import parse_prefix
from felixpy.model.errors import Usage
from felixpy.model.past import PastRoute, PastRoutes, PastSession
from felixpy.model.resources import BGPPeer, Metadata, Node, NodeBGP, Resource
from felixpy.model.snapshot import Listed, Snapshot
from felixpy.model.status import (
    Condition,
    EndpointsStatus,
    EndpointStatus,
    HealthStatus,
    OriginStatus,
    PeersStatus,
    PeerStatus,
    RibEntry,
    RibPath,
    RibStatus,
    RoutesStatus,
    RouteStatus,
)
from felixpy.ui.http import LOOPBACK
from felixpy.ui.live import Live
from felixpy.ui.picture import Picture
from felixpy.ui.server import Answer, Site, serve
from felixpy.ui.shape import picture
from felixpy.ui.stories import node_story, prefix_story
from felixpy.ui.then import Span, as_it_was

NOW = 1_800_000_000.0


def health(daemon: str, node: str, *conditions: str) -> HealthStatus:
    """A daemon that is well, or has `conditions`."""
    return HealthStatus(
        daemon=daemon, node=node, version="1", pid=1, started=NOW, datastore="files:x", datastore_reachable=True,
        in_sync=True, ready=True, live=True, last_pass=NOW, passes=1, keys={},
        conditions=tuple(Condition(name="made", message=it) for it in conditions),
    )  # fmt: skip


def peer(address: str, kind: str = "node", state: str = "established", asn: int = 65001, **more: Any) -> PeerStatus:
    """One session."""
    return PeerStatus(
        name=f"{kind.title()}_{address.replace('.', '_')}", address=address, type=kind, asn=asn, local_as=64512,
        state=state, since=NOW - 100, **more,
    )  # fmt: skip


def racked(count: int, per_rack: int, *, name: str = "n{}", switches: int = 2) -> NetworkView:
    """`count` nodes in racks of `per_rack`, each node with a session to every switch of its rack."""
    numbers = range(count)
    nodes = {name.format(it): _node(name.format(it), it, _switches(it // per_rack, switches)) for it in numbers}
    racks = range((count + per_rack - 1) // per_rack)
    peers = {
        f"tor-{rack}{letter}": Resource(Metadata(f"tor-{rack}{letter}"), BGPPeer(peer_ip=address))
        for rack in racks
        for letter, address in zip("abcd", _switches(rack, switches), strict=False)
    }
    told = {
        name.format(it): Resource(
            Metadata(name.format(it), labels={"rack": str(it // per_rack)}),
            Node(bgp=NodeBGP(ipv4_address=f"{own(it)}/16")),
        )
        for it in numbers
    }
    snapshot = Snapshot().after(Listed(Node, told)).after(Listed(BGPPeer, peers))
    return NetworkView(nodes, snapshot)


def own(number: int) -> str:
    """A node's own address."""
    return f"172.20.{number >> 8}.{number & 255}"


def block(number: int) -> str:
    """A node's block."""
    return f"10.{65 + (number >> 8)}.{number & 255}.0/24"


def _switches(rack: int, count: int) -> list[str]:
    return [f"172.21.{rack}.{it + 1}" for it in range(count)]


def _node(name: str, number: int, peers: Sequence[str]) -> NodeView:
    pods = tuple(
        EndpointStatus(
            name=f"default/{name}-{it}", pod=f"default/web-{number}-{it}", device=f"cali{it}",
            addresses=(block(number).replace(".0/24", f".{it + 1}/32"),), mac=None, state="up",
        )
        for it in range(4)
    )  # fmt: skip
    return NodeView(
        name,
        endpoints=EndpointsStatus(node=name, endpoints=pods),
        peers=PeersStatus(node=name, router_id=own(number), local_as=64512, peers=tuple(peer(it) for it in peers)),
        health={daemon: health(daemon, name) for daemon in ("felixpy", "birdpy")},
    )


def meshed(count: int) -> NetworkView:
    """`count` nodes without racks, each with a session to every other."""
    view = racked(count, count, switches=0)
    nodes = {
        name: with_peers(node, [peer(own(it), "mesh", asn=64512) for it in range(count) if name != f"n{it}"])
        for name, node in view.nodes.items()
    }
    return NetworkView(nodes, Snapshot().after(Listed(Node, {
        name: Resource(Metadata(name), it.spec) for name, it in view.snapshot.of(Node).items()
    })))  # fmt: skip


def with_peers(node: NodeView, peers: Iterable[PeerStatus]) -> NodeView:
    """The same node with other sessions."""
    status = PeersStatus(node=node.name, router_id=None, local_as=64512, peers=tuple(peers))
    return NodeView(node.name, node.facts, node.endpoints, node.routes, status, node.health, why=node.why)


def changed(view: NetworkView, *nodes: NodeView) -> NetworkView:
    """The same network with other `nodes`."""
    return NetworkView({**view.nodes, **{it.name: it for it in nodes}}, view.snapshot)


def troubled(view: NetworkView) -> NetworkView:
    """The same network in which a session is down, one held down, one node ill and one silent."""
    names = list(view.nodes)

    def first(node: NodeView, **how: Any) -> NodeView:
        assert node.peers
        one, *rest = node.peers.peers
        return with_peers(node, [msgspec.structs.replace(one, **how), *rest])

    down = first(view.nodes[names[1]], state="connect", reason="connection refused")
    held = first(view.nodes[names[-2]], state="held-down", held_down="no Secret bgp/key")
    ill = view.nodes[names[len(names) // 2]]
    sick = NodeView(
        ill.name,
        None,
        ill.endpoints,
        ill.routes,
        ill.peers,
        {**ill.health, "felixpy": health("felixpy", ill.name, "the kernel refuses 3 routes")},
    )
    silent = NodeView(names[-1], why={"felixpy": "no daemon answers there", "birdpy": "no daemon answers there"})
    return changed(view, down, held, sick, silent)


def routes(name: str, count: int) -> RoutesStatus:
    """Routes of a node: learned ones, each with its origin."""
    rows = [
        RouteStatus(
            prefix=block(it), family=4, table=254, metric=1024, kind="learned", wanted=True, installed=it % 7 != 3,
            reason="the next hop is not resolved" if it % 7 == 3 else "", protocol="bird", peer=own(it),
            origin=OriginStatus(kind="peer", name=f"Mesh_{it}", rule="only path"), as_path=(65001,), since=NOW - 60,
        )
        for it in range(count)
    ]  # fmt: skip
    return RoutesStatus(node=name, routes=tuple(rows))


def rib(prefix: str, *paths: tuple[str | None, bool]) -> RibStatus:
    """One prefix; each path by its peer (None: own) and whether it is the best."""
    rows = tuple(
        RibPath(
            source="local" if it is None else "bgp", session="" if it is None else "Node_x", peer=it, next_hop=it,
            as_path=(), origin="igp", best=best, since=NOW - 30, reason="" if best else "lost: shortest AS path",
        )
        for it, best in paths
    )  # fmt: skip
    return RibStatus(
        node="", entries=(RibEntry(prefix=prefix, decided_by="shortest AS path", installed=True, paths=rows),)
    )


def before(node: NodeView, at: float) -> PastRoutes:
    """A node's log of a moment when its sessions were down and it had one pod."""
    sessions = [
        PastSession(name=it.name, address=it.address, state="not up", since=at - 5, reason="it was dark")
        for it in (node.peers.peers if node.peers else ())
    ]
    pod = PastRoute(
        prefix="10.65.0.9/32", family=4, table=254, metric=0, kind="local", wanted=True, installed=True,
        device="cali9",
        origin=OriginStatus(kind="pod", name="default/old"), changed=at - 7, because="the pod came",
    )  # fmt: skip
    return PastRoutes(node=node.name, at=at, begins=NOW - 100, routes=(pod,), sessions=tuple(sessions))


class Paper:
    """What `felixpy.cli.seen.Seen` is to a running network, for one on paper; `view` may be changed at any time."""

    def __init__(self, view: NetworkView, name: str = "paper") -> None:
        self.view = view
        self.name = name
        self.ribs: dict[str, RibStatus] = {}
        self.taken = NOW

    def drawn(self) -> Picture:
        """The picture now."""
        return picture(self.view, None, self.name, self.taken)

    async def look(self) -> Picture:
        """As Seen's; the clock goes on by one each time."""
        self.taken += 1
        return self.drawn()

    async def node(self, given: Mapping[str, str]) -> Any:
        """As Seen's, with 40 routes for every node."""
        node = self.view.nodes[given["name"]]
        full = NodeView(node.name, None, node.endpoints, routes(node.name, 40), node.peers, node.health)
        return node_story(full, self.drawn(), given.get("find", ""))

    async def span(self, _given: Mapping[str, str]) -> Span:
        """As Seen's: the logs begin a hundred seconds ago."""
        return Span(begins=NOW - 100, until=NOW, missing={})

    async def past(self, given: Mapping[str, str]) -> Picture:
        """As Seen's: in the past every session was down, and the log of the last node is lost."""
        at = float(given["at"])
        *known, lost = self.view.nodes
        then = {name: before(self.view.nodes[name], at) for name in known}
        return picture(as_it_was(self.view, then, {lost: "the disk was full"}), None, self.name, at)

    async def prefix(self, given: Mapping[str, str]) -> Any:
        """As Seen's, from `ribs`."""
        try:
            asked = parse_prefix(given["prefix"])
        except ValueError as error:
            raise Usage(f"this is no prefix: {error}") from error
        return prefix_story(asked, self.ribs, self.drawn(), {})


def answers_of(paper: Paper) -> Mapping[str, Answer]:
    """What can be asked of it."""
    return {"/node": paper.node, "/prefix": paper.prefix, "/span": paper.span, "/past": paper.past}


@asynccontextmanager
async def served(paper: Paper, interval_s: float = 0.1) -> AsyncIterator[tuple[str, Live]]:
    """The page's own server on a free port of loopback; its address."""
    live = Live(paper.look, interval_s)
    site = Site(live, answers_of(paper), LOOPBACK)
    server = await serve(site, "127.0.0.1", 0)
    looking = asyncio.create_task(live.run())
    try:
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", live
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
