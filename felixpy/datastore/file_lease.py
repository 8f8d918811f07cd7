"""A lease on the files store: a locked file beside the store's own lock.

The kernel lets go of the lock when its process dies, however it dies, so the next one never waits.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from felixpy.datastore.folder import Folder

PREFIX = ".lease-"  # no kind's folder and no object: a name with a dot in front is not ours to list
LONGEST_HOLDER = 256


class FileLease:
    """As `Lease`. `name` is a DNS-1123 label; `me` is who we are, for people."""

    def __init__(self, folder: Folder, name: str, me: str) -> None:
        self._folder, self._me = folder, me
        self._path = folder.root / f"{PREFIX}{name}"
        self._descriptor: int | None = None

    async def hold(self) -> bool:
        """As `Lease.hold`. A store that was removed and made anew under our feet is another store."""
        try:
            if self._descriptor is not None:
                if _same(self._descriptor, self._path):
                    return True
                await self.let_go()
            return self._take()
        except OSError as error:
            raise self._folder.trouble(self._path, error) from error

    async def holder(self) -> str:
        """As `Lease.holder`. What stands in the file counts only while somebody has it locked."""
        if self._descriptor is not None:
            return self._me
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise self._folder.trouble(self._path, error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return os.read(descriptor, LONGEST_HOLDER).decode(errors="replace").strip() or "unknown"
        finally:
            os.close(descriptor)
        return ""

    async def let_go(self) -> None:
        """As `Lease.let_go`."""
        if self._descriptor is not None:
            with suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = None

    def _take(self) -> bool:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        ours = False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours = _same(descriptor, self._path)  # else another process has just replaced the file: next time
            if ours:
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, self._me.encode()[:LONGEST_HOLDER] + b"\n", 0)
                self._descriptor = descriptor
        except BlockingIOError:
            pass
        finally:
            if self._descriptor is None:
                os.close(descriptor)
        return ours


def _same(descriptor: int, path: Path) -> bool:
    """Whether the file that is open is still the one that has the name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
