"""One daemon of a kind per run folder. The lock decides, the pid and start time inside are for people and checks.

The kernel drops the lock when its holder dies, however it dies, so a stale file never stops a start. A pid alone
would: it may belong to another process by now, and in a lab it counts in another pid namespace.
"""

import fcntl
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from felixpy.model.errors import Trouble


@dataclass(frozen=True, slots=True)
class Process:
    """A process, told from a later one with the same pid by its start time."""

    pid: int
    started: int  # clock ticks since boot: field 22 of /proc/PID/stat (proc(5))


@dataclass(frozen=True, slots=True)
class PidFile:
    """The claim to be the only one; it holds for as long as this object's file is open."""

    path: Path
    file: IO[str]

    def release(self) -> None:
        """Let another start; the file stays, for a lock on an unlinked file excludes nobody."""
        self.file.close()


def claim(path: Path, daemon: str) -> PidFile:
    """Take the pid file for this process; Trouble naming the holder when `daemon` already runs there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="ascii")  # never truncated before the lock is ours
    except OSError as error:
        raise Trouble(f"{path}: {error.strerror}; the run folder must be writable (FELIXPY_RUN_DIR)") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        holder = read(path)
        who = f" as pid {holder.pid}" if holder else ""
        raise Trouble(f"{daemon} already runs here{who}: it holds {path}") from error
    pid = os.getpid()
    with suppress(OSError):  # a full disk: the lock holds all the same, only its holder's name is missing
        os.ftruncate(file.fileno(), 0)
        os.write(file.fileno(), f"{pid} {started_at(pid) or 0}\n".encode("ascii"))
    return PidFile(path, file)


def claim_namespace(name: str, daemon: str) -> socket.socket:
    """Be the only one that does `name` in this network namespace, whatever its run folder; close it to let go.

    Names of abstract sockets belong to the network namespace and vanish with their holder (unix(7)). Trouble when
    another holds this one.
    """
    claimed = socket.socket(socket.AF_UNIX)
    try:
        claimed.bind(f"\0{name}")
    except OSError as error:
        claimed.close()
        reason = "another one, with another run folder, already keeps this network namespace"
        raise Trouble(f"{daemon}: {reason} ({name}); two would undo each other's work") from error
    return claimed


def read(path: Path) -> Process | None:
    """Whom the file names; None when there is no file or it says nothing."""
    try:
        pid, started = path.read_text(encoding="ascii").split()
        return Process(int(pid), int(started))
    except (OSError, ValueError):
        return None


def alive(process: Process) -> bool:
    """Whether exactly this process still runs, as seen from our own pid namespace."""
    return started_at(process.pid) == process.started


def started_at(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return int(stat.rpartition(")")[2].split()[19])  # the name before ")" may hold anything
    except (OSError, ValueError, IndexError):
        return None
