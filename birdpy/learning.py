"""Join: what the peers say, judged, held and chosen from. Synchronous: every answer is the prefixes that changed.

Three things move the choice of a prefix: an event of a peer, a change of policy (sessions, filters, this node's own
addresses and blocks), and a change of the kernel's other routes, on which next hops are resolved. `now` is monotonic.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field

from birdpy import causes, peers
from birdpy.peers import Fate, Peer
from birdpy.policy.changes import Change, Effect, change
from birdpy.policy.imports import Surroundings, judgement
from birdpy.policy.session import Session, Speaker
from birdpy.rib.best_path import Preferences
from birdpy.rib.events import (
    Acked,
    Down,
    EndOfRib,
    Event,
    Failed,
    Malformed,
    Notified,
    Opened,
    Overflow,
    Refresh,
    Shutdown,
    Up,
    Update,
)
from birdpy.rib.next_hops import Ground
from birdpy.rib.path import Path
from birdpy.rib.selection import Selection
from birdpy.rib.table import Judge, Rib, Sender, Touched
from felixpy.history.events import Cause
from felixpy.model.addresses import Address, Prefix

UNADDRESSED = Overflow | Acked | Shutdown  # events that are about no peer


@dataclass(slots=True)
class Heard:
    """What a burst of events led to. Prefixes are those whose choice or way changed."""

    changed: Set[Prefix] = frozenset()
    up: set[Address] = field(default_factory=set)  # these peers know nothing of us yet
    down: set[Address] = field(default_factory=set)
    spoken: set[Address] = field(default_factory=set)  # nothing more is to come of what they had before
    held: list[Peer] = field(default_factory=list)  # sent too much: to be taken out of the configuration
    misspoke: list[Peer] = field(default_factory=list)  # sent UPDATEs with an error, to be said
    near: list[Peer] = field(default_factory=list)  # sent nearly too much, for the first time
    ask: set[Address] = field(default_factory=set)  # to be asked for everything again
    closing: set[Address] = field(default_factory=set)  # to be told nothing from now on, and then closed
    back: set[Address] = field(default_factory=set)  # were closing, and are wanted again
    causes: Mapping[Prefix, Cause] = field(default_factory=dict)  # why, of those that an event was about
    parted: list[Peer] = field(default_factory=list)  # are no peers any more
    changes: dict[str, Change] = field(default_factory=dict)  # sessions, by name, that are configured otherwise now
    begun: set[str] = field(default_factory=set)  # sessions, by name, that there were not before

    @property
    def anew(self) -> frozenset[str]:
        """The sessions whose paths have to be judged, whether policy is the same or not."""
        judged = {name for name, found in self.changes.items() if found.effect is not Effect.LIVE}
        return frozenset(judged | self.begun)


class Learning:
    """The peers, their paths, and the choice among them."""

    def __init__(
        self, ground: Ground, clock: Callable[[], float] = time.time, wanted: Preferences | None = None
    ) -> None:
        self._clock = clock  # Unix seconds, for the age of a path; `now` is monotonic, for deadlines
        self.peers: dict[Address, Peer] = {}
        self.rib = Rib()
        self.selection = Selection(self.rib, ground, wanted)
        self._judges: dict[str, Judge] = {}
        self._wanted: dict[Address, Session] = {}

    def configure(self, speaker: Speaker, now: float) -> Heard:
        """The sessions that should be: new ones begin, changed ones stay, removed ones are led out.

        A session that is up and should be no more is closing first, until it was told that nothing is here: merely
        closed, its peer would keep our routes as stale for the restart time.
        """
        heard, touched = Heard(), dict[Prefix, Cause]()
        heard.causes = touched
        self._wanted = {session.address: session for session in speaker.sessions}
        for address, peer in tuple(self.peers.items()):
            after = self._wanted.get(address)
            if peer.up and (after is None or (after.held_down and not peer.session.held_down)):
                if peer.closing is None:
                    peer.closing = now + peers.CLOSE_WITHIN_S
                    heard.closing.add(address)
            elif after is None or after.peer_as != peer.session.peer_as:
                touched |= dict.fromkeys(self._part_with(peer, heard), causes.removed(peer))
            else:
                touched |= dict.fromkeys(self._reconfigure(peer, after, heard), causes.removed(peer))
        for address, session in self._wanted.items():
            if address not in self.peers:
                self.peers[address] = Peer(session, since=now)
                heard.begun.add(session.name)
        heard.changed = self.selection.update(touched)
        return heard

    def _part_with(self, peer: Peer, heard: Heard) -> Touched:
        """It is no peer any more."""
        address, name = peer.session.address, peer.session.name
        del self.peers[address]
        self._judges.pop(name, None)
        heard.spoken.add(address)
        heard.down.add(address)
        heard.parted.append(peer)
        return self.rib.lost(name)

    def _reconfigure(self, peer: Peer, after: Session, heard: Heard) -> Touched:
        """The same peer, perhaps with other options; its paths stay."""
        before, address = peer.session, after.address
        if peer.closing is not None:
            peer.closing, peer.let_go = None, False
            heard.back.add(address)
        found = change(before, after)
        if found is None:
            return set()
        heard.changes[after.name], peer.session = found, after
        touched: Touched = set()
        if before.name != after.name:
            touched = self.rib.rename(before.name, after.name)
            self._judges.pop(before.name, None)
            heard.begun.add(after.name)
        if before.max_prefix < after.max_prefix:
            peers.let_return(peer)
            if peer.up and self.rib.paths(after.name) >= before.max_prefix:
                heard.ask.add(address)  # what was above the limit was not kept
        return touched

    def expect(self, now: float) -> None:
        """We have just started and hold routes of an earlier life: every peer is awaited for its restart time."""
        for peer in self.peers.values():
            peers.keep_for(peer, now, peer.session.graceful_restart_s)

    def judge_by(self, around: Surroundings, only: frozenset[str] | None = None) -> Set[Prefix]:
        """Policy is this from now on: everything received (of the sessions named) is judged anew."""
        touched = set[Prefix]()
        for peer in self.peers.values():
            session = peer.session
            self._judges[session.name] = judgement(session, around)
            if only is None or session.name in only:
                touched |= self.rib.judge_again(session.name, self._judges[session.name])
        return self.selection.update(touched)

    def originate(self, paths: Mapping[Prefix, Path]) -> Set[Prefix]:
        """These are our own paths, all of them."""
        return self.selection.update(self.rib.replace_local(paths))

    def on(self, ground: Ground) -> Set[Prefix]:
        """The kernel's other routes changed."""
        return self.selection.on(ground)

    def hear(self, events: Iterable[Event], now: float) -> Heard:
        """Take in a burst of events, in their order."""
        heard, touched = Heard(), dict[Prefix, Cause]()
        heard.causes = touched
        for event in events:
            if isinstance(event, Overflow):
                touched |= dict.fromkeys(self._overflow(heard, now), causes.OVERFLOW)
            if isinstance(event, UNADDRESSED):
                continue
            peer = self.peers.get(event.peer)
            if peer is not None:
                touched |= dict.fromkeys(self._one(event, peer, heard, now), causes.of_event(event, peer))
        heard.changed = self.selection.update(touched)
        return heard

    def _one(self, event: Event, peer: Peer, heard: Heard, now: float) -> Touched:
        name = peer.session.name
        match event:
            case Update():
                return self._update(event, peer, heard, now)
            case Malformed():
                if peers.misspoke(peer, event) and peer not in heard.misspoke:
                    heard.misspoke.append(peer)
            case Opened():
                peer.opened = event
            case Notified():
                peer.last_error = notified(event)
            case Failed():
                peers.attempted(peer, event.reason, now)
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
        received = self.rib.paths(peer.session.name)
        if peers.nearly_too_much(peer, received):
            heard.near.append(peer)
        if applied.surplus and peer.session.max_prefix_action == "restart" and peer.held_until is None:
            peers.hold_down(peer, received + applied.surplus, now)
            heard.held.append(peer)
        return applied.touched

    def _up(self, event: Up, peer: Peer, heard: Heard, now: float) -> Touched:
        touched = set[Prefix]()
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
        if peer.closing is not None:
            touched = self._part_with(peer, heard)
            if peer.session.address in self._wanted:
                self.peers[peer.session.address] = Peer(self._wanted[peer.session.address], since=now)
            return touched
        heard.down.add(peer.session.address)
        if fate is Fate.DROP:
            heard.spoken.add(peer.session.address)
        kept = peer.session.families if fate is Fate.KEEP else ()
        return self.rib.lost(peer.session.name, kept, ours=event.ours)

    def _overflow(self, heard: Heard, now: float) -> Touched:
        """Updates were dropped: what every peer said is in doubt until it has said it again."""
        touched = set[Prefix]()
        for address, peer in self.peers.items():
            if peer.up:
                peers.keep_for(peer, now, peers.PATIENCE_S)
                touched |= self.rib.lost(peer.session.name, peer.session.families, ours=True)
                heard.ask.add(address)
        return touched

    def keep_time(self, now: float) -> Heard:
        """Sweep what has waited long enough."""
        heard, touched = Heard(), dict[Prefix, Cause]()
        heard.causes = touched
        for address, peer in self.peers.items():
            due = peers.overdue(peer, now)
            if due:
                touched |= dict.fromkeys(self.rib.sweep(peer.session.name, due), causes.overdue(peer))
            if due and not peer.awaiting:
                heard.spoken.add(address)
        heard.changed = self.selection.update(touched)
        return heard

    def leads_nowhere(self, prefix: Prefix) -> bool:
        """Whether there are paths to `prefix`, and no way to the next hop of any."""
        return self.selection.choice(prefix) is None and bool(self.rib.candidates(prefix))

    def givers(self, prefix: Prefix) -> frozenset[Address]:
        """Which peers gave what is in use for `prefix`; none when it is our own or nothing is."""
        choice = self.selection.choice(prefix)
        shared = choice.multipath if choice is not None else ()
        return frozenset(path.peer for path in shared if path.peer is not None)


def notified(event: Notified) -> str:
    """`NOTIFICATION received: 6/2 administrative shutdown`."""
    way = "sent" if event.sent else "received"
    return f"NOTIFICATION {way}: {event.code}/{event.subcode} {event.text}".rstrip()
