"""From events back to what was, at a moment. Pure.

A daemon's start keeps what the last life's routes were: nothing changes them until the kernel was read for the first
time; then what was not found is not there. Paths and sessions end with their daemon.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from felixpy.history.events import Event, Row

Place = tuple[str, int, int]


@dataclass(slots=True)
class Held:
    """One route: whether the kernel has it, and if not, why."""

    row: Row
    installed: bool = True
    reason: str = ""
    because: str = ""  # why it became so
    earlier: bool = False  # of an earlier life, and the kernel was not read since
    changed: float = 0.0  # when it became so


@dataclass(slots=True)
class Moment:
    """What one daemon's log says of a moment."""

    routes: dict[Place, Held] = field(default_factory=dict)
    paths: dict[str, Event] = field(default_factory=dict)  # by prefix
    sessions: dict[str, Event] = field(default_factory=dict)  # by name
    gone: dict[Place, Event] = field(default_factory=dict)  # the last that was said of routes that are not there
    running: bool = False
    known: bool = False  # the log knew everything by then
    boot: str = ""
    _copying: int = 0  # lines of a copy that are still to come
    _copy: "Moment | None" = None

    def after(self, event: Event) -> None:
        """Take in one event."""
        if event.kind == "daemon":
            self._copy = None  # one that is not whole counts for nothing
        if self._copy is not None:
            self._copy.take(event)
            self._copying -= 1
            if not self._copying:
                self._adopt(self._copy)
        else:
            self.take(event)

    def _adopt(self, copy: "Moment") -> None:
        self.routes, self.paths, self.sessions = copy.routes, copy.paths, copy.sessions
        self.known, self._copy = True, None

    def take(self, event: Event) -> None:
        """Take in one event as what it says, also where it belongs to a copy."""
        match event.kind:
            case "route":
                self._route(event)
            case "path":
                if event.path is None:
                    self.paths.pop(event.key, None)
                else:
                    self.paths[event.key] = event
            case "session":
                if event.what == "removed":
                    self.sessions.pop(event.key, None)
                else:
                    self.sessions[event.key] = event
            case "daemon":
                self._daemon(event)

    def _route(self, event: Event) -> None:
        assert event.row is not None  # of this kind each has one
        place, row = event.row.place, event.row
        held = self.routes.get(place)
        match event.what:
            case "removed":
                self.routes.pop(place, None)
                self.gone[place] = event
            case "taken" if held is not None:
                self.routes[place] = Held(held.row, False, event.cause.text, event.cause.text, changed=event.time)
            case "taken":
                pass
            case "refused":
                kept = row if row.kind or held is None else held.row
                self.routes[place] = Held(kept, False, event.cause.why, event.cause.text, changed=event.time)
            case "found" if held is not None and not row.origin and _way(held.row) == _way(row):
                # read back: the kernel keeps no origin
                self.routes[place] = Held(held.row, because=held.because, changed=held.changed)
            case _:
                self.routes[place] = Held(row, because=event.cause.text, changed=event.time)

    def _daemon(self, event: Event) -> None:
        match event.what:
            case "started":
                same = event.boot == self.boot
                self.running, self.boot = True, event.boot
                self.paths, self.sessions = {}, {}
                self.routes = {p: _of_before(held) for p, held in self.routes.items()} if same else {}
            case "read":
                self.known = True
                self.routes = {place: held for place, held in self.routes.items() if not held.earlier}
            case "stopped":
                self.running = False
            case "copy":
                self.running, self.boot = True, event.boot
                self._copying, self._copy = event.number, Moment()
                if not event.number:
                    self._adopt(self._copy)


def _of_before(held: Held) -> Held:
    return Held(held.row, held.installed, held.reason, held.because, earlier=True, changed=held.changed)


def _way(row: Row) -> tuple[object, ...]:
    return row.kind, row.device, row.hops


def moment(events: Iterable[Event], at: float) -> Moment:
    """What was, at `at`, by the events of a log from where it knows everything."""
    found = Moment()
    for event in events:
        if event.time <= at:
            found.after(event)
    return found


def knows_from(events: Sequence[Event]) -> float | None:
    """The time from which on these events say everything; None when they never do."""
    for index, event in enumerate(events):
        if event.kind == "daemon" and event.what == "read":
            return event.time
        if event.kind == "daemon" and event.what == "copy" and len(events) > index + event.number:
            return event.time
    return None
