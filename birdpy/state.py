"""Join: what the router knows and wants. Synchronous, no I/O: every method moves from one whole state to another.

datastore --- take ---+                      +-- forwarding (kernel) -- settled --+
peers ------- hear ---+-- learning (RIB) ----+                                    |   a blackhole is announced
kernel ------ look ---+   touched prefixes   +-- telling (peers) ----- answered --+   only when it was read back,
                                                                                      removed only when withdrawn
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace

from birdpy import causes, peers
from birdpy.causes import Causes
from birdpy.chronicle import Chronicle, Touched
from birdpy.desired.advertisements import Chosen, advertisements
from birdpy.desired.fib import learned_route, reachable_by
from birdpy.due import Due, Pace
from birdpy.forwarding import Forwarding
from birdpy.learning import Heard, Learning
from birdpy.orders import Orders
from birdpy.peers import Peer
from birdpy.policy.imports import surroundings as import_policy
from birdpy.policy.session import Session, Speaker
from birdpy.rib.advertisement import Advertisement, AdvertisementKey
from birdpy.rib.best_path import Choice, Preferences
from birdpy.rib.events import Event
from birdpy.rib.next_hops import Resolution, Resolved
from birdpy.stage import AWAY, QUIET, Stage
from birdpy.surroundings import Surroundings
from birdpy.telling import Telling
from felixpy.history.events import Cause
from felixpy.model.addresses import Address, Prefix
from felixpy.model.routes import Route, RouteKey, RouteKind
from felixpy.reconcile.table import Outcome

ROUND_S = 0.01  # between rounds of writing while a stream of changes comes in
DRAINED = "drained; birdpy drain --undo brings it back"


class State:
    """All that changes while the router runs. `kernel_due`, `peers_due`, ... wake the task that acts on it."""

    def __init__(
        self,
        forwarding: Forwarding,
        telling: Telling,
        api_servers: tuple[Address, ...] = (),
        wanted: Preferences | None = None,
    ) -> None:
        self.forwarding, self.telling = forwarding, telling
        self.around = Surroundings()
        self.learning = Learning(self.around.ground(), wanted=wanted)
        self.orders: Orders | None = None
        self.fixed: dict[RouteKey, Route] = {}  # blackholes and reachableBy: they win over what was learned
        self.left_out: Mapping[str, str] = {}  # sessions that ExaBGP does not get, with the reason
        self.kernel_due, self.peers_due = Due(Pace(ROUND_S)), Due(Pace(ROUND_S))
        self.sessions_due, self.clock_due, self.save_due, self.nearby_due = Due(), Due(), Due(), Due()
        self.unsaved: dict[Prefix, None] = {}  # whose givers may be others than those written down
        self.stage = Stage.SERVING
        self.chronicle = Chronicle()
        self._api_servers = api_servers
        self._relied_on: frozenset[Prefix] = frozenset()  # `programmed` as the peers know it
        self._policy: object = None  # what import policy was made of

    @property
    def peers(self) -> Mapping[Address, Peer]:
        """Every session that should be, by the peer's address."""
        return self.learning.peers

    @property
    def up(self) -> list[Session]:
        """The sessions that are established."""
        return [peer.speaking for peer in self.peers.values() if peer.up and peer.closing is None]

    @property
    def programmed(self) -> frozenset[Prefix]:
        """The own blocks whose blackhole was read back from the kernel."""
        return frozenset(key.prefix for key in self.forwarding.blackholes)

    def ways(self) -> Iterator[Resolution]:
        """How every next hop in use and every peer is reached."""
        yield from self.learning.selection.ways()
        for address in self.peers:
            yield self.learning.selection.way(address)

    def within_reach(self) -> list[Address]:
        """The peers without a session that something leads to which has come back since the last call."""
        returned, self.around.returned = self.around.returned, set()
        found = []
        for address, peer in self.peers.items() if returned else ():
            way = self.learning.selection.way(address)
            hops = way.hops if isinstance(way, Resolved) and not peer.up else ()
            if any(hop.device in returned or (hop.via, hop.device) in returned for hop in hops):
                found.append(address)
        return found

    def speaker(self) -> Speaker | None:
        """The sessions as ExaBGP should have them: those that sent too much are held down for a while.

        One that is to go stays, as it was, until its peer was told that nothing is here.
        """
        if self.orders is None:
            return None
        away = {a: peer.last_error for a, peer in self.peers.items() if peer.held_until is not None}
        if self.stage in AWAY:
            away = dict.fromkeys(self.peers, DRAINED)
        staying = {a: p.session for a, p in self.peers.items() if p.closing is not None and not p.let_go}
        wanted = {session.address: session for session in self.orders.speaker.sessions}
        sessions = tuple((wanted | staying).values())
        held = tuple(replace(s, held_down=s.held_down or away.get(s.address)) for s in sessions) if away else sessions
        return replace(self.orders.speaker, sessions=held)

    def take(self, orders: Orders, now: float) -> Heard:
        """The datastore says this now."""
        before, self.orders = self.orders, orders
        ground_moved = self.around.ignore(orders.speaker.ignored_interfaces)
        heard = self.learning.configure(orders.speaker, now)
        if ground_moved:
            heard.changed |= self.learning.on(self.around.ground())
        judged = self._judge(heard.anew)
        own = self.learning.originate(orders.paths) | self._fix()
        changed = causes.configured(heard, judged, own, (before, orders))
        self._stand()
        if before is None or (before.fib_key, before.export_key) != (orders.fib_key, orders.export_key):
            changed |= set(self.learning.selection.choices)
        heard.changed |= changed
        heard.changed = heard.changed | self.learning.selection.keep_offers(
            wanted=any(session.add_path_send for session in orders.speaker.sessions)
        )
        self.sessions_due.mark()
        if before is not None and before.recalled:
            self.peers_due.mark()  # End-of-RIB may have waited for it
        self.apply(heard)
        return heard

    def leave(self, stage: Stage, now: float) -> None:
        """Move to another step of leaving, or back. What the kernel holds stays until somebody has spoken again."""
        before, self.stage = self.stage, stage
        if stage in AWAY and before not in AWAY:
            desired = self.forwarding.settler.desired
            self.forwarding.adopt({k: r for k, r in desired.items() if r.kind is RouteKind.LEARNED})
        elif before in AWAY and stage not in AWAY:
            self.learning.expect(now)
            self.clock_due.mark()
            self.touch(self.forwarding.wait_for({}, frozenset(self.peers)))
        if (stage in AWAY) != (before in AWAY):
            self.sessions_due.mark()
        self.tell(list(self.learning.selection.choices))

    def look(self) -> None:
        """The kernel's other routes, links or addresses are those of `around` now."""
        changed = self.learning.on(self.around.ground())
        self.touch(changed | self._judge() | self._fix(), self.around.news())

    def hear(self, events: Sequence[Event], now: float) -> Heard:
        """Peers did this."""
        heard = self.learning.hear(events, now)
        self.apply(heard)
        if heard.changed:
            self.forwarding.heard(now)
        return heard

    def keep_time(self, now: float) -> list[Peer]:
        """Sweep what is overdue; the peers that may come back after too many prefixes."""
        self.apply(self.learning.keep_time(now))
        back = [peer for peer in self.peers.values() if peers.may_return(peer, now)]
        if back:
            self.sessions_due.mark()
        self._let_go(lambda peer: peer.closing is not None and peer.closing <= now)
        return back

    def _let_go(self, may_go: Callable[[Peer], bool]) -> None:
        """Take the closing sessions that may go out of ExaBGP's configuration."""
        for peer in self.peers.values():
            if peer.closing is not None and not peer.let_go and may_go(peer):
                peer.let_go = True
                self.sessions_due.mark()

    def apply(self, heard: Heard) -> None:
        """Carry on what the peers' side found out."""
        for address in heard.down:
            self.telling.silence(address)
        for address in heard.closing:
            self.telling.hush(address)
        if heard.down:
            self._stand()
        if heard.changed and self._leans_on_gateways:  # a reachableBy gateway may be known by BGP alone
            heard.changed |= self._fix()
        for address in heard.spoken:
            heard.changed = heard.changed | self.forwarding.spoken(address, self.learning.leads_nowhere)
        self.chronicle.sessions(heard, self.peers)
        self.touch(heard.changed, causes.LEANED if heard.causes else causes.SPOKEN, heard.causes)
        for address in heard.up | heard.back:
            self.telling.greet(
                address, self._advertisements(self.learning.selection.choices, [self.peers[address].speaking])
            )
        if heard.held:
            self.sessions_due.mark()
        if heard.up or heard.down or heard.closing or heard.back:
            self.peers_due.mark()
        if heard.up or heard.down or heard.held or heard.closing:
            self.clock_due.mark()

    def touch(self, prefixes: Iterable[Prefix], cause: Cause = causes.SPOKEN, each: Causes = causes.NONE) -> None:
        """Work out anew what kernel and peers should have of these prefixes, and note why."""
        todo = list(prefixes)
        if not todo or self.orders is None:
            return
        choices = list(map(self.learning.selection.choice, todo))
        for prefix, choice in zip(todo, choices, strict=True):
            self.forwarding.want(prefix, self._route(prefix, choice))
        self.chronicle.touched(Touched(todo, choices, each, cause), self.learning.rib)
        self.tell(todo)
        self.unsaved.update(dict.fromkeys(todo))
        self.kernel_due.mark()
        self.save_due.mark()

    def tell(self, prefixes: Iterable[Prefix]) -> None:
        """Work out anew what the peers should hear of these prefixes."""
        todo = list(prefixes)
        wanted: dict[Prefix, dict[AdvertisementKey, Advertisement]] = {}
        for key, advertisement in self._advertisements(todo, self.up).items():
            wanted.setdefault(key.prefix, {})[key] = advertisement
        concerned = [prefix for prefix in todo if prefix in wanted or self.telling.knows(prefix)]
        for prefix in concerned:
            self.telling.want(prefix, wanted.get(prefix, {}))
        if concerned:
            self.peers_due.mark()

    def settled(self) -> None:
        """The kernel was settled: blackholes that are there now may be announced, those that went may not."""
        before, self._relied_on = self._relied_on, self.programmed
        self.tell(before ^ self._relied_on)

    def answered(self, outcome: Outcome[AdvertisementKey, Advertisement]) -> None:
        """The peers were told this: blackholes of blocks that nobody believes in any more may go."""
        gone = {key.prefix for key in outcome.plan.erase}
        if gone and self.orders is not None:
            self.touch(gone, causes.RELEASED)
        self._let_go(lambda peer: self.telling.hushed(peer.session.address))

    def _judge(self, sessions: frozenset[str] = frozenset()) -> Set[Prefix]:
        """Judge anew all that was received, if policy changed, else what came over these sessions."""
        orders = self.orders
        if orders is None:
            return set()
        here = self.around.here(self._api_servers)
        policy = (orders.import_key, here)
        same = policy == self._policy
        if same and not sessions:
            return set()
        self._policy = policy
        around = import_policy(orders.speaker, orders.export.filters, here, orders.own)
        return self.learning.judge_by(around, sessions if same else None)

    def _stand(self) -> None:
        """Keep the addresses that pods dial, for as long as one of them has still to hear that nothing is here."""
        closing = any(peer.closing is not None and peer.session.workload for peer in self.peers.values())
        if self.orders is not None:
            kept = self.forwarding.standing if closing else {}
            self.forwarding.stand({**kept, **self.orders.peering})
            self.kernel_due.mark()

    @property
    def _leans_on_gateways(self) -> bool:
        return self.orders is not None and any(s.reachable_by for s in self.orders.speaker.sessions)

    def _fix(self) -> Set[Prefix]:
        """Work out the fixed routes; the prefixes where they changed."""
        orders = self.orders
        if orders is None:
            return set()
        before = self.fixed
        self.fixed = reachable_by(orders.speaker, self.learning.selection.way, orders.fib) | orders.blackholes
        return {key.prefix for key in before.keys() | self.fixed if before.get(key) != self.fixed.get(key)}

    def _route(self, prefix: Prefix, choice: Choice | None) -> Route | None:
        """What the kernel should have of one prefix, of which this is chosen."""
        assert self.orders is not None
        key = self.orders.fib.key(prefix)
        fixed = self.fixed.get(key)
        if fixed is not None:
            return fixed
        before = self.forwarding.settler.desired.get(key)
        if before is not None and before.kind is RouteKind.BLACKHOLE and self.telling.told(prefix):
            return before  # somebody may still send packets for it: it goes once the withdrawal was answered
        route = learned_route(choice, self.learning.selection.way, self.orders.fib, key) if choice else None
        return route if isinstance(route, Route) else None

    def _advertisements(
        self, prefixes: Iterable[Prefix], sessions: Sequence[Session]
    ) -> dict[AdvertisementKey, Advertisement]:
        if self.orders is None or not sessions or self.stage in QUIET:
            return {}
        selection, rules = self.learning.selection, self.orders.export
        if self.stage is Stage.LAST_RESORT:
            rules = replace(rules, draining=True)
        chosen = Chosen(selection.choices, selection.ranked)
        return advertisements(prefixes, chosen, sessions, rules, self.programmed)
