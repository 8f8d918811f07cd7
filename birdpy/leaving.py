"""Join: the second kind of stop. The router is led out of the peers' tables step by step, and back at once.

With graceful restart ExaBGP never sends a NOTIFICATION: a session that is merely closed leaves our routes as stale at
the peer for minutes. So each step waits for every acknowledgement before the next one begins. Blackholes and kernel
routes stay throughout: packets under way still find theirs.

Traffic is what the kernel's own counters say that this node forwards: through it, to its pods and from them. Peers
that have another way take it at the last resort; the step ends when what is forwarded falls no more.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from birdpy.due import Due
from birdpy.stage import AWAY, QUIET, Stage
from birdpy.state import State
from felixpy.model.addresses import Address
from felixpy.model.status import LeavingStatus

LOOK_EVERY_S = 0.1  # while a step is under way
RATE_OVER_S = 1.0  # how long packets are counted for one rate
FALLS = 0.8  # a rate below this share of the one before is still falling
IDLE_RATE = 1.0  # packets a second; below it nothing can fall any more
PATIENCE = 5  # times the settle time: for traffic that falls for ever
RESUME_S = 30.0  # for peers to come back to a router that was restarted in the middle of its drain
NEXT = {
    Stage.COUNTING: Stage.LAST_RESORT,
    Stage.LAST_RESORT: Stage.WITHDRAWING,
    Stage.WITHDRAWING: Stage.CLOSING,
    Stage.CLOSING: Stage.DRAINED,
}


@dataclass(frozen=True, slots=True)
class Outside:
    """What leaving needs of the world: `now` is the loop's clock, `forwarded` packets forwarded since the boot."""

    now: Callable[[], float]
    forwarded: Callable[[], int]
    owing: Callable[[], Collection[Address]]  # peers that wait for our End-of-RIB
    moved: Callable[[Stage], None]  # told of every step: to log it and to write it down


@dataclass(slots=True)
class Traffic:
    """Packets forwarded a second, over windows of `RATE_OVER_S`."""

    count: int
    at: float
    began: float | None = None  # the first rate: before any peer was told anything
    last: float | None = None
    falling: bool = True

    def look(self, count: int, now: float) -> None:
        """Take in the counter as it is now."""
        if now - self.at < RATE_OVER_S:
            return
        rate = (count - self.count) / (now - self.at)
        self.falling = self.last is None or (rate < FALLS * self.last and self.last >= IDLE_RATE)
        self.began = rate if self.began is None else self.began
        self.count, self.at, self.last = count, now, rate


class Leaving:
    """Which step the router is at; `keep` moves it on."""

    def __init__(self, state: State, outside: Outside) -> None:
        self._state, self._out = state, outside
        self._due = Due()
        self._settle_s = 0.0
        self._quiet_since: float | None = None
        self._resume_until = 0.0
        self._untold: tuple[str, ...] = ()
        self._traffic: Traffic | None = None

    def drain(self, settle_s: float) -> LeavingStatus:
        """Begin, unless it has begun; `settle_s` is how long the peers have to move traffic away, at least."""
        if self._state.stage is Stage.SERVING:
            self._settle_s = settle_s
            self._untold = tuple(str(a) for a, peer in self._state.peers.items() if not peer.up)
            self._traffic = Traffic(self._out.forwarded(), self._out.now())
            self._go(Stage.COUNTING)
        return self.status()

    def resume(self, stage: Stage) -> None:
        """Go on where an earlier birdpy was when it ended: it had withdrawn everything, or begins with that.

        Its sessions ended with it, so peers that were not told to forget may keep our routes as stale: they are
        waited for, told nothing, and told that this was all.
        """
        if stage is Stage.SERVING:
            return
        self._resume_until = self._out.now() + RESUME_S
        self._go(Stage.DRAINED if stage in AWAY else Stage.WITHDRAWING)

    def undo(self) -> LeavingStatus:
        """Announce everything again, and bring the sessions back."""
        if self._state.stage is not Stage.SERVING:
            self._untold, self._traffic, self._resume_until = (), None, 0.0
            self._go(Stage.SERVING)
        return self.status()

    def status(self) -> LeavingStatus:
        """The step, what it still waits for, and the traffic."""
        traffic = self._traffic
        return LeavingStatus(
            stage=self._state.stage.value,
            waiting=tuple(self._waiting()),
            untold=self._untold,
            forwarded_before=traffic.began if traffic else None,
            forwarded_now=traffic.last if traffic else None,
        )

    async def keep(self) -> None:
        """Move on whenever a step is complete; until cancelled."""
        while True:
            await self._due.wait(self._out.now() + LOOK_EVERY_S if self._state.stage in NEXT else float("inf"))
            self.look()

    def look(self) -> None:
        """Move on if this step is complete."""
        stage, now = self._state.stage, self._out.now()
        if stage not in NEXT:
            return
        if self._traffic is not None:
            self._traffic.look(self._out.forwarded(), now)
        if self._waiting():
            self._quiet_since = None
            return
        if self._quiet_since is None:
            self._quiet_since = now
        if stage is not Stage.LAST_RESORT or self._traffic_moved(now - self._quiet_since):
            self._go(NEXT[stage])

    def _traffic_moved(self, quiet_s: float) -> bool:
        """Whether the peers have had their time, and what comes to us falls no more."""
        if quiet_s < self._settle_s:
            return False
        falling = self._traffic is not None and self._traffic.falling
        return not falling or quiet_s >= PATIENCE * self._settle_s

    def _go(self, stage: Stage) -> None:
        self._quiet_since = None
        self._state.leave(stage, self._out.now())
        self._out.moved(stage)
        self._due.mark()

    def _waiting(self) -> list[str]:
        """What the present step still waits for, for people."""
        state, stage = self._state, self._state.stage
        if stage is Stage.COUNTING:
            return ["a count of the traffic"] if self._traffic and self._traffic.began is None else []
        if stage is Stage.CLOSING:
            return [f"session with {address}" for address, peer in state.peers.items() if peer.up]
        if stage is Stage.LAST_RESORT:
            return [
                f"{a} to be told the last resort" for a in state.telling.sessions if not state.telling.complete(a)
            ]
        if stage in QUIET:
            return [f"{key.prefix} at {key.peer}" for key in state.telling.settler.held] + self._returning()
        return []

    def _returning(self) -> list[str]:
        """After a restart in the middle: who is not back, or has not heard that there is nothing."""
        if self._state.stage is not Stage.WITHDRAWING or self._out.now() >= self._resume_until:
            return []
        away = [a for a, p in self._state.peers.items() if not p.up and p.session.held_down is None]
        return [f"{address} to come back" for address in away] + [
            f"{address} to be told that this is all" for address in self._out.owing()
        ]
