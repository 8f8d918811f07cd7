"""Settings under /proc/sys: a Table of those that somebody asked for.

Nothing there has an owner, and nothing can be erased: erasing a key only means that we no longer look at it.
"""

import errno
import os
from collections.abc import Mapping
from pathlib import Path

from felixpy.model.errors import Refused
from felixpy.model.sysctls import Sysctl, SysctlKey
from felixpy.reconcile.plan import Plan

ROOT = Path("/proc/sys")
MAX_BYTES = 4096  # the kernel fills at most a page


class KernelSysctls:
    """A Table of settings. `about` says which are of interest; `read` and `apply` concern the caller's namespace.

    Values are compared as the kernel prints them, with runs of blanks as one.
    """

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root
        self._asked: dict[SysctlKey, Sysctl] = {}

    def about(self, wanted: Mapping[SysctlKey, Sysctl]) -> None:
        """These are the settings of interest from now on, and no others."""
        self._asked = dict(wanted)

    def value(self, key: SysctlKey) -> str | None:
        """One setting's value now; None when there is no such setting."""
        try:
            return _read(self._path(key))
        except (OSError, ValueError):
            return None

    async def read(self) -> Mapping[SysctlKey, Sysctl]:
        """The settings of interest that exist, with their present values."""
        rows: dict[SysctlKey, Sysctl] = {}
        for key, asked in self._asked.items():
            try:
                rows[key] = Sysctl(key, _read(self._path(key)), asked.because)
            except (OSError, ValueError):
                continue  # its device is gone, or never was
        return rows

    async def apply(self, plan: Plan[SysctlKey, Sysctl]) -> Mapping[SysctlKey, Refused]:
        """Write in the order of the plan, each value read back; the refused keys."""
        refused: dict[SysctlKey, Refused] = {}
        for key, wanted in plan.write.items():
            self._asked[key] = wanted
            try:
                self._set(key, wanted.value)
            except ValueError as error:
                refused[key] = Refused(key, str(error), errno.EINVAL)
            except OSError as error:
                refused[key] = Refused(key, _reason(key, error), error.errno or 0)
        for key in plan.erase:
            self._asked.pop(key, None)
        return refused

    def _set(self, key: SysctlKey, value: str) -> None:
        path = self._path(key)
        if _read(path) == value:
            return
        file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(file, value.encode())
        finally:
            os.close(file)
        kept = _read(path)
        if kept != value:
            raise ValueError(f"the kernel keeps {kept!r} where {value!r} was written")

    def _path(self, key: SysctlKey) -> Path:
        """The file; ValueError for a path that could lead out of /proc/sys."""
        parts = key.path.split("/")
        if any(part in ("", ".", "..") or "\0" in part for part in parts):
            raise ValueError(f"{key.path!r} is no path below {self._root}")
        return self._root.joinpath(*parts)


def _read(path: Path) -> str:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # a third of what a text file object costs, 800 times
    try:
        return " ".join(os.read(file, MAX_BYTES).decode(errors="backslashreplace").split())
    finally:
        os.close(file)


def _reason(key: SysctlKey, error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return "there is no such setting: the device is gone, or the kernel was built without it"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{error.strerror}: /proc/sys must be writable (a container needs it mounted read-write)"
    return f"{error.strerror}"
