"""What is under way, written before anything is changed: a restarted agent finds what its predecessor had begun.

One file per container and interface, there from before the first change until after the last one; of a detachment
that is the deletion of the link, some time after the answer. It is not synced: it outlives the agent, not the
machine. A power cut ends every pod, too; what was half done then is an address without an endpoint, which
`felixpy ipam check` names and the runtime's DEL releases.
"""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from felixpy.model.errors import Unreachable

FRESH = ".new"  # an entry on its way to its name


@dataclass(frozen=True, slots=True)
class Entry:
    """One attachment that has begun; with `leaving` one whose end has begun."""

    container: str
    interface: str  # in the pod
    handle: str  # what to release if it never ended
    endpoint: str  # name of the WorkloadEndpoint, with its namespace
    host_interface: str
    leaving: bool = False

    @property
    def file(self) -> str:
        """The name of its file."""
        return file_name(self.container, self.interface)


def file_name(container: str, interface: str) -> str:
    """Both parts are checked to be free of slashes before."""
    return f"{container}@{interface}"


class Journal:
    """The entries in one folder. Unreachable when the disk does not take one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._leaving: set[str] = set()  # files of detachments

    def begin(self, entry: Entry) -> None:
        """Remember that this has begun, in place of what was remembered of the same interface."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh = self._folder / FRESH  # on a full disk, what was remembered before stays whole
            fresh.write_bytes(msgspec.json.encode(entry))
            fresh.rename(self._folder / entry.file)
        except OSError as error:
            raise Unreachable(f"{self._folder}: the journal cannot be written: {error.strerror}") from error
        (self._leaving.add if entry.leaving else self._leaving.discard)(entry.file)

    def end(self, container: str, interface: str) -> None:
        """Forget it: it is complete, or undone."""
        self._leaving.discard(file_name(container, interface))
        (self._folder / file_name(container, interface)).unlink(missing_ok=True)

    def left(self, entry: Entry) -> None:
        """A detachment is complete; nothing if the interface was asked for again meanwhile."""
        if entry.file in self._leaving:
            self.end(entry.container, entry.interface)

    def holds(self, container: str, interface: str) -> bool:
        """Whether an earlier attempt has begun and could not be undone."""
        return (self._folder / file_name(container, interface)).exists()

    def entries(self) -> list[Entry]:
        """Those that have begun and not ended, at the start of a process."""
        if not self._folder.is_dir():  # the first attachment makes it, or says why it cannot
            return []
        found = []
        (self._folder / FRESH).unlink(missing_ok=True)
        for path in sorted(self._folder.glob("*@*")):
            try:
                found.append(msgspec.json.decode(path.read_bytes(), type=Entry))
            except (OSError, ValueError):
                path.unlink(missing_ok=True)  # not by us: an entry has its name only when it is whole
        return found
