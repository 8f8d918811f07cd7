"""Attachments under way, written before anything is allocated: a restarted agent finds what it had begun.

One file per container and interface, there from before the first change until after the last one. It is not synced:
it outlives the agent, not the machine. A power cut ends every pod, too; what was half done then is an address
without an endpoint, which `felixpy ipam check` names and the runtime's DEL releases.
"""

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
        """The name of its file."""
        return file_name(self.container, self.interface)


def file_name(container: str, interface: str) -> str:
    """Both parts are checked to be free of slashes before."""
    return f"{container}@{interface}"


class Journal:
    """The entries in one folder. Unreachable when the disk does not take one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self, entry: Entry) -> None:
        """Remember that this attachment has begun."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self._folder / entry.file).write_bytes(msgspec.json.encode(entry))
        except OSError as error:
            raise Unreachable(f"{self._folder}: the journal cannot be written: {error.strerror}") from error

    def end(self, container: str, interface: str) -> None:
        """Forget it: it is complete, or undone."""
        (self._folder / file_name(container, interface)).unlink(missing_ok=True)

    def holds(self, container: str, interface: str) -> bool:
        """Whether an earlier attempt has begun and could not be undone."""
        return (self._folder / file_name(container, interface)).exists()

    def entries(self) -> list[Entry]:
        """Those that have begun and not ended."""
        found = []
        for path in sorted(self._folder.glob("*@*")) if self._folder.is_dir() else ():
            try:
                found.append(msgspec.json.decode(path.read_bytes(), type=Entry))
            except (OSError, msgspec.DecodeError):
                path.unlink(missing_ok=True)  # torn: the agent died writing it, so nothing had been changed yet
        return found
