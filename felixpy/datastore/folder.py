"""The folder of a files store: which file holds which object, and reading one safely.

`<plural>/<name>.yaml`, with `<namespace>.` before the name where the kind has namespaces (a namespace holds no dot).
Files whose name starts with a dot, and those that do not end in `.yaml`, are not ours.
"""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from felixpy.datastore.documents import MAX_BYTES
from felixpy.model.errors import InvalidResource, Trouble, Unreachable
from felixpy.model.resources import KINDS, Kind

SUFFIX = ".yaml"
MAX_FILE_NAME = 255  # NAME_MAX of every Linux file system


class Folder:
    """One store's folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._root = str(root)
        self.target = f"files:{root}"
        self.kinds = {kind.plural: kind for kind in KINDS.values()}

    def of(self, kind: Kind) -> Path:
        """The folder of one kind."""
        return self.root / kind.plural

    def path(self, kind: Kind, name: str) -> Path:
        """The file of `name` (`namespace/name` where the kind has one)."""
        return Path(self.file(kind, name))

    def file(self, kind: Kind, name: str) -> str:
        """As `path`, as text: a list of ten thousand objects makes no Path for each."""
        file = name.replace("/", ".", 1) + SUFFIX
        if len(file) > MAX_FILE_NAME:
            raise InvalidResource(f"{kind.name}/{name[:64]}…", "metadata.name", "is too long for a file name")
        if "/" in file or file.startswith("."):
            raise InvalidResource(f"{kind.name}/{name[:64]}", "metadata.name", "is not a name")
        return f"{self._root}/{kind.plural}/{file}"

    def name(self, kind: Kind, file: str) -> str | None:
        """The object that a file name stands for; None when it is not ours."""
        if file.startswith(".") or not file.endswith(SUFFIX):
            return None
        name = file.removesuffix(SUFFIX)
        return name.replace(".", "/", 1) if kind.namespaced else name

    def names(self, kind: Kind) -> Iterator[str]:
        """Every object of `kind` that has a file now, sorted. Unreachable when the store itself is not there."""
        try:
            files = sorted(path.name for path in self.of(kind).iterdir())
        except FileNotFoundError:
            if not self.root.is_dir():
                raise Unreachable(f"{self.target}: there is no such folder") from None
            return
        except OSError as error:
            raise self.trouble(self.of(kind), error) from None
        for file in files:
            if (name := self.name(kind, file)) is not None:
                yield name

    def read(self, path: Path | str) -> bytes | None:
        """The bytes of a file; None when there is none. It never blocks on a pipe nor reads without bound."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self.trouble(path, error) from None
        try:
            info = os.fstat(descriptor)
            if not stat.S_ISREG(info.st_mode):
                raise InvalidResource(str(path), "", "is not a regular file: move it away")
            if info.st_size > MAX_BYTES:
                raise InvalidResource(str(path), "", f"is larger than {MAX_BYTES >> 20} MiB: no resource is")
            return os.read(descriptor, info.st_size + 1)
        except OSError as error:
            raise self.trouble(path, error) from None
        finally:
            os.close(descriptor)

    def trouble(self, path: Path | str, error: OSError) -> Trouble:
        """An error of the file system as ours: one sentence with what to do."""
        fixes = {
            errno.ENOSPC: "free some space; nothing was changed",
            errno.EDQUOT: "free some space; nothing was changed",
            errno.EROFS: "the file system is read-only; nothing was changed",
            errno.EACCES: "run this as the owner of the store, or as root",
            errno.EPERM: "run this as the owner of the store, or as root",
        }
        fix = f": {fixes[error.errno]}" if error.errno in fixes else ""
        return Unreachable(f"{path}: {error.strerror}{fix}")
