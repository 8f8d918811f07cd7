"""The network as it was, from the nodes' logs."""

from msgspec.structs import replace

from felixpy.insight.view import NetworkView, NodeView
from felixpy.model.facts import NodeFacts
from felixpy.ui.shape import picture
from felixpy.ui.stories import node_story
from felixpy.ui.then import as_it_was
from tests.ui_world import NOW, before, changed, racked

VIEW = racked(3, 3, switches=1)
AT = NOW - 50


def then(view: NetworkView = VIEW, *lost: str, stopped: tuple[str, ...] = ()) -> NetworkView:
    logs = {name: replace(before(it, AT), stopped=stopped) for name, it in view.nodes.items() if name not in lost}
    return as_it_was(view, logs, dict.fromkeys(lost, "the disk was full"))


def test_sessions_and_pods_are_as_they_were_and_everybody_stands_where_he_stands_now() -> None:
    now, past = picture(VIEW, None, "x", NOW), picture(then(), None, "x", AT)
    assert [(it.id, it.x, it.y, it.runs) for it in past.spots] == [(it.id, it.x, it.y, it.runs) for it in now.spots]
    assert {it.state for it in past.lines} == {"down"} and (past.sessions, past.up) == (3, 0)
    assert {it.pods for it in past.spots if it.role == "node"} == {1}
    assert {(it.type, it.asn, it.reason) for it in past.troubled} == {("node", 65001, "it was dark")}


def test_a_node_whose_log_is_lost_is_silent_and_says_why() -> None:
    past = picture(then(VIEW, "n2"), None, "x", AT)
    assert next((it.state, it.trouble) for it in past.spots if it.id == "n2") == ("silent", "the disk was full")


def test_a_daemon_that_did_not_run_then_is_said() -> None:
    past = picture(then(stopped=("birdpy",)), None, "x", AT)
    assert {(it.state, it.trouble) for it in past.spots if it.role == "node"} == {
        ("trouble", "birdpy does not answer")
    }
    assert past.missing["n0 birdpy"] == "it did not run then: shown is what it had left"


def test_a_session_that_is_no_more_is_shown_as_the_log_has_it() -> None:
    log = before(VIEW.nodes["n0"], AT)
    old = replace(log.sessions[0], name="Mesh_9", address="172.20.9.9", state="up")
    gone = as_it_was(VIEW, {"n0": replace(log, sessions=(old,))}, {}).nodes["n0"].peers
    assert gone is not None
    assert [(it.type, it.address, it.state) for it in gone.peers] == [("mesh", "172.20.9.9", "established")]


def test_a_session_that_was_held_down_is_told_from_one_that_was_down() -> None:
    log = before(VIEW.nodes["n0"], AT)
    held = replace(log.sessions[0], state="held down", reason="no Secret")
    view = as_it_was(VIEW, {"n0": replace(log, sessions=(held,))}, {})
    assert [it.state for it in picture(view, None, "x", AT).lines] == ["held"]


def test_what_runs_none_of_our_daemons_has_no_log_to_miss() -> None:
    facts = NodeFacts(node="tor", taken=NOW, links=(), routes=(), addresses=())
    view = as_it_was(changed(VIEW, NodeView("tor", facts)), {}, {})
    assert (view.nodes["tor"].why, view.nodes["n0"].why) == ({}, {"history": "nobody asked its log"})


def test_a_route_of_then_says_since_when_and_because_of_what() -> None:
    story = node_story(then().nodes["n1"], picture(VIEW, None, "x", NOW), "")
    assert [(it.prefix, it.origin, it.since, it.why) for it in story.routes] == [
        ("10.65.0.9/32", "pod default/old", AT - 7, "the pod came"),
    ]  # fmt: skip
    assert [it.pod for it in story.endpoints] == ["default/old"]
