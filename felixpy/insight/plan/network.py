"""The cluster's routers on paper: production's policy, RIB and desired routes, run until all is said. Pure.

Peers outside the cluster are told, and tell nothing. What is between the nodes is taken to work: a next hop is on the
wire when it is in the node's own subnet, and behind an unnamed fabric otherwise.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from birdpy.desired.advertisements import Advertisements, Chosen, advertisements
from birdpy.desired.fib import desired_routes, reachable_by
from birdpy.orders import Orders, orders
from birdpy.policy.cluster import cluster
from birdpy.policy.guard import Here
from birdpy.policy.imports import judgement, surroundings
from birdpy.policy.session import Session
from birdpy.policy.sessions import SpeakerSettings
from birdpy.rib.advertisement import Advertisement, AdvertisementKey
from birdpy.rib.events import Reach, Unreach, Update
from birdpy.rib.next_hops import Ground
from birdpy.rib.path import Attributes
from birdpy.rib.selection import Selection
from birdpy.rib.table import Rib, Sender
from felixpy.model.addresses import Address, Prefix, family, parse_prefix
from felixpy.model.fib import ConnectedRoute, ConnectedRoutes
from felixpy.model.routes import BGP_METRIC, Device, Route, RouteKey
from felixpy.model.snapshot import Snapshot

ROUNDS = 64  # of telling everybody everything; reflectors in a row need one each
STATIC = 4  # RTPROT_STATIC: no connected subnet
FABRIC = tuple(
    ConnectedRoute(parse_prefix(text), Device("fabric"), protocol=STATIC) for text in ("0.0.0.0/0", "::/0")
)
Pair = tuple[str, Address]  # a node, and the address of the peer of one of its sessions


@dataclass
class Router:
    """One node: its table, what it chose, what it has told each peer."""

    name: str
    orders: Orders
    ground: ConnectedRoutes
    told: Advertisements = field(default_factory=dict)
    up: list[Session] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin with what is its own."""
        self._rib = Rib()
        self.selection = Selection(self._rib, Ground(self.ground))
        self.selection.update(self._rib.replace_local(self.orders.paths))
        here = Here(self.ground)
        around = surroundings(self.orders.speaker, self.orders.export.filters, here, self.orders.own)
        self._judges = {it.address: judgement(it, around) for it in self.sessions.values()}

    @cached_property
    def sessions(self) -> Mapping[Address, Session]:
        """The sessions that it should have, by the peer's address."""
        return {it.address: it for it in self.orders.speaker.sessions}

    def say(self) -> list[tuple[AdvertisementKey, Advertisement | None]]:
        """What changed since it was last told; None withdraws."""
        choices = self.selection.choices
        wanted = advertisements(choices, Chosen(choices), self.up, self.orders.export, self.orders.blocks.blackholed)
        changed: list[tuple[AdvertisementKey, Advertisement | None]]
        changed = [(key, it) for key, it in wanted.items() if self.told.get(key) != it]
        changed += [(key, None) for key in self.told if key not in wanted]
        self.told = wanted
        return changed

    def hear(self, peer: Address, router_id: int, prefix: Prefix, what: Advertisement | None) -> None:
        """A peer announces or withdraws."""
        if what is None:
            update = Update(peer, (), (Unreach(prefix),), Attributes())
        else:
            update = Update(peer, (Reach(prefix, what.next_hop, what.key.path_id),), (), what.attributes)
        sender = Sender(self.sessions[peer], router_id)
        self.selection.update(self._rib.apply(update, sender, self._judges[peer]).touched)

    @cached_property
    def kernel(self) -> dict[RouteKey, Route]:
        """All that birdpy wants in this node's kernel, once everybody has said everything."""
        way, fib = self.selection.way, self.orders.fib
        fixed = reachable_by(self.orders.speaker, way, fib) | self.orders.blackholes
        return desired_routes(self.selection.choices, way, fixed.values(), fib)


@dataclass
class Network:
    """The routers by name, and who has which session with whom."""

    routers: dict[str, Router]
    far: dict[Pair, str] = field(default_factory=dict)  # a session between nodes that both have: the other node

    def between(self, node: str, session: Session) -> str | None:
        """The node of the cluster at the other end, where that has the session too and it can come up."""
        return self.far.get((node, session.address))

    @property
    def joined(self) -> set[frozenset[str]]:
        """Pairs of nodes with a session."""
        return {frozenset((node, other)) for (node, _), other in self.far.items()}

    @property
    def groups(self) -> dict[str, str]:
        """For each node one that stands for all that sessions join it with, at any distance."""
        stands = {name: name for name in self.routers}

        def root(name: str) -> str:
            while stands[name] != name:
                name = stands[name]
            return name

        for pair in sorted(self.joined, key=sorted):
            one, other = (root(name) for name in pair)
            stands[max(one, other)] = min(one, other)
        return {name: root(name) for name in self.routers}


def network(
    snapshot: Snapshot, names: Iterable[str], settings: SpeakerSettings, alive: Callable[[Pair], bool] | None = None
) -> Network:
    """The nodes `names` of the snapshot, all told and settled. `alive` picks the sessions that are up."""
    made = Network({name: _router(snapshot, name, settings) for name in names})
    owners = {address: it.name for it in made.routers.values() for address in it.orders.speaker.addresses}
    for router in made.routers.values():
        for session in router.sessions.values():
            other = owners.get(session.address)
            if alive is not None and not alive((router.name, session.address)):
                continue
            if other is None and not session.cluster_node and session.held_down is None:
                router.up.append(session)
            elif other is not None and _agree(router, session, made.routers[other]):
                made.far[router.name, session.address] = other
                router.up.append(session)
    _settle(made)
    return made


def _router(snapshot: Snapshot, name: str, settings: SpeakerSettings) -> Router:
    made = orders(snapshot, name, BGP_METRIC, settings)
    node = cluster(snapshot).nodes.get(name)
    nets = node.networks.values() if node else ()
    own = [ConnectedRoute(net, Device("uplink")) for net in nets if net.prefixlen < net.max_prefixlen]
    return Router(name, made, ConnectedRoutes.of((*own, *FABRIC)))


def _agree(one: Router, session: Session, other: Router) -> bool:
    """Whether the other end has this session too, with the same AS numbers and password, and one end dials."""
    back = other.sessions.get(_own_address(one, session) or session.address)
    return (
        back is not None
        and session.held_down is None
        and back.held_down is None
        and (session.peer_as, session.local_as) == (back.local_as, back.peer_as)
        and session.password == back.password
        and not (session.passive and back.passive)
    )


def _own_address(router: Router, session: Session) -> Address | None:
    return session.source_address or router.orders.speaker.address(family(session.address))


def _settle(made: Network) -> None:
    for _ in range(ROUNDS):
        quiet = True
        for router in made.routers.values():
            sessions = {session.address: session for session in router.up}
            for key, what in router.say():
                other = made.far.get((router.name, key.peer))
                if other is not None:
                    mine = _own_address(router, sessions[key.peer])
                    assert mine is not None  # the session agreed on it
                    made.routers[other].hear(mine, int(router.orders.speaker.router_id), key.prefix, what)
                    quiet = False
        if quiet:
            return
