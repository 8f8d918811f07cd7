"""What the agent's loop has done so far, and how others wait for it."""

import asyncio
from dataclasses import dataclass

from felixpy.daemon.lag import Lag


@dataclass(slots=True)
class Progress:
    """For health; times on the loop's clock."""

    lag: Lag
    passes: int = 0
    last_pass: float | None = None
    reachable: bool = False  # the datastore
    trouble: str = ""  # what keeps the last pass from ending

    def passed(self, now: float) -> None:
        """A pass has ended."""
        self.passes += 1
        self.last_pass, self.trouble = now, ""
        self.lag.pass_ended(now)


class Passed:
    """Wakes, after each pass, whoever waits for one."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    async def wait(self) -> None:
        """Until the next pass has ended."""
        await self._next.wait()

    def tell(self) -> None:
        """A pass has ended."""
        self._next.set()
        self._next = asyncio.Event()
