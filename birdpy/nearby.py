"""Join: have the neighbours that packets or sessions go through asked whether they are there.

Every `ASK_EVERY_S` one message to the kernel for each of them; those that answered within the last second or so are
not asked again. That a neighbour failed comes as an event (see `watching`); that it is back is looked up here.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path

from birdpy import before
from birdpy.desired.nearby import ASK_EVERY_S, probing, watched
from birdpy.state import State
from birdpy.story import Story
from felixpy.kernel.sysctls import KernelSysctls
from felixpy.kernel.watched import WatchedNeighbours
from felixpy.model.addresses import Address
from felixpy.model.errors import Refused, Unreachable
from felixpy.model.neighbours import NeighbourKey
from felixpy.model.routes import Device
from felixpy.model.sysctls import SysctlKey
from felixpy.reconcile.plan import Plan

UNMANAGED = "this kernel keeps no managed neighbours (Linux 5.16 does): only birdpy has them asked"
ANSWER_S = 0.05  # what a neighbour that is back may take to say so
AGAIN_S = 90.0  # between two looks at what nobody tells of: settings, entries that lost their mark

Keys = frozenset[NeighbourKey]


class Nearby:
    """The watched neighbours, and the settings of their devices: what these were is written down at `kept_at`."""

    def __init__(
        self, table: WatchedNeighbours, sysctls: KernelSysctls, kept_at: Path, *, watching: bool = True
    ) -> None:
        self.keys: Keys = frozenset()
        self.watching = watching
        self.trouble = ""
        self._table, self._sysctls, self._kept_at = table, sysctls, kept_at
        self._before = before.load(kept_at)
        self._look_at = 0.0

    async def keep(self, state: State, story: Story, redial: Callable[[Address], Awaitable[None]]) -> None:
        """Until cancelled: have the neighbours asked, and the peers dialled that something leads to again."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                if self.watching:
                    await self._ask(state, story, loop.time())
                for address in state.within_reach():
                    await redial(address)
            except (Unreachable, OSError) as error:
                self.trouble = str(error)
            story.watched(self.trouble)
            await state.nearby_due.wait(loop.time() + ASK_EVERY_S if self.watching else math.inf)

    async def _ask(self, state: State, story: Story, now: float) -> None:
        await self.want(state, now)
        self._table.ask(self.keys)
        failed = state.around.failed
        if failed:
            await asyncio.sleep(ANSWER_S)
            if state.around.answered(self._table.answering(self.among(failed))):
                state.look()
                story.failing(self.among(failed))

    async def want(self, state: State, now: float) -> None:
        """Watch whoever the present next hops and sessions lead through, and nobody else."""
        around = state.around
        keys = {key for key in watched(state.ways()) if key.device in around.devices and key.device != "lo"}
        if keys == self.keys and now < self._look_at:
            return
        self._look_at, self.keys = now + AGAIN_S, frozenset(keys)
        refused = await self._set(self.keys)
        held = await self._table.read()
        await self._table.apply(Plan({key: key for key in keys}, frozenset(held.keys() - keys)))
        held = await self._table.read()
        reasons = [str(each) for each in refused.values()]
        if any(key.device not in around.down and key not in held for key in keys - self._table.fixed):
            reasons.append(UNMANAGED)
        self.trouble = "; ".join(reasons[:3])

    def among(self, failed: Collection[tuple[Address, Device]]) -> Keys:
        """Those of `failed` that are watched."""
        return self.keys.intersection(NeighbourKey(device, via) for via, device in failed)

    def close(self) -> None:
        """Let go of the kernel; entries and settings stay."""
        self._table.close()

    async def _set(self, keys: Keys) -> Mapping[SysctlKey, Refused]:
        """Set the probes of the devices, after their former values are written down; put back those of others."""
        wanted = probing(keys)
        known = {key: self._sysctls.value(key) for key in wanted.keys() - self._before.keys()}
        self._before |= {key: value for key, value in known.items() if value is not None}
        before.save(self._kept_at, self._before)
        refused = await self._sysctls.apply(Plan(wanted))
        left = {key: value for key, value in self._before.items() if key not in wanted}
        if left:
            await before.put_back(self._sysctls, left)
            self._before = {key: value for key, value in self._before.items() if key in wanted}
            before.save(self._kept_at, self._before)
        return refused
