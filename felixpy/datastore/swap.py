"""Compare-and-swap of one file in a store that several processes write.

The store has one lock file, never unlinked: a lock on the resource's own file loses updates, for whoever waits for it
wakes up with the lock of a file that a rename has replaced. The lock file holds the store-wide version counter.
It is held for two short moments, to take a version and to rename; the writing and the fsync happen in between, and
whoever was overtaken meanwhile gets a Conflict.
"""

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

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
        self._sync = sync
        self._swept: set[Path] = set()

    def put(self, path: Path, content: Content, private: bool) -> bytes:
        """Store what `content` makes of the file's present bytes; it raises Conflict to give up.

        Conflict as well when another writer was faster. Returns the bytes stored. Either the old or the new content
        is there at every moment, also after a crash.
        """
        try:
            self._make_room(path.parent, 0o700 if private else 0o755)
            with self._locked() as lock:
                before = self._folder.read(path)
                version = _next_version(lock)
            data = content(before, version)
            temporary = self._write(path.parent, data, 0o600 if private else 0o644)
            try:
                with self._locked():
                    _expect(self._folder.read(path), before, path)
                    temporary.rename(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            self._settle(path.parent)
        except OSError as error:
            raise self._folder.trouble(path, error) from error
        return data

    def remove(self, path: Path, check: Callable[[bytes], None]) -> None:
        """Delete the file once `check` agrees to its bytes (it raises Conflict); success when it is gone."""
        try:
            with self._locked():
                try:
                    now = self._folder.read(path)
                except InvalidResource:  # a pipe, a device, something huge: `check` decides without its content
                    now = b""
                if now is None:
                    return
                check(now)
                path.unlink(missing_ok=True)
            self._settle(path.parent)
        except OSError as error:
            raise self._folder.trouble(path, error) from error

    @contextmanager
    def _locked(self) -> Iterator[int]:
        descriptor = os.open(self._folder.root / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            deadline, pause = time.monotonic() + LOCK_WAIT_S, 0.0001
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise Unreachable(
                            f"{self._folder.target}: its lock is held for {LOCK_WAIT_S:.0f} s"
                        ) from None
                time.sleep(pause)
                pause = min(pause * 1.5, 0.005)
            yield descriptor
        finally:
            os.close(descriptor)  # lets go of the lock

    def _write(self, folder: Path, data: bytes, mode: int) -> Path:
        """A new file that no list shows and no watcher looks at."""
        path = folder / f"{TEMPORARY}{os.urandom(8).hex()}"  # process ids repeat across namespaces
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            if self._sync:
                os.fsync(descriptor)
        except BaseException:
            with suppress(OSError):
                path.unlink()
            raise
        finally:
            os.close(descriptor)
        return path

    def _settle(self, folder: Path) -> None:
        if not self._sync:
            return
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

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


def _next_version(lock: int) -> int:
    """One more than the store has given out. A counter that is garbage starts anew; digests still tell apart."""
    text = os.pread(lock, 32, 0).strip()
    version = int(text) + 1 if text.isdigit() else 1
    os.pwrite(lock, b"%-20d\n" % version, 0)
    return version


def _expect(now: bytes | None, before: bytes | None, path: Path) -> None:
    if now != before:
        raise Conflict(f"{path}: another process wrote it meanwhile")
