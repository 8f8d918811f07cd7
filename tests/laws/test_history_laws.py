"""What holds for the log whatever happens: the state at a moment is what it was, and the newest is kept."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from felixpy.history.events import Cause, Event, decoded, encoded, row_of
from felixpy.history.reading import BeforeTheLog, DaemonLog
from felixpy.history.recorder import Place, Recorder
from felixpy.history.replay import Moment, moment
from felixpy.history.segments import segments
from felixpy.history.tables import RouteStory, kept
from felixpy.kernel.memory import MemoryTable
from felixpy.model.routes import Device, Hop, Route, RouteKey, RouteKind
from felixpy.reconcile.settle import Settler
from tests.unit.history.silence import Silence

KEYS = [RouteKey(ip_network(f"10.65.{number}.0/26"), metric=1024) for number in range(4)]
HOPS = [(Hop(ip_address(f"172.20.0.{number}"), Device("eth1")),) for number in range(3)]
Held = dict[tuple[str, int, int], tuple[object, ...]]


def route(key: int, hop: int) -> Route:
    return Route(KEYS[key], RouteKind.LEARNED, hops=HOPS[hop])


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "drop", "taken", "silently", "link", "refuse", "ahead", "resync"]),
        st.integers(0, 1),
        st.integers(0, 2),
        st.booleans(),  # whether a pass follows
    ),
    max_size=25,
)


class Kernel:
    """A table, its Settler, somebody who meddles, and the log of what happened."""

    def __init__(self) -> None:
        self.table: MemoryTable[RouteKey, Route] = MemoryTable({KEYS[0]: route(0, 2)})
        self.settler: Settler[RouteKey, Route] = Settler(self.table)
        self.story = RouteStory(lambda *_: Cause("test"))
        self.now = 0.0
        self.events: list[Event] = []

    def step(self, what: str, key: int, hop: int) -> None:
        self.now += 5.0
        match what:
            case "put":
                self.settler.put(KEYS[key], route(key, hop))
            case "drop":
                self.settler.drop(KEYS[key])
            case "taken":
                self.table.rows.pop(KEYS[key], None)
                self.settler.changed([KEYS[key]], self.now)
            case "silently":
                self.table.rows[KEYS[key]] = route(key, hop)
            case "link":
                self.table.rows.pop(KEYS[key], None)
                self.settler.excuse([KEYS[key]])
            case "refuse" if hop:
                self.table.refuse[KEYS[key]] = "no"
            case "refuse":
                self.table.refuse.pop(KEYS[key], None)
            case "ahead" if self.settler.held.get(KEYS[key]) == self.settler.desired.get(KEYS[key], 0):
                asyncio.run(self.settler.ahead({KEYS[key]: route(key, hop)}, self.now))
            case "resync":
                self.settler.resync()

    def settle(self) -> None:
        outcome = asyncio.run(self.settler.settle(self.now, may_erase=True))
        self.events += self.story.events(self.now, outcome)


@settings(max_examples=80, deadline=None)
@given(STEPS)
def test_what_the_log_says_is_what_the_settler_knows_at_every_pass(steps: list[tuple[str, int, int, bool]]) -> None:
    kernel = Kernel()
    for what, key, hop, passes in steps:
        kernel.step(what, key, hop)
        if not passes:
            continue
        kernel.settle()
        found = moment(decoded(encoded(kernel.events)), kernel.now)
        held = {row_of(it).place: row_of(it).hops for it in kernel.settler.held.values()}
        here = {place: it.row.hops for place, it in found.routes.items() if it.installed}
        odd = {place for place, it in found.routes.items() if not it.installed}  # taken or refused: says why
        assert {p: h for p, h in held.items() if p not in odd} == {p: h for p, h in here.items() if p not in odd}
        assert all(found.routes[place].reason for place in odd)
    for _ in range(8):  # left in peace, both are what is wanted
        kernel.table.refuse.clear()
        kernel.now += 90.0
        kernel.settle()
    found = moment(kernel.events, kernel.now)
    wanted = {row_of(it).place: row_of(it).hops for it in kernel.settler.desired.values()}
    assert {place: it.row.hops for place, it in found.routes.items()} == wanted
    assert all(it.installed for it in found.routes.values())


class Life:
    """A log that somebody writes, and what he knows to be in it at each moment."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit
        self.routes: dict[RouteKey, Route] = {}
        self.moments: list[tuple[float, Held]] = []

    def write(self, changes: list[tuple[int, int]]) -> None:
        """One life of a daemon: each change is written on its own; hop 0 removes."""
        asyncio.run(self._write(changes))

    async def _write(self, changes: list[tuple[int, int]]) -> None:
        recorder = Recorder(Place("birdpy", self.folder, self.limit), Silence())
        recorder.copy = self._copy
        task = asyncio.create_task(recorder.keep())
        found = [Event(time=time.time(), kind="daemon", what="read")]
        found[:0] = list(kept(found[0].time, self.routes))
        recorder.note(len(found), lambda: found)
        for key, hop in changes:
            self._change(recorder, key, hop)
            self.moments.append((time.time(), shown(self.routes)))
            await recorder.flush()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def _change(self, recorder: Recorder, key: int, hop: int) -> None:
        old, new = self.routes.get(KEYS[key]), route(key, hop)
        if hop:
            self.routes[KEYS[key]] = new
            event = Event(time=time.time(), kind="route", what="changed", key="x", row=row_of(new))
        elif old is not None:
            del self.routes[KEYS[key]]
            event = Event(time=time.time(), kind="route", what="removed", key="x", row=row_of(old))
        else:
            return
        recorder.note(1, lambda: [event])

    def _copy(self) -> tuple[int, Callable[[], Iterator[Event]]]:
        routes, at = dict(self.routes), time.time()
        return len(routes), lambda: kept(at, routes)


def shown(routes: dict[RouteKey, Route]) -> Held:
    return {row_of(it).place: row_of(it).hops for it in routes.values()}


def said(found: Moment) -> Held:
    return {place: it.row.hops for place, it in found.routes.items()}


@contextmanager
def a_life(lives: list[list[tuple[int, int]]], limit: int) -> Iterator[Life]:
    with tempfile.TemporaryDirectory() as folder:
        life = Life(Path(folder) / "log", limit)
        for changes in lives:
            life.write(changes)
        yield life


LIVES = st.lists(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=12), min_size=1, max_size=3
)


@settings(max_examples=25, deadline=None)
@given(LIVES, st.sampled_from([2_000, 4_000, 1 << 20]))
def test_what_was_at_a_moment_is_what_was_known_then_and_the_newest_is_kept(
    lives: list[list[tuple[int, int]]], limit: int
) -> None:
    with a_life(lives, limit) as life:
        log = DaemonLog(life.folder)
        begins = log.begins()
        assert begins is not None
        for at, held in life.moments:
            if at >= begins:
                assert said(log.state(at)) == held
        assert life.moments[-1][0] >= begins, "the newest is kept"
        assert sum(path.stat().st_size for path in segments(life.folder)) <= limit + 1000
        if limit == 1 << 20:
            assert all(at >= begins for at, _ in life.moments), "nothing goes before the limit is reached"


@settings(max_examples=25, deadline=None)
@given(LIVES, st.integers(0, 400), st.booleans())
def test_a_torn_tail_costs_the_tail_only(lives: list[list[tuple[int, int]]], cut: int, spoil: bool) -> None:
    with a_life(lives, 1 << 20) as life:
        last = segments(life.folder)[-1]
        whole = last.read_bytes()
        kept_bytes = max(len(whole) - cut, 0)
        last.write_bytes(whole[:kept_bytes] + (b"\xff" * 50 if spoil else b""))
        known = [held for _, held in life.moments] + [{}]
        log = DaemonLog(life.folder)
        try:
            assert said(log.state(time.time())) in known
        except BeforeTheLog:
            assert len(segments(life.folder)) == 1
        life.write([(0, 1)])
        assert said(log.state(time.time())) == life.moments[-1][1], "the next life is written and read as ever"
