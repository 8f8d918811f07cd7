"""Join: what the agent's log remembers: pods' routes and what somebody else took, each with why."""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from felixpy.history.events import Cause, Event
from felixpy.history.recorder import Made, Recorder
from felixpy.history.tables import RouteStory, kept, repairs
from felixpy.holdings import Holdings, readable
from felixpy.model.routes import Route, RouteKey
from felixpy.reconcile.table import Outcome


class Chronicle:
    """What is noted of an agent's life."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._routes = RouteStory(why)
        self._read = False

    def follow(self, holdings: Holdings) -> None:
        """Note every pass over these tables from now on."""
        holdings.passed = self.passed
        self._recorder.copy = partial(copied, holdings)

    def passed(self, table: str, outcome: Outcome[Any, Any]) -> None:
        """A pass over one table."""
        at, noticed = time.time(), outcome.noticed
        if table != "routes":
            if noticed.taken:
                self._recorder.note(len(noticed.taken), partial(repairs, at, table, outcome, readable))
        elif outcome.plan or noticed or not self._read:
            self._read = True
            number = len(outcome.plan.write) + len(outcome.plan.erase) + len(noticed.found)
            self._recorder.note(number + 1, partial(self._routes.events, at, outcome))


def why(_: RouteKey, route: Route | None, before: Route | None) -> Cause:
    """Why a pod's route is wanted, or is not any more."""
    if route is not None:
        return Cause("pod attached" if before is None else "pod moved", route.origin.name if route.origin else "")
    return Cause("pod gone", before.origin.name if before is not None and before.origin else "")


def copied(holdings: Holdings) -> tuple[int, Made]:
    """Everything that is: taken at once, made into events later."""
    routes, at = dict(holdings.routes.held), time.time()

    def made() -> Iterator[Event]:
        yield from kept(at, routes)

    return len(routes), made
