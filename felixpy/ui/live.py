"""Join: the newest picture, looked at again and again while anybody watches.

Only the latest counts: who is slow gets the difference between what it has and what is, never a queue.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

from felixpy.model.errors import Trouble
from felixpy.ui.picture import Changes, Picture, changes

Look = Callable[[], Awaitable[Picture]]


class Live:
    """What is seen now. `interval_s` passes between two looks."""

    def __init__(self, look: Look, interval_s: float) -> None:
        self._look = look
        self._interval_s = interval_s
        self._picture: Picture | None = None
        self._trouble = ""
        self._watchers = 0
        self._turn = asyncio.Event()  # set and replaced at each look
        self._wanted = asyncio.Event()
        self._looking = asyncio.Lock()

    async def run(self) -> None:
        """Look for ever, whenever somebody watches."""
        while True:
            await self._wanted.wait()
            await self.refresh()
            await asyncio.sleep(self._interval_s)

    async def refresh(self) -> None:
        """One look now."""
        async with self._looking:
            try:
                self._picture, self._trouble = await self._look(), ""
            except Trouble as error:
                self._trouble = str(error)
        turn, self._turn = self._turn, asyncio.Event()
        turn.set()

    async def follow(self) -> AsyncGenerator[Changes | str]:
        """The whole picture, then what changed at each look (nothing, too: it was looked); trouble as text."""
        self._watchers += 1
        self._wanted.set()
        shown: Picture | None = None
        turn = self._turn
        try:
            if self._picture is not None:
                shown = self._picture
                yield changes(None, shown)
            while True:
                await turn.wait()
                turn = self._turn  # a look that ends while the client reads is told next
                if self._trouble:
                    yield self._trouble
                elif self._picture is not None:
                    before, shown = shown, self._picture
                    yield changes(before, shown)
        finally:
            self._watchers -= 1
            if not self._watchers:
                self._wanted.clear()
