"""When a task has something to do: it was marked, or its time has come."""

import asyncio
import math
from contextlib import suppress


class Pace:
    """Rounds of work that come one by one are not delayed; a stream of them becomes one every `every_s`.

    A round costs nearly as much for one route as for ten, so what comes in a stream is taken in together. `free`
    rounds may follow each other at once, so that a chain of causes never waits.
    """

    def __init__(self, every_s: float, free: int = 4) -> None:
        self._every_s, self._slack = every_s, every_s * (free - 1)
        self._due_at = 0.0

    def delay(self, now: float) -> float:
        """Another round begins: how many seconds it should wait first."""
        wait = max(0.0, self._due_at - self._slack - now)
        self._due_at = max(self._due_at, now) + self._every_s
        return wait


class Due:
    """A mark that many set and one task waits for. Marks that come while it works are one more round."""

    def __init__(self, pace: Pace | None = None) -> None:
        self._marked = asyncio.Event()
        self._pace = pace

    def mark(self) -> None:
        """There is something to do."""
        self._marked.set()

    async def wait(self, until: float = math.inf) -> None:
        """Until it is marked, or until the loop's clock shows `until`; the mark is taken."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(None if until == math.inf else until):
                await self._marked.wait()
        if self._pace is not None and (delay := self._pace.delay(asyncio.get_running_loop().time())):
            await asyncio.sleep(delay)
        self._marked.clear()
