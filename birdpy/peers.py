"""What is remembered of each peer, and what becomes of its paths when its session changes. Pure: `now` is given.

The helper's side of graceful restart (RFC 4724 §4.2): paths of a peer that went away silently are kept as stale
and swept at its End-of-RIB or after its restart time, each peer on its own clock. A peer that said goodbye
(NOTIFICATION), or that never offered capability 64, loses its paths at once. When our own ExaBGP ended, no peer did
anything wrong: whatever it can do, its paths are kept for a while. `now` is monotonic seconds.
"""

import re
from dataclasses import dataclass, field, replace
from enum import Enum

from birdpy.policy.session import Session
from birdpy.rib.events import Down, Malformed, Opened
from felixpy.model.addresses import Address, Family

ANSWER_COUNTS_S = 25.0
PATIENCE_S = 20.0  # for the End-of-RIB of a peer that came back without offering graceful restart
CLOSE_WITHIN_S = 10.0  # for a session that goes to be told that nothing is here any more
HOLD_S = 300.0  # the first stay away after too many prefixes; doubled each time
HOLD_LIMIT = 6  # doublings: at most five hours
WARN_SHARE = 0.8
SHOWN = 3  # prefixes of an UPDATE with an error


class Fate(Enum):
    """What becomes of a peer's paths."""

    KEEP = "keep"  # as stale, until swept
    DROP = "drop"


@dataclass(slots=True)
class Peer:
    """One session's memory. `awaiting` holds the families with stale paths and when they are swept at the latest."""

    session: Session
    since: float
    up: bool = False
    by_us: bool = True  # the last session ended, or there was none yet, because of us and not of the peer
    opened: Opened | None = None
    last_error: str = ""
    attempt: str = ""  # how the last attempt to begin a session ended
    attempt_at: float = 0.0
    awaiting: dict[Family, float] = field(default_factory=dict)
    ended: set[Family] = field(default_factory=set)  # families whose End-of-RIB came since the session is up
    told: set[Family] = field(default_factory=set)  # families whose End-of-RIB we sent since the session is up
    ups: int = 0  # how often the session came up since we run
    local: Address | None = None  # our end of the session, as the kernel chose it
    held_until: float | None = None
    holds: int = 0
    warned: bool = False
    malformed: int = 0  # UPDATEs since the session is up whose routes were withdrawn for an error
    closing: float | None = None  # it is to go: until when withdrawals may take
    let_go: bool = False  # ... and everything was withdrawn, or that time is over: it leaves ExaBGP's configuration

    @property
    def restart_s(self) -> float | None:
        """How long the peer asked us to keep its paths; None when it did not offer graceful restart."""
        return None if self.opened is None else self.opened.graceful_restart_s

    @property
    def lasting(self) -> frozenset[Family]:
        """The families whose paths it asked us to keep: those named in capability 64 (RFC 4724 §4.2).

        One that names none only helps others and says its End-of-RIB: FRR, unless told more, offers 120 s that way.
        """
        return self.session.families & self.opened.restartable if self.opened else frozenset()

    @property
    def speaking(self) -> Session:
        """The session as it is: with what the peer agreed to, and the source address in use, which it reaches."""
        session, opened = self.session, self.opened
        source = session.source_address or self.local
        several = session.add_path_send if opened is not None and session.families <= opened.add_path else 0
        extended = session.extended_next_hop and opened is not None and opened.extended_next_hop
        if (source, several, extended) == (session.source_address, session.add_path_send, session.extended_next_hop):
            return session
        return replace(session, source_address=source, add_path_send=several, extended_next_hop=extended)

    @property
    def state(self) -> str:
        """In the words of the command line."""
        if self.session.held_down or self.held_until is not None:
            return "held-down"
        if self.closing is not None:
            return "closing"
        return "established" if self.up else "connect"


def come_up(peer: Peer, now: float) -> frozenset[Family]:
    """The session is up: the families whose stale paths go at once, for the peer did not keep forwarding them."""
    peer.up, peer.since, peer.ups, peer.malformed = True, now, peer.ups + 1, 0
    peer.ended.clear()
    peer.told.clear()
    opened = peer.opened
    lost: frozenset[Family] = frozenset()
    if opened is not None and opened.restarting and not peer.by_us:
        # It restarted itself: the F bits say what survived (RFC 4724 §4.2). When it was we who restarted (§4.1) they
        # tell nothing: FRR sets R and no F for two minutes after its own start, whoever ended the session.
        lost = frozenset(f for f in peer.awaiting if f not in opened.forwarding_kept)
    for family in lost:
        del peer.awaiting[family]
    wait_s = PATIENCE_S if peer.restart_s is None else peer.restart_s
    peer.awaiting = dict.fromkeys(peer.awaiting, now + wait_s)
    return lost


def attempted(peer: Peer, reason: str, now: float) -> None:
    """An attempt to begin a session ended. A peer that has said why closes without a word for a while afterwards."""
    answered = peer.attempt.startswith("notification") and now - peer.attempt_at < ANSWER_COUNTS_S
    if not answered or reason.startswith("notification"):
        peer.attempt, peer.attempt_at = reason, now


def go_down(peer: Peer, event: Down, now: float) -> Fate:
    """The session is down: whether its paths stay. An attempt that never came up changes nothing."""
    if event.reason and peer.held_until is None:
        peer.last_error = event.reason
    if not peer.up:
        return Fate.KEEP
    forgotten = forgets(peer, event)
    peer.up, peer.since, peer.by_us = False, now, event.ours
    if event.ours:
        keep_for(peer, now, peer.session.graceful_restart_s if peer.restart_s is None else peer.restart_s)
        return Fate.KEEP
    if peer.closing is not None:
        return Fate.DROP
    if peer.held_until is not None:
        return Fate.KEEP  # we took the session away and said that what was accepted stays
    if forgotten:
        peer.awaiting.clear()
        return Fate.DROP
    keep_for(peer, now, peer.restart_s or 0)
    peer.awaiting |= dict.fromkeys(peer.session.families - peer.lasting, now)  # overdue from the start
    return Fate.KEEP


def forgets(peer: Peer, event: Down) -> bool:
    """Whether the end of this session takes its paths along."""
    if event.ours or not peer.up or peer.held_until is not None or peer.closing is not None:
        return False
    return peer.restart_s is None or not peer.lasting or said_goodbye(event.reason)


def said_goodbye(reason: str) -> bool:
    """Whether this end is no silent loss: the peer sent a NOTIFICATION, or we did for a fault of the peer.

    Ours of class 6 (Cease) follow a change of our own configuration: that is a restart of the session.
    """
    return bool(re.search(r"notification received", reason) or re.search(r"notification sent \((?!6,)", reason))


def keep_for(peer: Peer, now: float, wait_s: float) -> None:
    """Mark every family stale until then; a family that is stale already keeps its earlier end."""
    for family in peer.session.families:
        peer.awaiting.setdefault(family, now + wait_s)


def end_of_rib(peer: Peer, family: Family) -> bool:
    """The peer has said all it has of `family`: whether stale paths are to be swept now."""
    peer.ended.add(family)
    return peer.awaiting.pop(family, None) is not None


def overdue(peer: Peer, now: float) -> frozenset[Family]:
    """The families whose stale paths have waited long enough; they are not awaited any more."""
    due = frozenset(family for family, deadline in peer.awaiting.items() if deadline <= now)
    for family in due:
        del peer.awaiting[family]
    return due


def misspoke(peer: Peer, event: Malformed) -> bool:
    """An UPDATE has an error: whether to say so, which is done the first, second, fourth, eighth ... time."""
    peer.malformed += 1
    shown = ", ".join(map(str, event.prefixes[:SHOWN])) + (", ..." if len(event.prefixes) > SHOWN else "")
    peer.last_error = f"UPDATE {peer.malformed} with an error, its routes withdrawn ({event.fault}): {shown}"
    return peer.malformed & (peer.malformed - 1) == 0


def nearly_too_much(peer: Peer, received: int) -> bool:
    """Whether the peer has just come to 80 % of its limit; true once until it is back below."""
    near = received >= WARN_SHARE * peer.session.max_prefix
    first = near and not peer.warned
    peer.warned = near
    return first


def hold_down(peer: Peer, received: int, now: float) -> None:
    """Too many prefixes: stay away 5, 10, 20, ... minutes."""
    wait_s = HOLD_S * 2 ** min(peer.holds, HOLD_LIMIT)
    peer.holds += 1
    peer.held_until = now + wait_s
    peer.last_error = (
        f"max-prefix {peer.session.max_prefix} exceeded ({received} received); back in {wait_s / 60:.0f} min"
    )


def may_return(peer: Peer, now: float) -> bool:
    """Whether a held session's time is over; it is not held any more then."""
    if peer.held_until is None or peer.held_until > now:
        return False
    peer.held_until = None
    return True


def let_return(peer: Peer) -> None:
    """Its limit was raised: it need not stay away for what it sent before."""
    if peer.held_until is not None:
        peer.held_until, peer.holds, peer.last_error = None, 0, ""


def next_deadline(peer: Peer) -> float | None:
    """When something is due for this peer, if anything."""
    others = (peer.held_until, None if peer.let_go else peer.closing)
    return min([*peer.awaiting.values(), *(time for time in others if time is not None)], default=None)


def still_to_speak(peer: Peer) -> bool:
    """Whether paths that others should be told of may yet come from this peer, after a restart of ours.

    Not from one that has just restarted itself: it waits for our End-of-RIB as we would for its (RFC 4724 §4.1).
    """
    opened = peer.opened
    if peer.up and opened is not None and opened.restarting:
        return False
    if peer.awaiting:
        return True
    speaks = peer.up and opened is not None and opened.graceful_restart_s is not None
    return speaks and not peer.session.families <= peer.ended
