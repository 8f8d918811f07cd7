"""Gives back what nobody uses: leaked addresses, half-done claims, blocks of deleted nodes. One agent does it.

A finding is acted on only when the same allocation was found twice, a grace period apart, and is found once more just
before.
"""

import time
from collections.abc import Callable

from felixpy.daemon.logs import Log
from felixpy.datastore.source import Datastore
from felixpy.ipam.collect import Problem, problems
from felixpy.ipam.leaks import holdings
from felixpy.ipam.reading import read_all
from felixpy.ipam.repair import mend
from felixpy.model.snapshot import Snapshot

EVENTS = {  # log events are constant phrases
    "release": "leaked address released",
    "recount": "handle counted anew",
    "settle": "half-done claim settled",
    "disown": "wrong affinity removed",
    "give up": "block of a deleted node given back",
}

Key = tuple[str, str, str, int | None]


class Collector:
    """Collects on one store. `grace_s` is how long something must look unused."""

    def __init__(self, store: Datastore, grace_s: float, log: Log, clock: Callable[[], float] = time.time) -> None:
        self._store, self._grace_s, self._log, self._clock = store, grace_s, log, clock
        self._since: dict[Key, float] = {}  # when each finding was first seen
        self._told: set[Key] = set()

    def forget(self) -> None:
        """Another one collects from now on, or this one anew: nothing was seen yet."""
        self._since.clear()

    async def look(self) -> list[Problem]:
        """One look; what was mended. Trouble when the datastore does not answer."""
        snapshot = await read_all(self._store)
        found = self._seen(snapshot)
        now = self._clock()
        self._since = {key: self._since.get(key, now) for key in found}
        self._told &= found.keys()
        due = [found[key] for key, since in self._since.items() if now - since >= self._grace_s]
        if not due:
            return []
        snapshot = await read_all(self._store)  # a pod may have come in this very moment
        again = self._seen(snapshot)
        confirmed = {key: again[key] for key in again if key in found and found[key] in due}
        done = await mend(self._store, list(confirmed.values()), snapshot, now)
        for problem in done:
            self._log.info(EVENTS[problem.mend], subject=problem.subject, proof=problem.proof)
        for key, problem in confirmed.items():
            if not problem.mend and key not in self._told:
                self._told.add(key)
                self._log.warning("books of addresses do not agree", subject=problem.subject, proof=problem.proof)
        return done

    def _seen(self, snapshot: Snapshot) -> dict[Key, Problem]:
        taken = {str(holding.address): holding.sequence for holding in holdings(snapshot)}
        return {
            (problem.kind, problem.subject, problem.about, taken.get(problem.subject)): problem
            for problem in problems(snapshot, self._clock())  # of any age: other nodes' clocks are not ours
        }
