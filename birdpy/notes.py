"""Join: when to write down which peers gave what: soon after it changed, but a burst of routes goes first."""

import asyncio

from birdpy.saved import Book
from birdpy.state import State

EVERY_S = 1.0
AT_ONCE, WITHIN_S = 200, 5.0  # more prefixes than this are written when no more come, but not later


class Notes:
    """The router's notes for its next life."""

    def __init__(self, state: State, book: Book) -> None:
        self._state, self._book = state, book

    async def due(self) -> None:
        """Until there is something to write down, and it is a good moment."""
        await self._state.save_due.wait()
        waited, before = 0.0, 0
        while before != len(self._state.unsaved) > AT_ONCE and waited < WITHIN_S:
            before = len(self._state.unsaved)
            await asyncio.sleep(EVERY_S)
            waited += EVERY_S

    async def write(self) -> None:
        """Write down what changed; OSError when the folder cannot be written."""
        changed, self._state.unsaved = self._state.unsaved, {}
        learning = self._state.learning
        await self._book.note(changed, learning.givers, learning.selection.choices)
