"""The steps of a drain: what each waits for, how traffic ends the first one, undo, and going on after a restart."""

import math
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from birdpy import departure
from birdpy.forwarding import Forwarding
from birdpy.leaving import RESUME_S, Leaving, Outside, Traffic
from birdpy.peers import Peer, come_up
from birdpy.stage import Stage
from birdpy.state import State
from birdpy.telling import Telling
from felixpy.kernel.memory import MemoryTable
from tests.unit.birdpy.builders import session

PEER = ip_address("10.0.0.2")


class World:
    """A router with one peer that is up, a clock, and a counter of packets, all moved by hand."""

    def __init__(self) -> None:
        self.time, self.packets, self.owed = 100.0, 0, set[Any]()
        self.moves: list[Stage] = []
        self.state = State(
            Forwarding(MemoryTable(), resync_s=math.inf), Telling(MemoryTable(), dict, resync_s=math.inf)
        )
        self.state.learning.peers[PEER] = Peer(session(), since=0.0)
        come_up(self.state.learning.peers[PEER], 1.0)
        outside = Outside(lambda: self.time, lambda: self.packets, lambda: self.owed, self.moves.append)
        self.leaving = Leaving(self.state, outside)

    def after(self, seconds: float, rate: float = 0.0) -> Stage:
        """Let time pass in looks of 100 ms while `rate` packets a second are forwarded; the stage then."""
        for _ in range(round(seconds * 10)):
            self.time += 0.1
            self.packets += round(rate / 10)
            self.leaving.look()
        return self.state.stage

    @property
    def peer(self) -> Peer:
        return self.state.learning.peers[PEER]


def test_the_steps_come_in_their_order_and_the_session_ends_last() -> None:
    world = World()
    assert world.leaving.drain(3.0).stage == "counting"
    assert world.after(2.0) is Stage.LAST_RESORT
    assert world.after(2.0) is Stage.LAST_RESORT, "the peers have three seconds"
    assert world.after(2.0) is Stage.CLOSING
    assert world.leaving.status().waiting == ("session with 10.0.0.2",)
    world.peer.up = False
    assert world.after(0.5) is Stage.DRAINED
    assert world.moves == [
        Stage.COUNTING, Stage.LAST_RESORT, Stage.WITHDRAWING, Stage.CLOSING, Stage.DRAINED,
    ]  # fmt: skip


def test_while_traffic_falls_nothing_is_withdrawn() -> None:
    world = World()
    world.leaving.drain(1.0)
    assert world.after(1.5, 1000) is Stage.LAST_RESORT
    for rate in (500, 250, 120):
        assert world.after(1.1, rate) is Stage.LAST_RESORT
    assert world.after(2.5, 120) is Stage.CLOSING, "what is left is for this node alone"
    status = world.leaving.status()
    assert status.forwarded_before == pytest.approx(1000, 0.1)
    assert status.forwarded_now == pytest.approx(120, 0.1)


def test_traffic_that_falls_for_ever_is_not_waited_for_for_ever() -> None:
    world = World()
    world.leaving.drain(1.0)
    world.after(1.5, 100000)
    rate = 100000.0
    for _ in range(8):
        rate *= 0.5
        world.after(1.1, rate)
    assert world.state.stage is Stage.CLOSING


def test_undo_takes_it_back_at_any_step() -> None:
    for seconds in (0.5, 2.0, 9.0):
        world = World()
        world.leaving.drain(1.0)
        world.after(seconds)
        assert world.leaving.undo().stage == "serving"
        assert world.after(5.0) is Stage.SERVING
        assert world.leaving.status().forwarded_before is None


def test_a_second_order_changes_nothing() -> None:
    world = World()
    world.leaving.drain(1.0)
    world.after(2.0)
    assert world.leaving.drain(60.0).stage == "last resort"
    assert world.leaving.undo().stage == world.leaving.undo().stage == "serving"


def test_a_peer_that_is_down_cannot_be_told_and_is_named() -> None:
    world = World()
    world.peer.up = False
    assert world.leaving.drain(1.0).untold == ("10.0.0.2",)


@pytest.mark.parametrize("stage", [Stage.CLOSING, Stage.DRAINED])
def test_after_a_restart_a_drained_router_is_drained(stage: Stage) -> None:
    world = World()
    world.leaving.resume(stage)
    assert world.state.stage is Stage.DRAINED


def test_after_a_restart_in_the_middle_peers_come_back_to_be_told_that_there_is_nothing() -> None:
    world = World()
    world.peer.up = False
    world.owed = {PEER}
    world.leaving.resume(Stage.LAST_RESORT)
    assert world.after(2.0) is Stage.WITHDRAWING
    assert world.leaving.status().waiting[0] == "10.0.0.2 to come back"
    world.peer.up = True
    assert world.after(2.0) is Stage.WITHDRAWING
    assert world.leaving.status().waiting == ("10.0.0.2 to be told that this is all",)
    world.owed.clear()
    assert world.after(0.3) is Stage.CLOSING


def test_a_peer_that_does_not_come_back_is_not_waited_for_for_ever() -> None:
    world = World()
    world.peer.up = False
    world.leaving.resume(Stage.WITHDRAWING)
    assert world.after(RESUME_S + 1) is Stage.DRAINED


def test_a_router_that_was_serving_serves() -> None:
    world = World()
    world.leaving.resume(Stage.SERVING)
    assert (world.state.stage, world.moves) == (Stage.SERVING, [])


def test_traffic_is_counted_over_whole_seconds() -> None:
    traffic = Traffic(count=1000, at=10.0)
    seen = []
    for count, at in ((1500, 10.5), (2000, 11.0), (2900, 12.0), (2900, 13.0), (2900, 14.0)):
        traffic.look(count, at)
        seen.append((traffic.last, traffic.falling))
    assert seen == [(None, True), (1000.0, True), (900.0, False), (0.0, True), (0.0, False)]
    assert traffic.began == 1000.0


def test_the_record_counts_for_its_node_and_boot_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state" / departure.FILE_NAME
    assert departure.load(path, "n1") is Stage.SERVING
    departure.save(path, "n1", Stage.WITHDRAWING)
    assert departure.load(path, "n1") is Stage.WITHDRAWING
    assert departure.load(path, "n2") is Stage.SERVING
    other: Callable[[], str] = lambda: "another boot"  # noqa: E731
    monkeypatch.setattr(departure, "boot_id", other)
    assert departure.load(path, "n1") is Stage.SERVING
    monkeypatch.undo()
    path.write_text("{")
    assert departure.load(path, "n1") is Stage.SERVING
    departure.save(path, "n1", Stage.SERVING)
    departure.save(path, "n1", Stage.SERVING)
    assert not path.exists()
