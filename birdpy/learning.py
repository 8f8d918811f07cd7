"""Join: what the peers say, judged, held and chosen from. Synchronous: every answer is the prefixes that changed.

Three things move the choice of a prefix: an event of a peer, a change of policy (sessions, filters, this node's own
addresses and blocks), and a change of the kernel's other routes, on which next hops are resolved. `now` is monotonic.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from birdpy import peers
from birdpy.peers import Fate, Peer
from birdpy.policy.imports import Surroundings, judgement
from birdpy.policy.session import Session, Speaker
from birdpy.rib.events import Acked, Down, EndOfRib, Event, Notified, Opened, Overflow, Refresh, Shutdown, Up, Update
from birdpy.rib.next_hops import Ground
from birdpy.rib.path import Path
from birdpy.rib.selection import Selection
from birdpy.rib.table import Judge, Rib, Sender, Touched
from felixpy.model.addresses import Address, Prefix

UNADDRESSED = Overflow | Acked | Shutdown  # events that are about no peer


@dataclass(slots=True)
class Heard:
    """What a burst of events led to. Prefixes are those whose choice or way changed."""

    changed: set[Prefix] = field(default_factory=set)
    up: set[Address] = field(default_factory=set)  # these peers know nothing of us yet
    down: set[Address] = field(default_factory=set)
    spoken: set[Address] = field(default_factory=set)  # nothing more is to come of what they had before
    held: list[Peer] = field(default_factory=list)  # sent too much: to be taken out of the configuration
    near: list[Peer] = field(default_factory=list)  # sent nearly too much, for the first time
    ask: set[Address] = field(default_factory=set)  # to be asked for everything again


class Learning:
    """The peers, their paths, and the choice among them."""

    def __init__(self, ground: Ground, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock  # Unix seconds, for the age of a path; `now` is monotonic, for deadlines
        self.peers: dict[Address, Peer] = {}
        self.rib = Rib()
        self.selection = Selection(self.rib, ground)
        self._judges: dict[str, Judge] = {}

    def configure(self, speaker: Speaker, now: float) -> Heard:
        """The sessions that should be: new ones begin, removed ones lose their paths, changed ones stay."""
        heard = Heard()
        wanted = {session.address: session for session in speaker.sessions}
        touched: Touched = set()
        for address in [a for a, peer in self.peers.items() if not same_peer(peer.session, wanted.get(a))]:
            gone = self.peers.pop(address)
            touched |= self.rib.lost(gone.session.name)
            self._judges.pop(gone.session.name, None)
            heard.spoken.add(address)
            heard.down.add(address)
        for address, session in wanted.items():
            peer = self.peers.get(address)
            if peer is None:
                self.peers[address] = Peer(session, since=now)
            else:
                peer.session = session
        heard.changed = self.selection.update(touched)
        return heard

    def expect(self, now: float) -> None:
        """We have just started and hold routes of an earlier life: every peer is awaited for its restart time."""
        for peer in self.peers.values():
            peers.keep_for(peer, now, peer.session.graceful_restart_s)

    def judge_by(self, around: Surroundings, only: frozenset[str] | None = None) -> set[Prefix]:
        """Policy is this from now on: everything received (of the sessions named) is judged anew."""
        touched: Touched = set()
        for peer in self.peers.values():
            session = peer.session
            self._judges[session.name] = judgement(session, around)
            if only is None or session.name in only:
                touched |= self.rib.judge_again(session.name, self._judges[session.name])
        return self.selection.update(touched)

    def originate(self, paths: Mapping[Prefix, Path]) -> set[Prefix]:
        """These are our own paths, all of them."""
        return self.selection.update(self.rib.replace_local(paths))

    def on(self, ground: Ground) -> set[Prefix]:
        """The kernel's other routes changed."""
        return self.selection.on(ground)

    def hear(self, events: Iterable[Event], now: float) -> Heard:
        """Take in a burst of events, in their order."""
        heard, touched = Heard(), set[Prefix]()
        for event in events:
            if isinstance(event, Overflow):
                touched |= self._overflow(heard, now)
            if isinstance(event, UNADDRESSED):
                continue
            peer = self.peers.get(event.peer)
            if peer is not None:
                touched |= self._one(event, peer, heard, now)
        heard.changed = self.selection.update(touched)
        return heard

    def _one(self, event: Event, peer: Peer, heard: Heard, now: float) -> Touched:
        name = peer.session.name
        match event:
            case Update():
                return self._update(event, peer, heard, now)
            case Opened():
                peer.opened = event
            case Notified():
                peer.last_error = notified(event)
            case Up():
                return self._up(event, peer, heard, now)
            case Down():
                return self._down(event, peer, heard, now)
            case EndOfRib(_, family):
                if peers.end_of_rib(peer, family):
                    if not peer.awaiting:
                        heard.spoken.add(peer.session.address)
                    return self.rib.sweep(name, (family,))
            case Refresh(_, family, "end"):  # RFC 7313: what was not said again since "begin" is gone
                if peers.end_of_rib(peer, family):
                    return self.rib.sweep(name, (family,))
        return set()

    def _update(self, event: Update, peer: Peer, heard: Heard, now: float) -> Touched:
        judge = self._judges.get(peer.session.name)
        if judge is None:
            return set()  # not configured yet: its session is reset before anything of it counts
        sender = Sender(peer.session, peer.opened.router_id if peer.opened else 0, self._clock())
        applied = self.rib.apply(event, sender, judge)
        received, _ = self.rib.counts(peer.session.name)
        if peers.nearly_too_much(peer, received):
            heard.near.append(peer)
        if applied.surplus and peer.session.max_prefix_action == "restart" and peer.held_until is None:
            peers.hold_down(peer, received + applied.surplus, now)
            heard.held.append(peer)
        return applied.touched

    def _up(self, event: Up, peer: Peer, heard: Heard, now: float) -> Touched:
        touched: Touched = set()
        if peer.up:  # a `down` that we did not see: the bridge dropped it
            touched |= self._down(Down(peer.session.address, ""), peer, heard, now)
        peer.local = event.local
        lost = peers.come_up(peer, now)
        heard.up.add(peer.session.address)
        return touched | self.rib.sweep(peer.session.name, lost)

    def _down(self, event: Down, peer: Peer, heard: Heard, now: float) -> Touched:
        was_up = peer.up
        fate = peers.go_down(peer, event, now)
        if not was_up:
            return set()
        heard.down.add(peer.session.address)
        if fate is Fate.DROP:
            heard.spoken.add(peer.session.address)
        kept = peer.session.families if fate is Fate.KEEP else ()
        return self.rib.lost(peer.session.name, kept, ours=event.ours)

    def _overflow(self, heard: Heard, now: float) -> Touched:
        """Updates were dropped: what every peer said is in doubt until it has said it again."""
        touched: Touched = set()
        for address, peer in self.peers.items():
            if peer.up:
                peers.keep_for(peer, now, peers.PATIENCE_S)
                touched |= self.rib.lost(peer.session.name, peer.session.families, ours=True)
                heard.ask.add(address)
        return touched

    def keep_time(self, now: float) -> Heard:
        """Sweep what has waited long enough."""
        heard, touched = Heard(), set[Prefix]()
        for address, peer in self.peers.items():
            due = peers.overdue(peer, now)
            if due:
                touched |= self.rib.sweep(peer.session.name, due)
            if due and not peer.awaiting:
                heard.spoken.add(address)
        heard.changed = self.selection.update(touched)
        return heard

    def given(self) -> dict[Prefix, frozenset[Address]]:
        """Which peers gave each prefix that is in use."""
        return {
            prefix: frozenset(path.peer for path in choice.multipath if path.peer is not None)
            for prefix, choice in self.selection.choices.items()
            if choice.best.source == "bgp"
        }


def same_peer(before: Session, after: Session | None) -> bool:
    """Whether a session that changed may keep its paths: it is still that peer's, by name and AS."""
    return after is not None and (before.name, before.peer_as) == (after.name, after.peer_as)


def notified(event: Notified) -> str:
    """`NOTIFICATION received: 6/2 administrative shutdown`."""
    way = "sent" if event.sent else "received"
    return f"NOTIFICATION {way}: {event.code}/{event.subcode} {event.text}".rstrip()
