"""inotify on the asyncio loop: one descriptor per store, no thread, no polling.

The descriptor is read when the loop says so. Whoever listens is told folder, file name and mask; names may repeat and
an event says only "look again".
"""

import asyncio
import ctypes
import errno
import os
import struct
from collections.abc import Callable
from pathlib import Path

from felixpy.model.errors import Unreachable

CLOSE_WRITE, MOVED_FROM, MOVED_TO, CREATE, DELETE = 0x8, 0x40, 0x80, 0x100, 0x200  # linux/inotify.h
DELETE_SELF, MOVE_SELF, UNMOUNT, OVERFLOW, IGNORED, ISDIR = 0x400, 0x800, 0x2000, 0x4000, 0x8000, 0x40000000
ONLYDIR = 0x01000000
GONE = DELETE_SELF | MOVE_SELF
# Of a file's birth only the end matters, of a folder's only the birth: fewer wake-ups for each object written.
FILES = CLOSE_WRITE | MOVED_FROM | MOVED_TO | DELETE | GONE
FOLDERS = CREATE | MOVED_FROM | MOVED_TO | DELETE | GONE
HEAD = struct.Struct("iIII")  # wd, mask, cookie, length of the name

Listener = Callable[[Path | None, str, int], None]  # folder (None: everything, events were lost), file name, mask


class Inotify:
    """Watches folders for any number of listeners. Made on first use, within the running loop."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise _trouble(ctypes.get_errno(), "max_user_instances")
        self._folders: dict[int, Path] = {}
        self._listeners: list[Listener] = []
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._descriptor, self._read)

    def listen(self, listener: Listener) -> None:
        """Call `listener` for every event from now on."""
        self._listeners.append(listener)

    def leave(self, listener: Listener) -> None:
        """Call it no more."""
        self._listeners.remove(listener)

    def add(self, folder: Path, changes: int = FILES) -> bool:
        """Watch `folder`, and no longer what was at its path before; False when there is none."""
        wd: int = self._libc.inotify_add_watch(self._descriptor, os.fsencode(folder), changes | ONLYDIR)
        number = ctypes.get_errno()
        if wd < 0 and number not in (errno.ENOENT, errno.ENOTDIR):
            raise _trouble(number, "max_user_watches")
        for old in [old for old, path in self._folders.items() if path == folder and old != wd]:
            self._libc.inotify_rm_watch(self._descriptor, old)  # a folder that was moved away would be followed
            del self._folders[old]
        if wd >= 0:
            self._folders[wd] = folder
        return wd >= 0

    def close(self) -> None:
        """Let go of the descriptor."""
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, 1 << 16)
        except BlockingIOError:
            return
        offset = 0
        while offset < len(data):
            wd, mask, _, length = HEAD.unpack_from(data, offset)
            name = data[offset + HEAD.size : offset + HEAD.size + length].rstrip(b"\0")
            offset += HEAD.size + length
            if name[:1] != b".":  # a file on its way to its name
                self._tell(wd, mask, os.fsdecode(name))

    def _tell(self, wd: int, mask: int, name: str) -> None:
        folder = None if mask & OVERFLOW else self._folders.get(wd)
        if mask & IGNORED:
            self._folders.pop(wd, None)
        if folder is not None or mask & OVERFLOW:
            for listener in list(self._listeners):
                listener(folder, name, mask)


def _trouble(number: int, limit: str) -> Unreachable:
    fix = f": raise fs.inotify.{limit}" if number in (errno.EMFILE, errno.ENFILE, errno.ENOSPC) else ""
    return Unreachable(f"inotify: {os.strerror(number)}{fix}")
