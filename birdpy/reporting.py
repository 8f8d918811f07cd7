"""Join: this node's CalicoNodeStatus objects, filled when they come and every `updatePeriodSeconds` from then on."""

import asyncio
import math
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from birdpy.desired.node_status import Seen, node_status
from birdpy.due import Due
from felixpy.daemon.logs import Log
from felixpy.datastore.follow import follow
from felixpy.datastore.source import StatusStore
from felixpy.model.errors import Trouble
from felixpy.model.resources import CalicoNodeStatus

PERIOD_S = 10  # Calico's, where the object has none
RETRY_S = 10.0

Look = Callable[[Collection[str]], Seen | None]  # classes -> what the router says, None before it knows anything


@dataclass(slots=True)
class Asked:
    """One object that is to be filled."""

    spec: CalicoNodeStatus
    due_at: float = 0.0  # on the loop's clock

    def later(self, now: float) -> None:
        """It was filled; 0 is once and never again."""
        period_s = PERIOD_S if self.spec.update_period_seconds is None else self.spec.update_period_seconds
        self.due_at = now + period_s if period_s else math.inf


class Reporting:
    """Fills what asks for `node`. A datastore that does not answer is tried again; nobody waits for this."""

    def __init__(self, datastore: StatusStore, node: str, look: Look, log: Log) -> None:
        self._datastore, self._node, self._look, self._log = datastore, node, look, log
        self._asked: dict[str, Asked] = {}
        self._due = Due()
        self._told = ""

    async def keep(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow(), name="follow the asked-for statuses")
            tasks.create_task(self._fill(), name="fill them")

    async def _follow(self) -> None:
        async for snapshot in follow(self._datastore, (CalicoNodeStatus,)):
            specs = {it.name: it.spec for it in snapshot.of(CalicoNodeStatus).values() if it.spec.node == self._node}
            kept = {name: it for name, it in self._asked.items() if specs.get(name) == it.spec}
            self._asked = {name: kept.get(name) or Asked(spec) for name, spec in specs.items()}
            self._due.mark()

    async def _fill(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._due.wait(min((it.due_at for it in self._asked.values()), default=math.inf))
            for name, asked in list(self._asked.items()):
                if asked.due_at <= loop.time():
                    asked.later(loop.time())
                    if not await self._filled(name, asked.spec):
                        asked.due_at = loop.time() + RETRY_S

    async def _filled(self, name: str, spec: CalicoNodeStatus) -> bool:
        seen = self._look(spec.classes)
        if seen is None:
            return False
        try:
            await self._datastore.report(CalicoNodeStatus, name, node_status(spec.classes, seen, time.time()))
        except Trouble as error:
            if str(error) != self._told:
                self._log.warning("node status not written", name=name, reason=str(error))
            self._told = str(error)
            return False
        self._told = ""
        return True
