"""The log's files: segments of frames, the oldest removed when they grow beyond a limit. Edge; blocks on the disk.

A segment is `<microseconds since 1970, 20 digits>.log`; a frame is magic, length and CRC-32 of what follows, which is
lines of JSON, deflated. A frame that a crash cut off ends its segment for the reader, and no writer goes on behind
one: each life, and each trouble, begins a new segment. Nothing is synced: the page cache outlives the process, and a
power cut costs the last seconds.
"""

import errno
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

MAGIC = b"fxh1"
HEAD = struct.Struct(">4sII")
LEVEL = 1  # of zlib: 100,000 routes in 0.1 s, a tenth of their size
LARGEST = 64 << 20  # bytes of a frame: nothing of ours is larger
SUFFIX = ".log"


class Segments:
    """What one daemon writes, in `folder`, at most `limit` bytes. OSError wherever the disk does not take it."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit
        self._file: BinaryIO | None = None
        self._size = 0  # of the current segment
        self._full = 0  # the size at which the next one should begin

    @property
    def opened(self) -> bool:
        """Whether there is a current segment."""
        return self._file is not None

    @property
    def full(self) -> bool:
        """Whether a new segment should begin."""
        return self._file is None or self._size >= self._full

    def begin(self, at: float) -> None:
        """A new segment from here on; nothing in it is older than `at` (Unix seconds)."""
        self.close()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        number = max(int(at * 1e6), *(number_of(path) + 1 for path in segments(self.folder)), 0)
        self._file = (self.folder / f"{number:020d}{SUFFIX}").open("xb", buffering=0)
        self._size, self._full = 0, self.limit // 8

    def began_with_copy(self) -> None:
        """What was written so far is a copy of everything: as much again of events is worth the next one."""
        self._full = max(self._full, 2 * self._size)
        if self._size > self.limit:
            size = self._size
            self.discard()
            raise OSError(errno.EFBIG, f"one copy of all routes takes {size} bytes, more than the limit")

    def append(self, lines: bytes) -> None:
        """One frame more; then the oldest segments go until all fit the limit."""
        assert self._file is not None
        body = zlib.compress(lines, LEVEL)
        frame = HEAD.pack(MAGIC, len(body), zlib.crc32(body)) + body
        try:
            rest = memoryview(frame)
            while rest:  # a disk that is nearly full takes a part and refuses the rest
                rest = rest[self._file.write(rest) or 0 :]
        except OSError:
            with suppress(OSError):
                self._file.truncate(self._size)
            self.close()
            raise
        self._size += len(frame)

    def prune(self) -> None:
        """Remove the oldest segments until all fit the limit; the current one stays."""
        sizes = [(path, path.stat().st_size) for path in segments(self.folder)]
        total = sum(size for _, size in sizes)
        for path, size in sizes[:-1]:
            if total <= self.limit:
                return
            path.unlink(missing_ok=True)
            total -= size

    def discard(self) -> None:
        """Remove the current segment."""
        self.close()
        for path in segments(self.folder)[-1:]:
            path.unlink(missing_ok=True)

    def bytes(self) -> int:
        """How large all of them are."""
        return sum(path.stat().st_size for path in segments(self.folder))

    def close(self) -> None:
        """Write no more to the current segment."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None


def segments(folder: Path) -> list[Path]:
    """The segments of a log, the oldest first."""
    return sorted(path for path in folder.glob(f"*{SUFFIX}") if path.stem.isdigit())


def number_of(path: Path) -> int:
    """When a segment began, microseconds since 1970."""
    return int(path.stem)


def frames(path: Path) -> Iterator[bytes]:
    """The lines of each whole frame, in order; a segment that was pruned meanwhile has none."""
    try:
        with path.open("rb") as file:
            while len(head := file.read(HEAD.size)) == HEAD.size:
                magic, length, check = HEAD.unpack(head)
                body = file.read(length) if magic == MAGIC and length <= LARGEST else b""
                if not body or len(body) != length or zlib.crc32(body) != check:
                    return
                yield zlib.decompress(body)
    except FileNotFoundError:
        return


def of_moment(paths: Sequence[Path], at: float) -> int:
    """The index of the segment that was written to at `at` (Unix seconds); -1 before the first."""
    return sum(number_of(path) <= at * 1e6 for path in paths) - 1


__all__ = ["Segments", "frames", "of_moment", "segments"]
