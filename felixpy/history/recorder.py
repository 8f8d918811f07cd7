"""Join: what a daemon remembers for its log, and when it is written: never while there is something else to do.

`note` is all that happens on the daemon's own way: it keeps a function that makes the events later. They are made in
small pieces once no more come, and written by a thread. A disk that does not take them costs events and nothing else:
one line of log, a number in the metrics, and a gap in the history that says so.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path

from felixpy.daemon.logs import Log
from felixpy.history.events import Event, encoded
from felixpy.history.segments import Segments
from felixpy.model.metrics import Measured
from felixpy.model.past import HISTORY_DROPPED, HISTORY_SIZE, HistoryStatus

Made = Callable[[], Iterable[Event]]
Step = Callable[[], None] | None  # something for the disk; None: let the loop turn

SOON_S = 1.0  # between an event and its line
BUSY, BUSY_S = 200, 10.0  # while more than these come in a second it waits, but not longer than that
PIECE = 100  # events made between two turns of the loop: half a millisecond
FRAME = 40  # pieces in a frame at most
MOST = 1_000_000  # events that may wait
MOST_AT_END = 50_000  # events that a daemon writes when it ends: half a second
AGAIN_S = 30.0  # after the disk refused
FOLDER = "history"  # in the state folder; in it one folder for each daemon
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Place:
    """Whose log it is, where, and how large it may become."""

    daemon: str
    folder: Path
    limit: int  # bytes; 0: no log at all


def place_of(daemon: str, state_dir: Path, megabytes: int) -> Place:
    """Where a daemon's log is: a folder of its own in the state folder."""
    return Place(daemon, state_dir / FOLDER / daemon, megabytes << 20)


class Recorder:
    """The log of one daemon's life."""

    def __init__(self, place: Place, log: Log) -> None:
        self.place, self._log = place, log
        self.copy: Callable[[], tuple[int, Made]] = lambda: (0, tuple)  # takes note of all that is, in an instant
        self.dropped = 0
        self.size = 0  # bytes, of all that is kept
        self.trouble = ""
        self._segments = Segments(place.folder, place.limit)
        self._boot = boot_id()
        self._pending: list[Made] = []
        self._waiting = 0  # events in them
        self._oldest = 0.0  # when the first of them was noted
        self._fresh = True  # nothing of this life was written
        self._gap = 0  # events lost since the last copy
        self._again_at = 0.0
        self._due = asyncio.Event()
        self._writing = asyncio.Lock()
        self._disk = ThreadPoolExecutor(1, "history")
        self._steps: Iterator[Step] = iter(())  # what is being written
        self._flight: Future[None] | None = None
        self._closed = False
        self._left = 0  # events that are lost when what is being written is refused
        self._daemon("started")

    @property
    def on(self) -> bool:
        """Whether there is a log at all."""
        return self.place.limit > 0

    def note(self, number: int, made: Made) -> None:
        """About `number` events, which `made` will make."""
        if not self.on:
            return
        if self._waiting + number > MOST:
            self._lose(self._waiting + number)
            self._pending, self._waiting = [], 0
            return
        if not self._waiting:
            self._oldest = time.time()
        self._pending.append(made)
        self._waiting += number
        self._due.set()

    async def keep(self) -> None:
        """Write what comes, until cancelled; then what is left."""
        try:
            while True:
                await self._due.wait()
                await self._calm()
                await self.flush()
        finally:
            self.close()

    async def flush(self) -> None:
        """Write what waits, now; no matter whether the disk takes it."""
        async with self._writing:
            self._due.clear()
            if not self._waiting:
                return
            if time.monotonic() < self._again_at:
                self._lose(self._waiting)
                self._pending, self._waiting = [], 0
                return
            self._steps = self._taken()
            try:
                for step in self._steps:
                    if step is None:
                        await asyncio.sleep(0)
                    else:
                        self._flight = self._disk.submit(step)
                        await asyncio.shield(asyncio.wrap_future(self._flight))
            except (OSError, ValueError) as error:
                self._refused(error)
            else:
                self._done()

    def measured(self) -> Measured:
        """For the metrics."""
        return {HISTORY_DROPPED: {(): float(self.dropped)}, HISTORY_SIZE: {(): float(self.size)}}

    async def status(self) -> HistoryStatus:
        """For the status socket; what waits is written first."""
        await self.flush()
        return HistoryStatus(
            daemon=self.place.daemon,
            on=self.on,
            folder=str(self.place.folder),
            limit=self.place.limit,
            size=self.size,
            dropped=self.dropped,
            trouble=self.trouble,
        )

    async def _calm(self) -> None:
        """A moment later; in the midst of many events, when no more come."""
        waited = 0.0
        while True:
            before = self._waiting
            await asyncio.sleep(SOON_S)
            waited += SOON_S
            if self._waiting - before < BUSY or waited >= BUSY_S:
                return

    def _taken(self) -> Iterator[Step]:
        """The steps that write what waits now. What is copied is what is true at this instant."""
        pending, self._pending = self._pending, []
        number, self._waiting = self._waiting, 0
        self._left = number
        copy = self.copy() if self._gap or (self._segments.full and not self._fresh) else None
        return self._written(pending, (self._oldest, time.time()), copy)

    def _written(
        self, pending: list[Made], times: tuple[float, float], copy: tuple[int, Made] | None
    ) -> Iterator[Step]:
        oldest, at = times
        segments, opened = self._segments, self._segments.opened
        if not opened:
            yield partial(segments.begin, oldest)
        if self._gap:
            gap = Event(time=at, kind="daemon", what="gap", number=self._gap)
            pending.insert(0, lambda: [gap])
        yield from self._framed(chain.from_iterable(made() for made in pending))
        self._fresh = False
        if copy is not None:
            if opened:
                yield partial(segments.begin, at)
            begins = Event(time=at, kind="daemon", what="copy", number=copy[0], boot=self._boot)
            yield from self._framed(chain((begins,), copy[1]()))
            segments.began_with_copy()
            self._gap = 0
        yield self._tidy

    def _framed(self, events: Iterable[Event]) -> Iterator[Step]:
        rest, pieces = iter(events), list[bytes]()
        while piece := list(islice(rest, PIECE)):
            pieces.append(encoded(piece))
            yield None
            if len(pieces) == FRAME:
                yield self._frame(pieces)
                pieces = []
        if pieces:
            yield self._frame(pieces)

    def _tidy(self) -> None:
        self._segments.prune()
        self.size = self._segments.bytes()

    def _frame(self, pieces: list[bytes]) -> Step:
        return lambda: self._segments.append(b"".join(pieces))

    def _refused(self, error: Exception) -> None:
        self._segments.close()
        self._lose(self._left)
        self._again_at = time.monotonic() + AGAIN_S
        if not self.trouble:
            self._log.warning("history not written", folder=str(self.place.folder), reason=str(error))
        self.trouble = str(error)

    def _done(self) -> None:
        if self.trouble:
            self._log.info("history written again", lost=self.dropped)
        self.trouble = ""

    def _lose(self, number: int) -> None:
        self.dropped += number
        self._gap += number

    def _daemon(self, what: str) -> None:
        event = Event(time=time.time(), kind="daemon", what=what, number=os.getpid(), boot=self._boot)
        self.note(1, lambda: [event])

    def close(self) -> None:
        """The daemon ends: finish what is being written, and write what waits unless that is much."""
        if self._closed:
            return
        self._closed = True
        self._daemon("stopped")
        if self._waiting > MOST_AT_END:
            self._lose(self._waiting)
            self._pending, self._waiting = [], 0
            self._daemon("stopped")
        try:
            if self._flight is not None:
                self._flight.result()
            for step in self._steps:
                if step is not None:
                    step()
            if self._waiting and time.monotonic() >= self._again_at:
                for step in self._taken():
                    if step is not None:
                        step()
        except (OSError, ValueError) as error:
            self._refused(error)
        self._segments.close()
        self._disk.shutdown(wait=False)


def boot_id() -> str:
    """This boot's name (random(4)); empty where the kernel does not tell."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""
