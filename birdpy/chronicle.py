"""Join: what the router's log remembers: choices, routes, sessions, each with why. Made into events later.

On the router's own way only references are kept: a list of prefixes with what was chosen and heard of them, an
outcome of the kernel. All of these never change any more.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from birdpy.causes import HEARD, Causes
from birdpy.peers import Peer
from birdpy.rib.best_path import Choice
from birdpy.rib.table import Rib
from birdpy.rib.verdict import Accepted, Verdict
from felixpy.history.events import Cause, Chosen, Event
from felixpy.history.recorder import Made, Recorder
from felixpy.history.tables import LOST, RouteStory, kept
from felixpy.model.addresses import Address, Prefix
from felixpy.model.routes import Route, RouteKey
from felixpy.reconcile.table import Outcome

if TYPE_CHECKING:
    from birdpy.learning import Heard, Learning
    from birdpy.state import State

OTHERS = 8  # paths that are named beside the best one
FEW = 200  # prefixes of a round of which everything is noted at once
AGAIN = Cause("tried again")


@dataclass(frozen=True, slots=True)
class Touched:
    """A round of prefixes with what was chosen of each, and why; `each` knows better of some."""

    prefixes: Sequence[Prefix]
    choices: Sequence[Choice | None]
    each: Causes
    cause: Cause


class Chronicle:
    """What is noted of a router's life; nothing where there is no log to write it to."""

    def __init__(self, recorder: Recorder | None = None) -> None:
        self._recorder = recorder
        self._routes = RouteStory(self._why, self._gone)
        self._read = False
        self._causes: dict[Prefix, Cause] = {}
        self._causes_before: dict[Prefix, Cause] = {}  # of the pass before: it may have begun before they came

    def follow(self, state: "State") -> None:
        """Note everything that happens in this state from now on."""
        state.chronicle, state.forwarding.passed = self, self.kernel
        if self._recorder is not None:
            self._recorder.copy = lambda: copied(state.learning, state.forwarding.settler.held)

    def touched(self, touched: Touched, rib: Rib) -> None:
        """What follows from these prefixes was worked out anew.

        Of many at once, the paths that were not chosen are looked up when the events are made: a little later.
        """
        if self._recorder is not None and self._recorder.on:
            number = len(touched.prefixes)
            held = list(map(rib.held, touched.prefixes)) if number <= FEW else None
            self._note(number, partial(self._chosen, time.time(), touched, held or map(rib.held, touched.prefixes)))

    def kernel(self, outcome: Outcome[RouteKey, Route]) -> None:
        """A pass over the kernel's routes."""
        number = (
            len(outcome.plan.write)
            + len(outcome.plan.erase)
            + len(outcome.noticed.found)
            + len(outcome.noticed.early)
        )
        if number or outcome.noticed or not self._read:
            self._read = True
            self._note(number + 1, partial(self._passed, time.time(), outcome))

    def sessions(self, heard: "Heard", peers: Mapping[Address, Peer]) -> None:
        """Sessions that came up, went down, or are held down."""
        events = [
            *(_session("removed", peer, "") for peer in heard.parted),
            *(_session("configured", peer, "") for peer in peers.values() if peer.session.name in heard.begun),
            *(_session("down", peer, peer.last_error) for a in heard.down if (peer := peers.get(a)) is not None),
            *(_session("up", peers[a], "") for a in heard.up if a in peers),
            *(_session("held down", peer, peer.last_error) for peer in heard.held),
        ]
        if events:
            self._note(len(events), lambda: events)

    def session(self, what: str, peer: Peer, why: str) -> None:
        """Anything else about one session."""
        event = _session(what, peer, why)
        self._note(1, lambda: [event])

    def _note(self, number: int, made: Made) -> None:
        if self._recorder is not None:
            self._recorder.note(number, made)

    def _chosen(self, at: float, touched: Touched, helds: Iterable[tuple[Verdict, ...]]) -> Iterator[Event]:
        for prefix, choice, held in zip(touched.prefixes, touched.choices, helds, strict=True):
            found = touched.each.get(prefix, touched.cause)
            cause = of_update(found, held) if found.what == HEARD else found
            self._causes[prefix] = cause
            key = str(prefix)
            if choice is None:
                yield Event(time=at, kind="path", what="none", key=key, cause=cause)
            else:
                yield Event(time=at, kind="path", what="chosen", key=key, cause=cause, path=chosen(choice, held))

    def _passed(self, at: float, outcome: Outcome[RouteKey, Route]) -> Iterator[Event]:
        yield from self._routes.events(at, outcome)
        self._causes_before, self._causes = self._causes, {}

    def _gone(self, key: RouteKey) -> Cause:
        """Why the kernel itself, as it seems, removed a route."""
        found = self._causes.get(key.prefix) or self._causes_before.get(key.prefix)
        return Cause("gone", why=f"the kernel removed it ({found.why or found.what})") if found else LOST

    def _why(self, key: RouteKey, _route: Route | None, _before: Route | None) -> Cause:
        return self._causes.get(key.prefix) or self._causes_before.get(key.prefix) or AGAIN


def of_update(cause: Cause, held: tuple[Verdict, ...]) -> Cause:
    """What an UPDATE of a session was about a prefix of which this is held since."""
    for verdict in held:
        if verdict.received.session == cause.of:
            refused = "" if isinstance(verdict, Accepted) else verdict.text
            return Cause("announced by", cause.of, refused and f"refused: {refused}")
    return Cause("withdrawn by", cause.of)


def chosen(choice: Choice, held: Iterable[Verdict]) -> Chosen:
    """What was chosen, and who else offered the prefix."""
    best = choice.best
    others = [_other(choice, verdict) for verdict in held if verdict.received.session != best.session]
    return Chosen(
        session=best.session,
        source=best.source,
        peer=str(best.peer) if best.peer is not None else "",
        next_hop=str(best.next_hop) if best.next_hop is not None else "",
        as_path=tuple(map(int, best.attributes.as_path)),
        local_pref=best.attributes.local_pref,
        decided_by=choice.because,
        others=tuple(others[:OTHERS]),
    )


def _other(choice: Choice, verdict: Verdict) -> tuple[str, str]:
    if not isinstance(verdict, Accepted):
        return verdict.received.session, f"refused: {verdict.text}"
    shares = any(verdict.path is path or verdict.path == path for path in choice.multipath)
    return verdict.path.session, "shares the load" if shares else "not chosen"


def _session(what: str, peer: Peer, why: str, at: float = 0.0) -> Event:
    session = peer.session
    return Event(
        time=at or time.time(),
        kind="session",
        what=what,
        key=session.name,
        cause=Cause(why=why),
        peer=str(session.address),
    )


WORDS = {"established": "up", "held-down": "held down", "connect": "down", "closing": "closing"}


def copied(learning: "Learning", held_routes: Mapping[RouteKey, Route]) -> tuple[int, Made]:
    """Everything that is, for a new segment of the log: taken at once, made into events later."""
    routes, held, at = dict(held_routes), learning.rib.held, time.time()
    choices = [(choice, held(prefix)) for prefix, choice in learning.selection.choices.items()]
    sessions = [_session(WORDS[peer.state], peer, peer.last_error, at) for peer in learning.peers.values()]

    def made() -> Iterator[Event]:
        yield from sessions
        yield from kept(at, routes)
        for choice, verdicts in choices:
            key = str(choice.best.prefix)
            yield Event(time=at, kind="path", what="kept", key=key, path=chosen(choice, verdicts))

    return len(sessions) + len(routes) + len(choices), made
