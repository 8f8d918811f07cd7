"""Alive, ready, and how far behind the datastore: each with its reasons."""

import math

import msgspec
import pytest

from felixpy.daemon.health import why_not_live, why_not_ready
from felixpy.daemon.lag import Lag
from felixpy.daemon.metrics import probe
from felixpy.model.status import Condition
from tests.unit.test_metrics import HEALTH


@pytest.mark.parametrize(
    ("last_pass", "resync_s", "fine"),
    [(None, 90.0, True), (0.0, 90.0, False), (800.0, 90.0, True), (0.0, 400.0, True), (0.0, math.inf, True)],
)
def test_a_loop_that_turns_within_three_periods_lives(last_pass: float | None, resync_s: float, fine: bool) -> None:
    reasons = why_not_live(last_pass, 1000.0, resync_s)
    assert reasons == (() if fine else ("the last pass ended 1000 s ago; one is due every 90 s",))


def test_everything_that_keeps_a_daemon_from_being_ready_is_said() -> None:
    assert why_not_ready(in_sync=True, refused={"routes": 0}, troubles={"kernel": ""}) == ()
    assert why_not_ready(in_sync=False, refused={"routes": 2, "links": 0}, troubles={"kernel": "no answer"}) == (
        "the datastore was not listed in full yet", "2 of routes refused", "kernel: no answer",
    )  # fmt: skip


def test_a_probe_shows_the_reasons_and_a_condition_is_none() -> None:
    down = Condition(name="PeersDown", message="1 of 2 sessions are not up: Mesh_10_0_0_2")
    health = msgspec.structs.replace(HEALTH, unready=("1 of routes refused",), conditions=(down,))
    assert probe(health, "ready") == (
        "503 Service Unavailable",
        "ready: no\n- 1 of routes refused\ncondition PeersDown: 1 of 2 sessions are not up: Mesh_10_0_0_2\n",
    )
    status, text = probe(health, "live")
    assert (status, text.splitlines()[0]) == ("200 OK", "ok")


def test_what_is_in_force_lags_since_the_datastore_was_lost_or_since_the_oldest_change() -> None:
    lag = Lag(100.0)
    assert lag.seconds(103.0) == 3, "not heard yet"
    lag.heard(104.0)
    lag.heard(105.0)
    assert lag.seconds(106.0) == 2, "the older of both changes waits"
    lag.pass_began()
    lag.heard(107.0)
    lag.pass_began()  # the first pass failed
    lag.pass_ended(108.0)
    assert (lag.seconds(109.0), sum(lag.took.counts), lag.took.total) == (0, 1, 4)
    lag.pass_began()
    lag.pass_ended(110.0)
    assert sum(lag.took.counts) == 1, "a pass without a change says nothing"
    lag.lost(111.0)
    lag.lost(115.0)
    assert lag.seconds(120.0) == 9
    lag.heard(121.0)
    lag.pass_began()
    assert lag.seconds(121.5) == 0.5
