"""Files that we put on a machine, and the receipt that says which: taking them back removes exactly these. Edge.

The receipt is written before the files: whatever is killed in between, it names all that may be there. A file whose
digest is not in the receipt was changed by somebody: it stays, and is named.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import msgspec

from felixpy.model.errors import Trouble

RECEIPT = "installed.json"  # in the state folder


class Outcome(Enum):
    """What became of one file."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"
    KEPT = "kept: changed since it was installed"
    REMOVED = "removed"
    GONE = "was gone already"


@dataclass(frozen=True, slots=True)
class File:
    """One file as it should be. `path` is absolute, as the machine sees it.

    `users` files are written once: what is in them afterwards is the user's. `ours` tells a file that stands there
    without a receipt from somebody else's; None takes none.
    """

    path: Path
    content: bytes = field(repr=False)
    mode: int = 0o644
    users: bool = False
    ours: Callable[[bytes], bool] = lambda _: False


class Receipt(msgspec.Struct):
    """What was installed: for each path the digests (SHA-256) it may have, and the folders that were made for it."""

    files: dict[str, list[str]] = {}
    folders: list[str] = []


@dataclass(frozen=True, slots=True)
class Machine:
    """Where files go: `root` is / or the top of a tree that is being prepared; `state` is felixpy's own folder."""

    root: Path
    state: Path

    def at(self, path: Path | str) -> Path:
        """Where an absolute path of the machine is for us."""
        return self.root / str(path).lstrip("/")

    @property
    def receipt_path(self) -> Path:
        """The receipt's file."""
        return self.at(self.state) / RECEIPT

    def receipt(self) -> Receipt:
        """What is written down as installed. Trouble when that cannot be read."""
        try:
            return msgspec.json.decode(self.receipt_path.read_bytes(), type=Receipt)
        except FileNotFoundError:
            return Receipt()
        except (OSError, ValueError) as error:
            raise Trouble(f"{self.receipt_path}: cannot be read: {error}") from error

    def remember(self, receipt: Receipt) -> None:
        """Write the receipt; without anything in it the file goes."""
        if receipt == self.receipt():
            return
        if receipt.files:
            self.receipt_path.parent.mkdir(parents=True, exist_ok=True)
            replace(self.receipt_path, msgspec.json.format(msgspec.json.encode(receipt)) + b"\n", 0o600)
        else:
            self.receipt_path.unlink(missing_ok=True)


def put(machine: Machine, files: Sequence[File]) -> Iterator[tuple[Path, Outcome]]:
    """Write each file that is not as it should be, in this order, and say so.

    Trouble, before anything is written, for a file that is in the way and nobody's of ours.
    """
    receipt = machine.receipt()
    planned = [(file, _judged(machine, receipt, file)) for file in files]
    for file, outcome in planned:
        if outcome is not Outcome.KEPT:
            known = receipt.files.setdefault(str(file.path), [])
            known += [digest for digest in (_digest(file.content),) if digest not in known]
    for path in (machine.state / RECEIPT, *(file.path for file in files)):
        receipt.folders += [folder for folder in _missing(machine, path) if folder not in receipt.folders]
    _guarded(machine.receipt_path, lambda: machine.remember(receipt))
    for file, outcome in planned:
        if outcome is Outcome.WRITTEN:
            there = machine.at(file.path)
            _guarded(there, lambda there=there, file=file: _place(there, file))  # type: ignore[misc]
            receipt.files[str(file.path)] = [_digest(file.content)]
        yield file.path, outcome
    _guarded(machine.receipt_path, lambda: machine.remember(receipt))


def take(machine: Machine, paths: Sequence[Path] | None = None) -> Iterator[tuple[Path, Outcome]]:
    """Remove what the receipt names, unless it was changed, then our folders. `paths`: only these, in this order."""
    receipt = machine.receipt()
    for path in [Path(name) for name in receipt.files] if paths is None else paths:
        known = receipt.files.get(str(path))
        if known is None:
            continue
        there = machine.at(path)
        content = there.read_bytes() if there.is_file() else None
        if content is not None and _digest(content) not in known:
            outcome = Outcome.KEPT
        else:
            outcome = Outcome.GONE if content is None else Outcome.REMOVED
            _guarded(there, lambda there=there: there.unlink(missing_ok=True))  # type: ignore[misc]
        del receipt.files[str(path)]
        _guarded(machine.receipt_path, lambda: machine.remember(receipt))
        yield path, outcome
    if not receipt.files:
        for folder in sorted(receipt.folders, reverse=True):
            with suppress(OSError):  # somebody else's files are in it
                machine.at(folder).rmdir()


def replace(path: Path, content: bytes, mode: int) -> None:
    """Write a file whole by rename; a reader sees the old one or the new one, also after a power cut.

    The name in between ends in nothing that a container runtime would read as a configuration.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(descriptor, mode)  # whatever the umask
            os.fsync(descriptor)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _judged(machine: Machine, receipt: Receipt, file: File) -> Outcome:
    there = machine.at(file.path)
    if not there.exists() and not there.is_symlink():
        return Outcome.WRITTEN
    if not there.is_file() or there.is_symlink():
        raise Trouble(f"{there} is not a regular file: move it away, nothing was written")
    content = there.read_bytes()
    if content == file.content and there.stat().st_mode & 0o777 == file.mode:
        return Outcome.UNCHANGED
    known = receipt.files.get(str(file.path))
    if known is not None and _digest(content) not in known:
        return Outcome.KEPT
    if known is None and file.users:
        return Outcome.KEPT
    if known is None and not file.ours(content):
        raise Trouble(f"{there} is there already and not felixpy's: move it away, nothing was written")
    return Outcome.WRITTEN


def _place(there: Path, file: File) -> None:
    there.parent.mkdir(parents=True, exist_ok=True)
    replace(there, file.content, file.mode)


def _missing(machine: Machine, path: Path) -> list[str]:
    """The folders above `path` that are not there yet, with "/" for a tree that is not."""
    return [str(folder) for folder in path.parents if not machine.at(folder).exists()]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _guarded(path: Path, work: Callable[[], None]) -> None:
    """Do it; what the system refuses becomes Trouble that names the path."""
    try:
        work()
    except OSError as error:
        raise Trouble(f"{error.filename or path}: {error.strerror}") from error
