"""What a node's log says: the records that `felixpy history`, `routes --at` and `diff` print. Pure.

As in `felixpy.model.status`: field names are a contract, times are Unix seconds, None means "not known".
"""

from felixpy.model.metrics import Metric
from felixpy.model.status import Record, RouteStatus


class HistoryStatus(Record, frozen=True):
    """Either daemon's answer to "history": where its log is, with everything written that waited."""

    daemon: str
    on: bool
    folder: str
    limit: int  # bytes
    size: int = 0  # bytes
    dropped: int = 0  # events that could not be written, since the start
    trouble: str = ""  # why the last could not be


HISTORY_DROPPED = Metric("history_dropped_events", "counter", "events that the log on the disk did not take")
HISTORY_SIZE = Metric("history_bytes", "gauge", "what the log takes of the disk")


class PastRoute(RouteStatus, frozen=True):
    """A route as it was, and why it was so."""

    changed: float | None = None  # when it became so, as far as the log goes back
    because: str = ""  # why, in words


class PastSession(Record, frozen=True):
    """A session as it was."""

    name: str
    address: str
    state: str  # up | down | held down | not up | configured | closing
    since: float
    reason: str = ""


class PastRoutes(Record, frozen=True):
    """`felixpy routes --at TIME`: `felixpy.model.status.RoutesStatus` of a moment, with the sessions."""

    node: str
    at: float
    begins: float | None  # before that nothing is known
    routes: tuple[PastRoute, ...]
    sessions: tuple[PastSession, ...] = ()
    stopped: tuple[str, ...] = ()  # daemons that did not run then: what they had left is what is shown
    missing: tuple[str, ...] = ()  # daemons whose log says nothing of that moment


class PathStatus(Record, frozen=True):
    """What was chosen of a prefix."""

    session: str  # "" for our own
    source: str  # bgp | local | static | kernel
    peer: str | None
    next_hop: str | None
    as_path: tuple[int, ...]
    local_pref: int | None
    decided_by: str  # the round
    others: tuple[tuple[str, str], ...]  # session, and what became of its offer


class CauseStatus(Record, frozen=True):
    """Why something happened: a constant phrase, who or what did it, the detail."""

    what: str
    of: str
    why: str


class HistoryEvent(Record, frozen=True):
    """One thing that happened; kinds and words as in felixpy/history/events.py."""

    time: float
    daemon: str  # felixpy | birdpy
    kind: str  # route | path | session | repair | daemon
    what: str
    key: str  # the prefix, the session's name, table and key; "" of a daemon
    because: str  # the cause in words
    cause: CauseStatus
    peer: str | None = None
    route: RouteStatus | None = None
    path: PathStatus | None = None


class HistoryAnswer(Record, frozen=True):
    """`felixpy history`."""

    node: str
    since: float
    until: float
    begins: float | None  # of the older of the two logs
    events: tuple[HistoryEvent, ...]  # the oldest first
    truncated: bool = False  # there were more, older ones in that time
    missing: tuple[str, ...] = ()  # daemons without a log


class Changed(Record, frozen=True):
    """One route at both moments; None where it was not there."""

    before: PastRoute | None
    after: PastRoute | None
    changed: float | None  # the last time between them
    because: str


class SessionChanged(Record, frozen=True):
    """One session at both moments; None where there was none."""

    before: PastSession | None
    after: PastSession | None


class NodeDiff(Record, frozen=True):
    """What is another one on one node than it was."""

    node: str
    added: tuple[Changed, ...] = ()
    removed: tuple[Changed, ...] = ()
    changed: tuple[Changed, ...] = ()
    sessions: tuple[SessionChanged, ...] = ()
    missing: tuple[str, ...] = ()  # daemons whose log does not go back so far


class Diff(Record, frozen=True):
    """`felixpy diff T1 T2`. A node that did not answer is in `missing` with the reason."""

    before: float
    after: float
    nodes: tuple[NodeDiff, ...]
    missing: dict[str, str]
