"""Waiting for the disk, in threads that do nothing else.

A thread that runs Python beside the loop makes both wait for the interpreter's lock at each system call: an attach
took twice as long. So everything but fsync happens in the loop, and a thread does one system call.
"""

import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class _Turn:
    """Who waits for one folder. A call that begins after a rename is enough for it, whoever made the call."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    asked: int = 0
    done: int = 0


class Disk:
    """fsync of files and folders; without `sync` nothing is waited for, which is for benchmarks."""

    def __init__(self, sync: bool) -> None:
        self._sync = sync
        self._folders: dict[Path, _Turn] = {}

    async def keep(self, descriptor: int) -> None:
        """Until the file's content is on disk."""
        if self._sync:
            await asyncio.get_running_loop().run_in_executor(None, os.fsync, descriptor)

    async def keep_names(self, folder: Path) -> None:
        """Until all that was renamed or removed in `folder` before this call is on disk.

        Those who ask while the disk is busy with the folder are served together by the next call.
        """
        if not self._sync:
            return
        turn = self._folders.setdefault(folder, _Turn())
        turn.asked += 1
        mine = turn.asked
        async with turn.lock:
            if turn.done >= mine:
                return
            serves = turn.asked
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                await asyncio.get_running_loop().run_in_executor(None, os.fsync, descriptor)
            finally:
                os.close(descriptor)
            turn.done = serves
