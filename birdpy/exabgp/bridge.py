"""Edge: what stands between ExaBGP and birdpy, and only drains.

ExaBGP writes to its API process with a blocking write: while nobody reads, all its sessions stand still until the
peers' hold timers end them. So the reader must never be busy. This one is a process of its own, forked by the
launcher before anything large is imported; it reads whenever there is something to read, keeps what birdpy has not
taken yet in a bounded `Backlog`, and passes birdpy's commands the other way. One loop over `poll`, no timers, no
threads; imports nothing that costs memory.

It ends when either side goes away: with ExaBGP or birdpy gone there is nothing left to join.
"""

import os
import select
from collections import deque
from collections.abc import Iterable

LIMIT_BYTES = 64 << 20  # about 100,000 UPDATEs of one prefix each
CHUNK = 1 << 18
COMMANDS_LIMIT = 1 << 20  # bytes of commands taken from birdpy ahead of ExaBGP
OVERFLOW = b"overflow "


def without_updates(lines: Iterable[bytes]) -> list[bytes]:
    """`lines` without those that tell of routes only, which can be asked for again; first how many these were."""
    kept, dropped = [], 0
    for line in lines:
        if line.startswith(OVERFLOW) and line[len(OVERFLOW) :].isdigit():
            dropped += int(line[len(OVERFLOW) :])
        elif b'"type": "update"' in line and b'"eor"' not in line:
            dropped += 1
        else:
            kept.append(line)
    return [OVERFLOW + b"%d" % dropped, *kept] if dropped else kept


class Backlog:
    """Bytes of whole and partial lines, bounded.

    When it would hold more than `limit` bytes it drops every whole UPDATE line but those that say End-of-RIB, and
    puts one line `overflow N` in their place: sessions' states and answers to commands are never dropped, so the
    reader's view of them stays right, and all routes have to be asked for again.
    """

    def __init__(self, limit: int = LIMIT_BYTES) -> None:
        self._limit = limit
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._started = False  # part of the first line has been taken already

    def __len__(self) -> int:
        return self._size

    def put(self, data: bytes) -> None:
        """Add what was read; OverflowError when even without UPDATEs it is too much."""
        self._chunks.append(data)
        self._size += len(data)
        if self._size > self._limit:
            self._drop()
            if self._size > self._limit:
                raise OverflowError(f"{self._size} bytes wait that may not be dropped")

    def first(self) -> bytes:
        """The oldest bytes; empty when there are none."""
        return self._chunks[0] if self._chunks else b""

    def take(self, count: int) -> None:
        """`count` of the oldest bytes have been passed on."""
        chunk = self._chunks.popleft()
        self._size -= count
        self._started = not chunk[:count].endswith(b"\n")
        if count < len(chunk):
            self._chunks.appendleft(chunk[count:])

    def _drop(self) -> None:
        *lines, rest = b"".join(self._chunks).split(b"\n")
        head = [lines.pop(0)] if self._started and lines else []  # the reader has its beginning
        text = b"\n".join([*head, *without_updates(lines), rest])
        self._chunks = deque([text]) if text else deque()
        self._size = len(text)


def run(exabgp_out: int, exabgp_in: int, birdpy: int) -> None:
    """Pass lines from `exabgp_out` to `birdpy` and commands from `birdpy` to `exabgp_in`, until one of them ends.

    All three are descriptors; `birdpy` is a stream socket.
    """
    for descriptor in (exabgp_out, exabgp_in, birdpy):
        os.set_blocking(descriptor, False)
    lines, commands = Backlog(), Backlog(COMMANDS_LIMIT * 2)
    poller = select.poll()
    poller.register(exabgp_out, select.POLLIN)
    try:
        while True:
            wants_command = select.POLLIN if len(commands) < COMMANDS_LIMIT else 0
            poller.register(birdpy, wants_command | (select.POLLOUT if lines else 0))
            poller.register(exabgp_in, select.POLLOUT if commands else 0)
            ready = dict(poller.poll())
            if ready.get(exabgp_out) and not _read(exabgp_out, lines):
                return
            if lines:
                _write(birdpy, lines)
            if ready.get(birdpy, 0) & ~select.POLLOUT and not _read(birdpy, commands):
                return
            if commands:
                _write(exabgp_in, commands)
            elif ready.get(exabgp_in):
                return  # POLLERR: nobody will read commands any more
    except (OSError, OverflowError):
        return


def _read(descriptor: int, backlog: Backlog) -> bool:
    """Read what is there; False at the end of the stream."""
    try:
        data = os.read(descriptor, CHUNK)
    except BlockingIOError:
        return True
    if data:
        backlog.put(data)
    return bool(data)


def _write(descriptor: int, backlog: Backlog) -> None:
    while chunk := backlog.first():
        try:
            backlog.take(os.write(descriptor, chunk))
        except BlockingIOError:
            return
