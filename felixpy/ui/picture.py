"""What the page draws, as records: who stands where, what lies between them, and what changed since. Pure.

Places and sizes are in the drawing's own units, about one pixel each before the browser makes it fit.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from felixpy.model.status import Record


class Spot(Record, frozen=True):
    """One box: a node, a router, a host, or a peer of which only the address is known."""

    id: str
    name: str
    label: str  # the name, cut so that it fits
    role: str  # node | router | switch | host | peer
    runs: str  # felixpy, birdpy | FRR | ...
    rack: str
    x: float  # of the middle
    y: float
    width: float
    height: float
    state: str = "plain"  # fine | trouble | silent | plain (nothing of ours runs there)
    line: str = ""  # the second line of the box
    sessions: int = 0
    up: int = 0
    pods: int = 0
    pods_up: int = 0
    trouble: str = ""


class Line(Record, frozen=True):
    """What lies between two boxes: a cable, the sessions over it, or sessions without a cable of their own."""

    id: str
    source: str
    target: str
    cable: bool
    state: str = "none"  # up | down | held | none (no session of ours)
    sessions: int = 0
    up: int = 0
    ends: tuple[str, str] = ("", "")  # interfaces
    bend: float = 0.0  # how far an arc leaves the straight line
    corners: tuple[tuple[float, float], ...] = ()  # that a cable turns at, from its source on
    side: int = 0  # of the target at which it then ends: -1 left, 1 right


class Rack(Record, frozen=True):
    """The frame round a rack: left, top and size."""

    id: str
    name: str
    x: float
    y: float
    width: float
    height: float


class SessionRow(Record, frozen=True):
    """One session as one of its ends tells it."""

    node: str
    name: str
    address: str
    peer: str  # id of the box behind the address; "" when that is a pod
    type: str
    asn: int
    state: str  # up | down | held
    said: str  # as birdpy calls the state
    since: float | None
    reason: str


class Picture(Record, frozen=True):
    """Everything that the page shows before anybody clicks."""

    name: str
    taken: float
    spots: tuple[Spot, ...]
    lines: tuple[Line, ...]
    racks: tuple[Rack, ...] = ()
    troubled: tuple[SessionRow, ...] = ()  # sessions that are not up, the first of them
    sessions: int = 0  # ends of sessions that nodes told of
    up: int = 0
    hidden: int = 0  # lines of sessions that are up and not drawn, because they are too many
    missing: Mapping[str, str] = msgspec.field(default_factory=dict)  # who did not answer, and why
    owners: Mapping[str, str] = msgspec.field(default_factory=dict)  # peer's address -> id of its box


class Changes(Record, frozen=True):
    """What turns one picture into the next. `whole` is set when boxes came, went or moved."""

    taken: float
    whole: Picture | None = None
    spots: tuple[Spot, ...] = ()
    lines: tuple[Line, ...] = ()
    gone: tuple[str, ...] = ()  # lines
    troubled: tuple[SessionRow, ...] | None = None  # None: as before
    missing: Mapping[str, str] | None = None
    totals: tuple[int, int, int] | None = None  # sessions, up, hidden

    @property
    def nothing(self) -> bool:
        """Whether only time went by."""
        return msgspec.structs.replace(self, taken=0.0) == Changes(taken=0.0)


Drawn = TypeVar("Drawn", Spot, Line)


def changes(before: Picture | None, after: Picture) -> Changes:
    """The least that a browser has to hear to draw `after` when it has drawn `before`."""
    if before is None or _frame(before) != _frame(after):
        return Changes(taken=after.taken, whole=after)
    kept = {line.id for line in after.lines}
    totals = after.sessions, after.up, after.hidden
    return Changes(
        taken=after.taken,
        spots=_other(before.spots, after.spots),
        lines=_other(before.lines, after.lines),
        gone=tuple(line.id for line in before.lines if line.id not in kept),
        troubled=None if before.troubled == after.troubled else after.troubled,
        missing=None if before.missing == after.missing else after.missing,
        totals=None if (before.sessions, before.up, before.hidden) == totals else totals,
    )


def _frame(picture: Picture) -> object:
    """What a browser lays out once."""
    places = [(it.id, it.label, it.role, it.x, it.y, it.width, it.height) for it in picture.spots]
    return picture.name, places, picture.racks


def _other(before: Sequence[Drawn], after: Sequence[Drawn]) -> tuple[Drawn, ...]:
    known = {it.id: it for it in before}
    return tuple(it for it in after if known.get(it.id) != it)
