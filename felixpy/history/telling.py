"""What a node's logs say, as the records that commands print. Edge: reads the files, asks nobody."""

import heapq
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from felixpy.history.events import TURNED, Chosen, Event, Row
from felixpy.history.reading import BeforeTheLog, DaemonLog
from felixpy.history.replay import Held, Moment, Place
from felixpy.kernel.owners import PROTOCOL_BIRD, PROTOCOL_FELIX, protocol_name
from felixpy.model.addresses import Prefix, contains, parse_prefix
from felixpy.model.past import (
    CauseStatus,
    Changed,
    HistoryAnswer,
    HistoryEvent,
    NodeDiff,
    PastRoute,
    PastRoutes,
    PastSession,
    PathStatus,
    SessionChanged,
)
from felixpy.model.status import GatewayStatus, OriginStatus, RouteStatus

PROTOCOLS = {"felixpy": protocol_name(PROTOCOL_FELIX), "birdpy": protocol_name(PROTOCOL_BIRD)}
SILENT = ("kept", "copy")  # they say nothing new

Logs = Mapping[str, DaemonLog]  # by daemon


@dataclass(frozen=True, slots=True)
class Subject:
    """What somebody asks for: everything, a prefix (an address is its /32 or /128), a session's name, or both."""

    prefix: Prefix | None = None
    name: str = ""  # of a session, or its peer's address

    def concerns(self, event: Event) -> bool:
        """Whether an event is about it. A daemon's own always are: who was not there saw nothing."""
        if event.kind == "daemon" or (self.prefix is None and not self.name):
            return True
        if self.name and self.name in (event.key, event.peer, *_givers(event)):
            return True
        if self.prefix is None or event.kind not in ("route", "path"):
            return False
        here = parse_prefix(event.key)
        return contains(here, self.prefix) or contains(self.prefix, here)


def _givers(event: Event) -> Iterator[str]:
    yield event.cause.of
    if event.row is not None:
        yield from (event.row.name, event.row.peer)
    if event.path is not None:
        yield from (event.path.session, event.path.peer)


def happened(node: str, logs: Logs, times: tuple[float, float], subject: Subject, most: int) -> HistoryAnswer:
    """What happened between two moments, the newest `most` events of it."""
    since, until = times
    streams = [_told(daemon, log, times, subject) for daemon, log in logs.items()]
    events = deque(heapq.merge(*streams, key=lambda pair: pair[1].time), maxlen=most + 1)
    begins = {daemon: log.begins() for daemon, log in logs.items()}
    known = [time for time in begins.values() if time is not None]
    return HistoryAnswer(
        node=node,
        since=since,
        until=until,
        begins=min(known, default=None),
        events=tuple(event_status(*pair) for pair in list(events)[-most:]),
        truncated=len(events) > most,
        missing=tuple(daemon for daemon, time in begins.items() if time is None),
    )


def _told(daemon: str, log: DaemonLog, times: tuple[float, float], subject: Subject) -> Iterator[tuple[str, Event]]:
    """The events that say something new of the subject; a prefix may be worked out anew without any change."""
    chosen: dict[str, Chosen | None] = {}
    for event in log.events(*times):
        if event.what in SILENT or not subject.concerns(event):
            continue
        if event.kind == "path":
            if event.key in chosen and chosen[event.key] == event.path and event.cause.what != TURNED:
                continue
            chosen[event.key] = event.path
        yield daemon, event


def past_routes(node: str, logs: Logs, at: float, within: Prefix | None = None) -> PastRoutes:
    """What the routes and sessions of a node were. BeforeTheLog when no daemon's log goes back so far."""
    moments, begins = moments_of(logs, at)
    if not moments:
        raise BeforeTheLog(before_the_log(node, begins))
    return PastRoutes(
        node=node,
        at=at,
        begins=begins,
        routes=tuple(sorted(_routes(moments, within), key=in_order)),
        sessions=tuple(_session(event) for moment in moments.values() for event in moment.sessions.values()),
        stopped=tuple(daemon for daemon, moment in moments.items() if not moment.running),
        missing=tuple(daemon for daemon in logs if daemon not in moments),
    )


def before_the_log(node: str, begins: float | None) -> str:
    """Why nothing is known of a moment."""
    from felixpy.history.moments import iso

    if begins is None:
        return f"node {node} has no history: no daemon has written any"
    return f"the history of node {node} begins at {iso(begins)}: nothing is known of an earlier moment"


def moments_of(logs: Logs, at: float) -> tuple[dict[str, Moment], float | None]:
    """What each log says of a moment, and when the oldest of them begins."""
    moments: dict[str, Moment] = {}
    begins = [time for log in logs.values() if (time := log.begins()) is not None]
    for daemon, log in logs.items():
        try:
            moments[daemon] = log.state(at)
        except BeforeTheLog:
            continue
    return moments, min(begins, default=None)


def _routes(moments: Mapping[str, Moment], within: Prefix | None) -> Iterator[PastRoute]:
    for daemon, moment in moments.items():
        for held in moment.routes.values():
            prefix = parse_prefix(held.row.prefix)
            if within is None or contains(prefix, within) or contains(within, prefix):
                chosen = moment.paths.get(held.row.prefix)
                yield _route(daemon, held, chosen.path if chosen is not None else None)


def _route(daemon: str, held: Held, chosen: Chosen | None) -> PastRoute:
    """A route as it was; what was chosen may have changed since the kernel was written."""
    shown = route_status(daemon, held.row)
    newer = {}
    if chosen is not None and held.row.origin == "peer":
        origin = OriginStatus(kind="peer", name=chosen.session, rule=chosen.decided_by)
        newer = {"origin": origin, "peer": chosen.peer or None, "as_path": chosen.as_path}
    fields = {name: getattr(shown, name) for name in shown.__struct_fields__}
    fields |= {"installed": held.installed, "reason": held.reason, "since": held.row.since or held.changed} | newer
    return PastRoute(**fields, changed=held.changed, because=held.because)


def _session(event: Event) -> PastSession:
    return PastSession(
        name=event.key, address=event.peer, state=event.what, since=event.time, reason=event.cause.text
    )


def compared(node: str, logs: Logs, before: float, after: float) -> NodeDiff:
    """What is another one at `after` than at `before`. BeforeTheLog when no log goes back so far."""
    moments, begins = moments_of(logs, before)
    if not moments:
        raise BeforeTheLog(before_the_log(node, begins))
    later, _ = moments_of({daemon: logs[daemon] for daemon in moments}, after)
    gone = {place: event for moment in later.values() for place, event in moment.gone.items()}
    old, new = _by_place(moments), _by_place(later)
    rows = [_changed(old.get(place), new.get(place), gone.get(place)) for place in {**old, **new}]
    sessions = [_by_name(each) for each in (moments, later)]
    return NodeDiff(
        node=node,
        added=_sorted(it for it in rows if it.before is None),
        removed=_sorted(it for it in rows if it.after is None),
        changed=_sorted(it for it in rows if it.before and it.after and _said(it.before) != _said(it.after)),
        sessions=tuple(
            SessionChanged(before=one, after=other)
            for name in sorted(sessions[0].keys() | sessions[1].keys())
            if _word(one := sessions[0].get(name)) != _word(other := sessions[1].get(name))
        ),
        missing=tuple(daemon for daemon in logs if daemon not in moments),
    )


def _by_place(moments: Mapping[str, Moment]) -> dict[Place, PastRoute]:
    return {(it.prefix, it.table, it.metric): it for it in _routes(moments, None)}


def _by_name(moments: Mapping[str, Moment]) -> dict[str, PastSession]:
    return {event.key: _session(event) for moment in moments.values() for event in moment.sessions.values()}


def _word(session: PastSession | None) -> str:
    return session.state if session is not None else ""


def _changed(before: PastRoute | None, after: PastRoute | None, gone: Event | None) -> Changed:
    if after is not None:
        return Changed(before=before, after=after, changed=after.changed, because=after.because)
    return Changed(
        before=before, after=None, changed=gone.time if gone else None, because=gone.cause.text if gone else ""
    )


def _said(route: PastRoute) -> tuple[object, ...]:
    return route.kind, route.device, route.gateways, route.installed, route.peer, route.as_path


def _sorted(rows: Iterable[Changed]) -> tuple[Changed, ...]:
    def order(it: Changed) -> tuple[int, int, int, int]:
        shown = it.after or it.before
        assert shown is not None  # one of them is there
        return in_order(shown)

    return tuple(sorted(rows, key=order))


def in_order(route: RouteStatus) -> tuple[int, int, int, int]:
    """IPv4 first, then by address; the shorter prefix first."""
    prefix = parse_prefix(route.prefix)
    return route.family, int(prefix.network_address), prefix.prefixlen, route.metric


def event_status(daemon: str, event: Event) -> HistoryEvent:
    """One event as it is printed."""
    cause = event.cause
    return HistoryEvent(
        time=event.time,
        daemon=daemon,
        kind=event.kind,
        what=event.what,
        key=event.key,
        because=cause.text or (f"{event.number} events were lost" if event.what == "gap" else ""),
        cause=CauseStatus(what=cause.what, of=cause.of, why=cause.why),
        peer=event.peer or (event.row.peer if event.row else "") or (event.path.peer if event.path else "") or None,
        route=route_status(daemon, event.row) if event.row is not None and event.row.kind else None,
        path=path_status(event.path) if event.path is not None else None,
    )


def route_status(daemon: str, row: Row) -> RouteStatus:
    """A row of the log as `felixpy routes` has it."""
    return RouteStatus(
        prefix=row.prefix,
        family=6 if ":" in row.prefix else 4,
        table=row.table,
        metric=row.metric,
        kind=row.kind,
        wanted=True,
        installed=True,
        device=row.device,
        gateways=tuple(
            GatewayStatus(via=via, device=device, weight=weight, onlink=onlink)
            for via, device, weight, onlink in row.hops
        ),
        protocol=PROTOCOLS[daemon],
        origin=OriginStatus(kind=row.origin, name=row.name, rule=row.rule) if row.origin else None,
        peer=row.peer or None,
        as_path=row.as_path if row.origin else None,
        since=row.since or None,
    )


def path_status(path: Chosen) -> PathStatus:
    """What was chosen, as it is printed."""
    return PathStatus(
        session=path.session,
        source=path.source,
        peer=path.peer or None,
        next_hop=path.next_hop or None,
        as_path=path.as_path,
        local_pref=path.local_pref,
        decided_by=path.decided_by,
        others=path.others,
    )
