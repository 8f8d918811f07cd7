"""A disk that refuses costs events and nothing else; what a log says of restarts, gaps and other boots."""

import asyncio
import resource
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from felixpy.history import recorder as module
from felixpy.history.events import Event, Row
from felixpy.history.reading import BeforeTheLog, DaemonLog
from felixpy.history.recorder import MOST, Place, Recorder
from felixpy.history.replay import knows_from, moment
from felixpy.history.tables import kept
from felixpy.model.routes import Route, RouteKey, RouteKind
from tests.unit.history.silence import Silence

HOLE = Route(RouteKey(ip_network("10.65.1.0/26"), metric=1024), RouteKind.BLACKHOLE)


def added(prefix: str = "10.65.2.0/26", at: float | None = None) -> Event:
    row = Row(prefix=prefix, metric=1024, kind="blackhole")
    return Event(time=time.time() if at is None else at, kind="route", what="added", key=prefix, row=row)


def daemon(what: str, at: float, boot: str = "b") -> Event:
    return Event(time=at, kind="daemon", what=what, boot=boot)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


@contextmanager
def made(folder: Path, limit: int = 1 << 20) -> Iterator[tuple[Recorder, Silence]]:
    """A recorder in `folder`, closed at the end; a copy of all that is has one blackhole."""
    log = Silence()
    recorder = Recorder(Place("birdpy", folder, limit), log)

    def copy() -> tuple[int, Callable[[], Iterator[Event]]]:
        at = time.time()
        return 1, lambda: kept(at, {HOLE.key: HOLE})

    recorder.copy = copy
    yield recorder, log
    recorder.close()


def test_without_a_limit_nothing_is_written_and_nothing_kept(tmp_path: Path) -> None:
    async def work() -> None:
        with made(tmp_path / "log", limit=0) as (recorder, log):
            recorder.note(1, lambda: [added()])
            await recorder.flush()
            assert not (await recorder.status()).on
            assert not log.lines

    run(work())
    assert not (tmp_path / "log").exists()


def test_a_disk_that_refuses_is_said_once_and_when_it_takes_again_the_gap_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AGAIN_S", 0.0)
    folder = tmp_path / "log"
    folder.write_text("in the way")

    async def work() -> None:
        with made(folder) as (recorder, log):
            for _ in range(3):
                recorder.note(2, lambda: [added(), added()])
                await recorder.flush()
            assert [event for event, _ in log.lines] == ["history not written"]
            assert recorder.dropped == 7  # with the daemon's start
            assert (await recorder.status()).trouble
            folder.unlink()
            recorder.note(1, lambda: [added()])
            await recorder.flush()
            assert [event for event, _ in log.lines] == ["history not written", "history written again"]

    run(work())
    log = DaemonLog(folder)
    assert [it.number for it in log.events(0, time.time()) if it.what == "gap"] == [7]
    assert set(log.state(time.time()).routes) == {("10.65.1.0/26", 254, 1024)}, "the copy says what is"


def test_a_disk_that_takes_a_part_leaves_whole_frames_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN_S", 0.0)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    async def work() -> None:
        with made(tmp_path) as (recorder, log):
            recorder.note(1, lambda: [daemon("read", time.time()), added()])
            await recorder.flush()
            resource.setrlimit(resource.RLIMIT_FSIZE, (recorder.size + 20, limits[1]))  # the next write is cut off
            try:
                recorder.note(1, lambda: [added("10.65.3.0/26")])
                await recorder.flush()
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            assert recorder.dropped == 1 and log.lines[0][0] == "history not written"
            before = time.time()
            assert ("10.65.2.0/26", 254, 1024) in DaemonLog(tmp_path).state(before).routes
            recorder.note(1, lambda: [added("10.65.4.0/26")])
            await recorder.flush()

    run(work())
    assert set(DaemonLog(tmp_path).state(time.time()).routes) == {("10.65.1.0/26", 254, 1024)}


def test_more_than_can_wait_is_dropped_and_counted(tmp_path: Path) -> None:
    async def work() -> None:
        with made(tmp_path) as (recorder, _):
            recorder.note(1, lambda: [added()])
            recorder.note(MOST, list)
            assert recorder.dropped == MOST + 2
            recorder.note(1, lambda: [added()])
            await recorder.flush()

    run(work())
    assert DaemonLog(tmp_path).state(time.time()).known


def test_a_copy_that_is_larger_than_the_limit_leaves_no_log_and_says_so(tmp_path: Path) -> None:
    async def work() -> None:
        with made(tmp_path, limit=100) as (recorder, log):
            recorder.note(1, lambda: [daemon("read", time.time())])
            await recorder.flush()
            for _ in range(2):
                recorder.note(1, lambda: [added()])
                await recorder.flush()
            assert "more than the limit" in log.lines[0][1]["reason"]

    run(work())
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 1000


def test_a_life_that_ends_writes_what_waits_and_says_so(tmp_path: Path) -> None:
    async def work() -> None:
        with made(tmp_path) as (recorder, _):
            task = asyncio.create_task(recorder.keep())
            await asyncio.sleep(0)
            recorder.note(1, lambda: [added()])
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    run(work())
    assert [it.what for it in DaemonLog(tmp_path).events(0, time.time())] == ["started", "added", "stopped"]


def test_the_kernel_keeps_the_routes_of_a_dead_daemon_until_they_are_read_but_not_over_a_boot() -> None:
    place = ("10.65.2.0/26", 254, 1024)
    life = [daemon("started", 1), daemon("read", 2), added(at=3), daemon("started", 5)]
    assert place in moment(life, 4.0).routes and place in moment(life, 6.0).routes
    assert place not in moment([*life, daemon("read", 6)], 6.0).routes, "read, and not there any more"
    assert place not in moment([*life[:3], daemon("started", 5, boot="other")], 5.0).routes
    assert not moment([*life[:3], daemon("stopped", 4)], 4.5).running


def test_a_log_that_never_read_the_kernel_knows_nothing(tmp_path: Path) -> None:
    async def work() -> None:
        with made(tmp_path) as (recorder, _):
            recorder.note(1, lambda: [added()])
            await recorder.flush()

    run(work())
    assert DaemonLog(tmp_path).begins() is None
    with pytest.raises(BeforeTheLog):
        DaemonLog(tmp_path).state(time.time())


def test_a_copy_that_was_cut_off_counts_for_nothing() -> None:
    copy = Event(time=3.0, kind="daemon", what="copy", number=2, boot="b")
    cut = [daemon("started", 1), daemon("read", 1), added(at=2), copy, added("10.65.9.0/26", at=3)]
    assert set(moment(cut, 9.0).routes) == {("10.65.2.0/26", 254, 1024)}
    assert knows_from(cut[3:]) is None and knows_from([*cut[3:], added("10.65.8.0/26", at=3)]) == 3.0
