"""Compare-and-swap of one file in a store that several processes write.

The store has one lock file, never unlinked: a lock on the resource's own file loses updates, for whoever waits for it
wakes up with the lock of a file that a rename has replaced. The lock file holds the store-wide version counter.
It is held for two short moments, to take a version and to rename; the writing and the fsync happen in between, and
whoever was overtaken meanwhile gets a Conflict.
"""

import asyncio
import fcntl
import hashlib
import os
import time
from collections.abc import Callable
from contextlib import suppress
from io import FileIO
from pathlib import Path

from felixpy.datastore.disk import Disk
from felixpy.datastore.folder import Folder
from felixpy.model.errors import Conflict, InvalidResource, Unreachable

LOCK = ".lock"
LOCK_WAIT_S = 10.0  # a holder needs less than a millisecond: after this it is stopped or dead on a network mount
TEMPORARY = ".tmp-"
STALE_S = 60.0  # a temporary file this old was left by a killed process

Content = Callable[[bytes | None, int], bytes]  # what is stored now (None: nothing), the new version -> new bytes


def digest(data: bytes) -> str:
    """What tells two contents apart."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


class Swap:
    """Writes into one store's folder. `sync` waits for the disk, as everything but a benchmark should."""

    def __init__(self, folder: Folder, sync: bool) -> None:
        self._folder = folder
        self._disk = Disk(sync)
        self._swept: set[Path] = set()
        self._lock = str(folder.root / LOCK)

    async def put(self, path: Path, content: Content, private: bool) -> bytes:
        """Store what `content` makes of the file's present bytes; it raises Conflict to give up.

        Conflict as well when another writer was faster. Returns the bytes stored. Either the old or the new content
        is there at every moment, also after a crash.
        """
        try:
            folder, file_name = path.parent, str(path)
            self._make_room(folder, 0o700 if private else 0o755)
            with await self._locked() as lock:
                before = self._folder.read(file_name)
                version = _next_version(lock.fileno())
            data = content(before, version)
            temporary = f"{folder}/{TEMPORARY}{os.urandom(8).hex()}"  # process ids repeat across namespaces
            try:
                with _new_file(temporary, 0o600 if private else 0o644) as file:
                    _fill(file.fileno(), data)
                    await self._disk.keep(file.fileno())
                with await self._locked():
                    _expect(self._folder.read(file_name), before, path)
                    os.rename(temporary, file_name)  # noqa: PTH104 - a Path for each write is a tenth of the write
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary)  # noqa: PTH108
                raise
            await self._disk.keep_names(folder)
        except OSError as error:
            raise self._folder.trouble(path, error) from error
        return data

    async def remove(self, path: Path, check: Callable[[bytes], None]) -> None:
        """Delete the file once `check` agrees to its bytes (it raises Conflict); success when it is gone."""
        try:
            with await self._locked():
                try:
                    now = self._folder.read(path)
                except InvalidResource:  # a pipe, a device, something huge: `check` decides without its content
                    now = b""
                if now is None:
                    return
                check(now)
                path.unlink(missing_ok=True)  # noqa: ASYNC240 - the lock is held for it
            await self._disk.keep_names(path.parent)
        except OSError as error:
            raise self._folder.trouble(path, error) from error

    async def _locked(self) -> FileIO:
        """The lock file, locked until it is closed. What is done until then must not await.

        It is opened each time: an open file would keep the store's file system from being unmounted.
        """
        file = FileIO(os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644), "r+")
        try:
            deadline, pause = time.monotonic() + LOCK_WAIT_S, 0.0001
            while not (ours := _lock(file)) and time.monotonic() < deadline:
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, 0.005)
        except BaseException:
            file.close()
            raise
        if not ours:
            file.close()
            raise Unreachable(f"{self._folder.target}: its lock is held for {LOCK_WAIT_S:.0f} s")
        return file

    def _make_room(self, folder: Path, mode: int) -> None:
        """The kind's folder, made when needed and, once per process, cleared of what killed writers left."""
        if folder in self._swept:
            return
        if not self._folder.root.is_dir():
            raise Unreachable(f"{self._folder.target}: there is no such folder")
        folder.mkdir(mode, exist_ok=True)
        old = time.time() - STALE_S
        for path in folder.glob(f"{TEMPORARY}*"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < old:
                    path.unlink()
        self._swept.add(folder)


def _lock(file: FileIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _new_file(path: str, mode: int) -> FileIO:
    """A file that no list shows and no watcher looks at."""
    return FileIO(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "w")


def _fill(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _next_version(lock: int) -> int:
    """One more than the store has given out. A counter that is garbage starts anew; digests still tell apart."""
    text = os.pread(lock, 32, 0).strip()
    version = int(text) + 1 if text.isdigit() else 1
    os.pwrite(lock, b"%-20d\n" % version, 0)
    return version


def _expect(now: bytes | None, before: bytes | None, path: Path) -> None:
    if now != before:
        raise Conflict(f"{path}: another process wrote it meanwhile")
