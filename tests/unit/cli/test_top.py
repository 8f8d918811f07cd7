"""One line of `felixpy top` for a node, also for one that says nothing."""

from felixpy.cli.top import node_line
from felixpy.insight.view import NodeView
from tests.network_view import segment


def test_a_node_that_says_nothing_is_silent_and_nothing_is_made_up() -> None:
    line = node_line(NodeView("n1"))
    assert (line.felixpy, line.birdpy, line.sessions, line.pods, line.routes) == (
        "silent",
        "silent",
        None,
        None,
        None,
    )


def test_sessions_and_pods_are_counted_with_those_that_are_up() -> None:
    line = node_line(segment(3, pods=2).nodes["n0"])
    assert (line.sessions_up, line.sessions, line.pods_up, line.pods) == (2, 2, 2, 2)
