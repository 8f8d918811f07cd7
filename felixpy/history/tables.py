"""What a pass over a kernel table did, as events. Pure."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from felixpy.history.events import Cause, Event, bare, row_of
from felixpy.model.routes import Route, RouteKey
from felixpy.reconcile.table import Noticed, Outcome

Why = Callable[[RouteKey, Route | None, Route | None], Cause]  # why this is wanted now (None: nothing), after that

TAKEN = Cause("taken", why="somebody else removed or changed it")
REPAIRED = Cause("repaired", why="somebody else had removed or changed it")
LOST = Cause("gone", why="the kernel or somebody else removed it")
OVER = Cause("given up", why="it was refused, and is not wanted any more")
FOUND = Cause("found", why="there when the kernel was read")


class RouteStory:
    """What was told of the routes of one daemon, as far as the next events depend on it."""

    def __init__(self, why: Why, gone: Callable[[RouteKey], Cause] = lambda _: LOST) -> None:
        self._why, self._gone = why, gone
        self._taken: set[RouteKey] = set()
        self._refused: dict[RouteKey, str] = {}
        self._read = False

    def events(self, time: float, outcome: Outcome[RouteKey, Route]) -> Iterator[Event]:
        """What a pass noticed, and what it did."""
        yield from self._others(time, outcome.noticed)
        if not self._read:
            self._read = True
            yield Event(time=time, kind="daemon", what="read")
        for key, route in outcome.plan.write.items():
            if (event := self._tried(time, key, route, outcome)) is not None:
                yield event
        for key in outcome.plan.erase:
            if (event := self._tried(time, key, None, outcome)) is not None:
                yield event

    def _others(self, time: float, noticed: Noticed[RouteKey, Route]) -> Iterator[Event]:
        for key, route in noticed.early.items():
            cause = self._why(key, route, None)
            yield Event(time=time, kind="route", what="changed", key=str(key.prefix), cause=cause, row=row_of(route))
        for key, route in noticed.found.items():
            yield Event(time=time, kind="route", what="found", key=str(key.prefix), cause=FOUND, row=row_of(route))
        for key, route in noticed.gone.items():
            if key not in noticed.taken:
                cause = self._gone(key)
                yield Event(
                    time=time, kind="route", what="removed", key=str(key.prefix), cause=cause, row=row_of(route)
                )
        for key in noticed.over:
            self._refused.pop(key, None)
            yield Event(time=time, kind="route", what="removed", key=str(key.prefix), cause=OVER, row=bare(key))
        for key in noticed.taken:
            self._taken.add(key)
            yield Event(time=time, kind="route", what="taken", key=str(key.prefix), cause=TAKEN, row=bare(key))

    def _tried(
        self, time: float, key: RouteKey, route: Route | None, outcome: Outcome[RouteKey, Route]
    ) -> Event | None:
        before = outcome.before.get(key)
        shown = row_of(route) if route is not None else row_of(before) if before is not None else bare(key)
        refused = outcome.refused.get(key)
        if refused is not None:
            if self._refused.get(key) == refused.reason:
                return None
            self._refused[key] = refused.reason
            cause = Cause("refused", "kernel", refused.reason)
            return Event(time=time, kind="route", what="refused", key=shown.prefix, cause=cause, row=shown)
        self._refused.pop(key, None)
        what = "removed" if route is None else "added" if before is None else "changed"
        cause = self._why(key, route, before)
        if key in self._taken:
            self._taken.discard(key)
            if route is not None and before in (None, route):
                what, cause = "repaired", REPAIRED
        return Event(time=time, kind="route", what=what, key=shown.prefix, cause=cause, row=shown)


def repairs(
    time: float, table: str, outcome: Outcome[Any, Any], readable: Callable[[object], str]
) -> Iterator[Event]:
    """The rows of another table that somebody else changed, now as they should be again."""
    for key in outcome.noticed.taken:
        yield Event(time=time, kind="repair", what="repaired", key=f"{table} {readable(key)}", cause=REPAIRED)


def kept(time: float, rows: Mapping[RouteKey, Route]) -> Iterator[Event]:
    """The routes of a copy."""
    for route in rows.values():
        yield Event(time=time, kind="route", what="kept", key=str(route.key.prefix), row=row_of(route))
