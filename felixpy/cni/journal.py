"""Attachments under way, on disk before anything is allocated: a restarted agent finds what it had begun.

One file per container and interface, written and synced before the first change and removed after the last one. The
removal is not synced: an entry that comes back after a power cut is compared with the datastore and dropped.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from felixpy.model.errors import Unreachable


@dataclass(frozen=True, slots=True)
class Entry:
    """One attachment that has begun."""

    container: str
    interface: str  # in the pod
    handle: str  # what to release if it never ended
    endpoint: str  # name of the WorkloadEndpoint, with its namespace
    host_interface: str

    @property
    def file(self) -> str:
        """The name of its file; both parts are checked to be free of slashes."""
        return f"{self.container}@{self.interface}"


class Journal:
    """The entries in one folder. Unreachable when the disk does not take one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self, entry: Entry) -> None:
        """Remember that this attachment has begun; it is on disk when this returns."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self._folder / entry.file
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                os.write(handle, msgspec.json.encode(entry))
                os.fsync(handle)  # on ext4 and xfs this also makes the new name durable
            finally:
                os.close(handle)
        except OSError as error:
            raise Unreachable(f"{self._folder}: the journal cannot be written: {error.strerror}") from error

    def end(self, entry: Entry) -> None:
        """Forget it: it is complete, or undone."""
        (self._folder / entry.file).unlink(missing_ok=True)

    def entries(self) -> list[Entry]:
        """Those that have begun and not ended. A torn one says at least, by its name, whose it was."""
        found = []
        for path in sorted(self._folder.glob("*@*")) if self._folder.is_dir() else ():
            try:
                found.append(msgspec.json.decode(path.read_bytes(), type=Entry))
            except (OSError, msgspec.DecodeError):
                path.unlink(missing_ok=True)  # torn: it was never synced, so nothing had been changed yet
        return found
