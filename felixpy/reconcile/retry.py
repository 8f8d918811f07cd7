"""When to try again what was refused, and when to stop fighting over a key. Pure: the time is an argument.

A refused key is tried again after 1, 2, 4 ... 60 s. A key that someone else takes from us is written back after a
twentieth of a second, and later each time: `ip route flush` looks whether all is gone and starts again if not, so a
repair in the same millisecond only feeds it. The third time within a minute (what happens within one second is one
time, up to three in a row) the key is contested: said so, and written back after 0.5, 1, 2 ... 60 s, until it has
stayed for two minutes. Two daemons that repair each other would otherwise burn a core and flap the route.
"""

import itertools
import math
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from felixpy.model.errors import Refused

K = TypeVar("K")

FIRST_S, MOST_S = 1.0, 60.0
REPAIR_FIRST_S = 0.05
LOSSES, IN_A_ROW, WINDOW_S, APART_S = 3, 4, 60.0, 1.0
CONTESTED_FIRST_S, CALM_S = 0.5, 120.0


@dataclass(frozen=True, slots=True)
class Standing:
    """One key that is not as wanted, or was not lately."""

    refused: Refused
    times: int
    retry_at: float  # infinity: written, and watched until `calm_at`
    contested: bool = False
    calm_at: float = math.inf


@dataclass(slots=True)
class Retries(Generic[K]):
    """The keys in trouble, and what was lost lately."""

    standing: dict[K, Standing] = field(default_factory=dict)
    losses: dict[K, list[float]] = field(default_factory=dict)
    lost_ever: int = 0  # how often someone else took a key

    def refused(self, key: K, refused: Refused, now: float) -> None:
        """`key` was refused just now."""
        before = self.standing.get(key)
        times = before.times + 1 if before else 1
        delay = min(FIRST_S * 2 ** min(times - 1, 10), MOST_S)
        contested = before is not None and before.contested
        self.standing[key] = Standing(refused, times, now + delay, contested)

    def done(self, key: K, now: float) -> None:
        """`key` is as wanted now; a contested one must stay so for a while."""
        before = self.standing.get(key)
        if before is None:
            return
        if before.contested:
            self.standing[key] = replace(before, retry_at=math.inf, calm_at=now + CALM_S)
        else:
            del self.standing[key]

    def lost(self, key: K, now: float) -> None:
        """Someone else removed or changed `key`."""
        self.lost_ever += 1
        before = self.standing.get(key)
        recent = [at for at in self.losses.get(key, ()) if at > now - WINDOW_S] + [now]
        self.losses[key] = recent
        if before is not None and before.contested:
            delay = CONTESTED_FIRST_S * 2 ** min(before.times, 10)
            self.standing[key] = replace(before, times=before.times + 1, retry_at=now + min(delay, MOST_S))
        elif _bursts(recent) < LOSSES and len(recent) < IN_A_ROW:
            delay = min(REPAIR_FIRST_S * 2 ** (len(recent) - 1), APART_S)
            self.standing[key] = Standing(
                Refused(key, "someone else changed it: about to be repaired"), 0, now + delay
            )
        else:
            reason = (
                f"someone else changed it {LOSSES} times within {WINDOW_S:.0f} s: repaired more slowly from now on"
            )
            self.standing[key] = Standing(Refused(key, reason), 1, now + CONTESTED_FIRST_S, contested=True)

    def forgive(self, key: K) -> None:
        """There is a new reason to try at once: the wanted value changed, or its device came up."""
        before = self.standing.get(key)
        if before is not None and not before.contested:
            del self.standing[key]

    def waits(self, key: K, now: float) -> bool:
        """Whether `key` must not be tried yet."""
        standing = self.standing.get(key)
        return standing is not None and now < standing.retry_at < math.inf

    def ripe(self, now: float) -> set[K]:
        """The keys to try again now."""
        return {key for key, standing in self.standing.items() if standing.retry_at <= now}

    def next_at(self) -> float:
        """When the next key is ripe; infinity for never."""
        return min((standing.retry_at for standing in self.standing.values()), default=math.inf)

    def forget(self, now: float) -> None:
        """Drop what has calmed down, so that nothing is remembered for ever."""
        if not self.standing and not self.losses:
            return
        self.standing = {key: s for key, s in self.standing.items() if now < s.calm_at}
        recent = {key: [at for at in times if at > now - WINDOW_S] for key, times in self.losses.items()}
        self.losses = {key: times for key, times in recent.items() if times}


def _bursts(times: list[float]) -> int:
    """How many of these moments, in order, are a second or more after the one before."""
    return 1 + sum(later - earlier >= APART_S for earlier, later in itertools.pairwise(times))
