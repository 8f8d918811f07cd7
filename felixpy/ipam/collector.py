"""The one agent that gives back what nobody uses: leaked addresses, half-done claims, blocks of deleted nodes.

A finding is acted on only when the same allocation was found twice, a grace period apart, and is found once more just
before. Each agent asks for the lease now and then; who has it keeps it and looks every half grace period.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from felixpy.daemon.logs import Log
from felixpy.datastore.lease import HOLD_S, Lease
from felixpy.datastore.source import Datastore
from felixpy.ipam.collect import Problem, problems
from felixpy.ipam.leaks import holdings
from felixpy.ipam.reading import read_all
from felixpy.ipam.repair import mend
from felixpy.model.errors import Trouble
from felixpy.model.snapshot import Snapshot

if TYPE_CHECKING:
    from felixpy.process import Hosted

T = TypeVar("T")

LEASE = "felixpy-ipam"
EVENTS = {  # log events are constant phrases
    "release": "leaked address released",
    "recount": "handle counted anew",
    "settle": "half-done claim settled",
    "disown": "wrong affinity removed",
    "give up": "block of a deleted node given back",
}
SHORTEST_S = 0.05  # between two looks, however short the grace period

Key = tuple[str, str, str, int | None]


class Collector:
    """Collects on one store while it holds `lease`. `grace_s` is how long something must look unused."""

    def __init__(
        self, store: Datastore, lease: Lease, grace_s: float, log: Log, clock: Callable[[], float] = time.time
    ) -> None:
        self._store, self._lease, self._grace_s, self._log, self._clock = store, lease, grace_s, log, clock
        self._since: dict[Key, float] = {}  # when each finding was first seen
        self._told: set[Key] = set()
        self._trouble = ""

    async def run(self) -> None:
        """Until cancelled; the lease is let go then."""
        every = max(self._grace_s / 2, SHORTEST_S)
        next_look, had = 0.0, False
        try:
            while True:
                held = await self._tried(self._lease.hold()) or False
                if held != had:
                    self._log.info("collection of leaked addresses taken over" if held else "collection given up")
                    self._since.clear()
                    had = held
                if held and time.monotonic() >= next_look:
                    await self._tried(self.look())
                    next_look = time.monotonic() + every
                pause = min(every, HOLD_S / 3) if held else every
                await asyncio.sleep(pause * random.uniform(0.9, 1.1))  # noqa: S311 (agents must not wake together)
        finally:
            await self._lease.let_go()

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

    async def _tried(self, work: Awaitable[T]) -> T | None:
        """What `work` gives; None, and one line, when the datastore is in trouble."""
        try:
            done = await work
        except Trouble as error:
            if self._trouble != str(error):
                self._log.warning("leaked addresses not looked for", reason=str(error))
            self._trouble = str(error)
            return None
        self._trouble = ""
        return done


async def collect_leaks(hosted: "Hosted") -> None:
    """The part of the agent's process that collects, until cancelled; nothing with a grace period of 0."""
    if hosted.settings.leak_grace_s:
        lease = hosted.datastore.lease(LEASE, hosted.settings.node)
        await Collector(hosted.datastore.whole(), lease, hosted.settings.leak_grace_s, hosted.log).run()
