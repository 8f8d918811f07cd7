"""Join: the second kind of stop. The router is led out of the peers' tables step by step, and back at once.

With graceful restart ExaBGP never sends a NOTIFICATION: a session that is merely closed leaves our routes as stale at
the peer for minutes. So each step waits for every acknowledgement before the next one begins. Blackholes and kernel
routes stay throughout: packets under way still find theirs.
"""

from collections.abc import Callable

from birdpy.due import Due
from birdpy.stage import QUIET, Stage
from birdpy.state import State
from felixpy.model.status import LeavingStatus

LOOK_EVERY_S = 0.1  # while a step is under way
NEXT = {
    Stage.LAST_RESORT: Stage.WITHDRAWING,
    Stage.WITHDRAWING: Stage.CLOSING,
    Stage.CLOSING: Stage.DRAINED,
}


class Leaving:
    """Which step the router is at; `keep` moves it on. `now` is the loop's clock."""

    def __init__(self, state: State, now: Callable[[], float], moved: Callable[[Stage], None]) -> None:
        self._state, self._now, self._moved = state, now, moved
        self._due = Due()
        self._settle_s = 0.0
        self._quiet_since: float | None = None
        self._untold: tuple[str, ...] = ()

    def drain(self, settle_s: float) -> LeavingStatus:
        """Begin, unless it has begun; `settle_s` is how long the peers have to move traffic away."""
        if self._state.stage is Stage.SERVING:
            self._settle_s = settle_s
            self._untold = tuple(str(a) for a, peer in self._state.peers.items() if not peer.up)
            self._go(Stage.LAST_RESORT)
        return self.status()

    def undo(self) -> LeavingStatus:
        """Announce everything again, and bring the sessions back."""
        if self._state.stage is not Stage.SERVING:
            self._untold = ()
            self._go(Stage.SERVING)
        return self.status()

    def status(self) -> LeavingStatus:
        """The step, and what it still waits for."""
        return LeavingStatus(stage=self._state.stage.value, waiting=tuple(self._waiting()), untold=self._untold)

    async def keep(self) -> None:
        """Move on whenever a step is complete; until cancelled."""
        while True:
            await self._due.wait(self._now() + LOOK_EVERY_S if self._state.stage in NEXT else float("inf"))
            self._look()

    def _look(self) -> None:
        stage = self._state.stage
        if stage not in NEXT:
            return
        if self._waiting():
            self._quiet_since = None
            return
        if self._quiet_since is None:
            self._quiet_since = self._now()
        if stage is not Stage.LAST_RESORT or self._now() - self._quiet_since >= self._settle_s:
            self._go(NEXT[stage])

    def _go(self, stage: Stage) -> None:
        self._quiet_since = None
        self._state.leave(stage, self._now())
        self._moved(stage)
        self._due.mark()

    def _waiting(self) -> list[str]:
        """What the present step still waits for, for people."""
        state, stage = self._state, self._state.stage
        if stage is Stage.CLOSING:
            return [f"session with {address}" for address, peer in state.peers.items() if peer.up]
        if stage is Stage.LAST_RESORT:
            return [
                f"{a} to be told the last resort" for a in state.telling.sessions if not state.telling.complete(a)
            ]
        if stage in QUIET:
            return [f"{key.prefix} at {key.peer}" for key in state.telling.settler.held]
        return []
