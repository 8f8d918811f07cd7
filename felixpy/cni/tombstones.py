"""What plugins left while no agent answered: files that each hold one whole DEL message."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

from felixpy.datastore.inotify import Inotify

RETRY_S = 5.0  # for those that could not be carried out


class Tombstones:
    """The files of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def found(self) -> AsyncIterator[tuple[str, bytes]]:
        """Name and content of each that is there and of each that appears; those not removed come again later."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        changed = asyncio.Event()
        inotify = Inotify()
        inotify.listen(lambda folder, name, mask: changed.set())
        inotify.add(self._folder)
        try:
            while True:
                changed.clear()
                for path in self._files():
                    with suppress(FileNotFoundError):
                        yield path.name, path.read_bytes()
                await self._more(changed)
        finally:
            inotify.close()

    def remove(self, name: str) -> None:
        """It was carried out."""
        (self._folder / name).unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        return sorted(path for path in self._folder.iterdir() if not path.name.startswith("."))

    async def _more(self, changed: asyncio.Event) -> None:
        """Until something appears, or, while some are left, until it is time to try them again."""
        try:
            async with asyncio.timeout(RETRY_S if self._files() else None):
                await changed.wait()
        except TimeoutError:
            return
