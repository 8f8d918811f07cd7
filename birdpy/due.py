"""When a task has something to do: it was marked, or its time has come."""

import asyncio
import math
from contextlib import suppress


class Due:
    """A mark that many set and one task waits for. Marks that come while it works are one more round."""

    def __init__(self) -> None:
        self._marked = asyncio.Event()

    def mark(self) -> None:
        """There is something to do."""
        self._marked.set()

    async def wait(self, until: float = math.inf) -> None:
        """Until it is marked, or until the loop's clock shows `until`; the mark is taken."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(None if until == math.inf else until):
                await self._marked.wait()
        self._marked.clear()
