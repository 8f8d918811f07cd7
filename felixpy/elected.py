"""Join: the work that one agent of the cluster does for all: give back what leaked, and check the whole.

Each agent asks for the lease now and then; who has it keeps it and does each job when its time has come.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from felixpy.audit import Audit
from felixpy.daemon.logs import Log
from felixpy.datastore.lease import HOLD_S, Lease
from felixpy.ipam.collector import Collector
from felixpy.model.errors import Trouble
from felixpy.process import Hosted

T = TypeVar("T")

LEASE = "felixpy-ipam"
SHORTEST_S = 0.05  # between two looks, however short the grace period


@dataclass(frozen=True, slots=True)
class Job:
    """One thing to do every `every_s` seconds while elected; `forget` is called when that begins and ends."""

    name: str
    every_s: float
    work: Callable[[], Awaitable[object]]
    forget: Callable[[], None]


class Elected:
    """Does `jobs` while it holds `lease`."""

    def __init__(self, lease: Lease, jobs: Sequence[Job], log: Log) -> None:
        self._lease, self._jobs, self._log = lease, jobs, log
        self._troubles: dict[str, str] = {}

    async def run(self) -> None:
        """Until cancelled; the lease is let go then."""
        every = min(job.every_s for job in self._jobs)
        due: dict[str, float] = {}
        had = False
        try:
            while True:
                held = await self._tried("election", self._lease.hold()) or False
                if held != had:
                    self._log.info("work for the whole cluster taken over" if held else "work given up")
                    for job in self._jobs:
                        job.forget()
                    due, had = {}, held
                for job in self._jobs if held else ():
                    if time.monotonic() >= due.get(job.name, 0.0):
                        await self._tried(job.name, job.work())
                        due[job.name] = time.monotonic() + job.every_s
                pause = min(every, HOLD_S / 3) if held else every
                await asyncio.sleep(pause * random.uniform(0.9, 1.1))  # noqa: S311 (agents must not wake together)
        finally:
            await self._lease.let_go()

    async def _tried(self, what: str, work: Awaitable[T]) -> T | None:
        """What `work` gives; None, and one line, when the datastore or the kernel is in trouble."""
        reason = ""
        try:
            return await work
        except Trouble as error:
            reason = str(error)
            if self._troubles.get(what) != reason:
                self._log.warning("work for the whole cluster not done", of=what, reason=reason)
            return None
        finally:
            self._troubles[what] = reason


async def work_for_all(hosted: Hosted) -> None:
    """The part of the agent's process that does so, until cancelled; nothing when both jobs are switched off."""
    settings = hosted.settings
    store = hosted.datastore.whole()
    jobs = []
    if settings.leak_grace_s:
        collector = Collector(store, settings.leak_grace_s, hosted.log)
        every_s = max(settings.leak_grace_s / 2, SHORTEST_S)
        jobs.append(Job("leaked addresses", every_s, collector.look, collector.forget))
    if settings.check_interval_s:
        audit = Audit(store, hosted)
        jobs.append(Job("check", settings.check_interval_s, audit.look, audit.forget))
    if jobs:
        await Elected(hosted.datastore.lease(LEASE, settings.node), jobs, hosted.log).run()
