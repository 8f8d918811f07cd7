"""`felixpy history`, `routes --at` and `diff`, read from the files of daemons that do not run."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from felixpy.cli.diff import diff
from felixpy.cli.history import history
from felixpy.cli.routes import routes
from felixpy.history.events import Cause, Chosen, Event, Row, encoded
from felixpy.history.segments import Segments
from felixpy.model.errors import Trouble, Usage

NOW = time.time()
FROM_N2 = Chosen(session="Mesh_n2", decided_by="only path")
TOLD = Cause("announced by", "Mesh_n2")
DIED = Cause(why="hold timer")
BEGAN = NOW - 3600
POD = Row(prefix="10.65.0.2/32", kind="local", device="cali1", origin="pod", name="default/web")
VIA_2 = Row(
    prefix="10.65.2.0/26", metric=1024, hops=(("172.20.0.2", "eth1", 1, False),), origin="peer", name="Mesh_n2",
    peer="172.20.0.2",
)  # fmt: skip
FELIXPY = [
    Event(time=BEGAN, kind="daemon", what="started", boot="b"),
    Event(time=BEGAN, kind="daemon", what="read"),
    Event(
        time=NOW - 1800, kind="route", what="added", key=POD.prefix, row=POD, cause=Cause("pod attached", POD.name)
    ),
]
BIRDPY = [
    Event(time=BEGAN, kind="daemon", what="started", boot="b"),
    Event(time=BEGAN, kind="daemon", what="read"),
    Event(time=BEGAN + 1, kind="session", what="up", key="Mesh_n2", peer="172.20.0.2"),
    Event(time=BEGAN + 2, kind="path", what="chosen", key=VIA_2.prefix, path=FROM_N2),
    Event(time=BEGAN + 2, kind="path", what="chosen", key=VIA_2.prefix, path=FROM_N2),
    Event(time=BEGAN + 2, kind="route", what="added", key=VIA_2.prefix, row=VIA_2, cause=TOLD),
    Event(time=NOW - 600, kind="session", what="down", key="Mesh_n2", peer="172.20.0.2", cause=DIED),
    Event(
        time=NOW - 600, kind="route", what="removed", key=VIA_2.prefix, row=VIA_2,
        cause=Cause("session down", "Mesh_n2", "hold timer"),
    ),
]  # fmt: skip


@pytest.fixture(autouse=True)
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine named n1 whose daemons have left their logs."""
    for variable, folder in (("RUN_DIR", "run"), ("STATE_DIR", "state"), ("LABS_DIR", "labs")):
        monkeypatch.setenv(f"FELIXPY_{variable}", str(tmp_path / folder))
    monkeypatch.setenv("FELIXPY_NODE", "n1")
    monkeypatch.delenv("FELIXPY_DATASTORE", raising=False)
    for daemon, events in (("felixpy", FELIXPY), ("birdpy", BIRDPY)):
        segments = Segments(tmp_path / "state" / "history" / daemon, 1 << 20)
        segments.begin(BEGAN)
        segments.append(encoded(events))
        segments.close()


def run(command: Any, *words: str) -> Result:
    done = CliRunner().invoke(command, words)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def answer(command: Any, *words: str) -> Any:
    return json.loads(run(command, *words, "-o", "json").stdout)


def test_routes_of_a_moment_are_those_of_then_with_the_sessions() -> None:
    then = answer(routes, "--at", f"{NOW - 1200}")
    assert {it["prefix"]: it["because"] for it in then["routes"]} == {
        "10.65.0.2/32": "pod attached default/web", "10.65.2.0/26": "announced by Mesh_n2",
    }  # fmt: skip
    assert [(it["name"], it["state"]) for it in then["sessions"]] == [("Mesh_n2", "up")]
    now = answer(routes, "--at", "now", "10.65.0.0/16")
    assert [it["prefix"] for it in now["routes"]] == ["10.65.0.2/32"]
    assert [(it["state"], it["reason"]) for it in now["sessions"]] == [("down", "hold timer")]
    assert "pod default/web" in run(routes, "--at", "now").stdout


def test_a_moment_before_the_log_says_when_it_begins() -> None:
    with pytest.raises(Trouble, match=r"history of node n1 begins at \d{4}-.*nothing is known of an earlier moment"):
        run(routes, "--at", "3h ago")
    with pytest.raises(Trouble, match="begins at"):
        answer(diff, "3h ago", "now")


def test_a_node_without_any_log_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FELIXPY_STATE_DIR", str(tmp_path / "empty"))
    for command, words in ((routes, ("--at", "now")), (history, ())):
        with pytest.raises(Trouble, match="node n1 has no history"):
            run(command, *words)


@pytest.mark.parametrize("words", [("--at", "soon"), ("--at", "now", "--watch")])
def test_a_moment_that_is_none_is_wrong_usage(words: tuple[str, ...]) -> None:
    with pytest.raises(Usage):
        run(routes, *words)


def test_history_of_a_prefix_has_each_change_once_with_its_cause() -> None:
    told = [(it["kind"], it["what"], it["because"]) for it in answer(history, "10.65.2.7", "--since", "2h")["events"]]
    assert told == [
        ("daemon", "started", ""), ("daemon", "read", ""), ("daemon", "started", ""), ("daemon", "read", ""),
        ("path", "chosen", ""), ("route", "added", "announced by Mesh_n2"),
        ("route", "removed", "session down Mesh_n2: hold timer"),
    ]  # fmt: skip


@pytest.mark.parametrize("peer", ["172.20.0.2", "Mesh_n2"])
def test_history_of_a_peer_has_its_session_and_its_routes(peer: str) -> None:
    found = answer(history, peer, "--since", "40m")["events"]
    assert [(it["kind"], it["what"]) for it in found] == [("session", "down"), ("route", "removed")]
    assert found[1]["route"]["gateways"] == [{"via": "172.20.0.2", "device": "eth1", "weight": 1, "onlink": False}]


def test_history_keeps_the_newest_within_its_limit_and_says_so() -> None:
    found = answer(history, "--limit", "1")
    assert found["truncated"] and [it["what"] for it in found["events"]] == ["removed"]


def test_history_wants_its_times_in_order_and_a_subject_that_is_one() -> None:
    for words in (("--since", "1m", "--until", "1h"), ("10.65.300.0/24",), ("10.65.300.1",)):
        with pytest.raises(Usage):
            run(history, *words)


def test_diff_says_what_went_and_came_and_why() -> None:
    (found,) = answer(diff, "-40m", "now", "--node", "n1")["nodes"]
    assert [(it["after"]["prefix"], it["because"]) for it in found["added"]] == [
        ("10.65.0.2/32", "pod attached default/web")
    ]
    assert [(it["before"]["prefix"], it["because"]) for it in found["removed"]] == [
        ("10.65.2.0/26", "session down Mesh_n2: hold timer")
    ]
    assert [(it["before"]["state"], it["after"]["state"]) for it in found["sessions"]] == [("up", "down")]
    assert answer(diff, "5m ago", "--node", "n1")["nodes"][0] == {
        "node": "n1", "added": [], "removed": [], "changed": [], "sessions": [], "missing": [],
    }  # fmt: skip
    table = [line.split() for line in run(diff, "-40m").stdout.splitlines()]
    assert ["n1", "-", "10.65.2.0/26", "via", "172.20.0.2", "dev", "eth1"] in [words[:7] for words in table]


def test_diff_of_moments_in_the_wrong_order_is_wrong_usage() -> None:
    with pytest.raises(Usage, match="is later than"):
        run(diff, "now", "1h ago")


def test_a_daemon_that_was_stopped_is_named(tmp_path: Path) -> None:
    segments = Segments(tmp_path / "state" / "history" / "birdpy", 1 << 20)
    segments.begin(NOW - 60)
    segments.append(encoded([Event(time=NOW - 60, kind="daemon", what="stopped")]))
    segments.close()
    assert answer(routes, "--at", f"{NOW - 10}")["stopped"] == ["birdpy"]
    assert answer(routes, "--at", f"{NOW - 120}")["stopped"] == []
