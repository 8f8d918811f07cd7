"""One node and one prefix, as the page tells them."""

from felixpy.insight.view import NodeView
from felixpy.model.addresses import parse_prefix
from felixpy.model.status import RibStatus
from felixpy.ui.shape import picture
from felixpy.ui.stories import MOST, Announcer, node_story, prefix_story
from tests.ui_world import NOW, peer, racked, rib, routes, with_peers

VIEW = racked(4, 2, switches=1)
DRAWN = picture(VIEW, None, "paper", NOW)


def node(count: int) -> NodeView:
    base = VIEW.nodes["n0"]
    return NodeView("n0", None, base.endpoints, routes("n0", count), base.peers, base.health)


def test_a_route_says_who_decided_since_when_and_why_it_is_not_in_the_kernel() -> None:
    story = node_story(node(5), DRAWN, "")
    row = story.routes[3]
    assert (row.prefix, row.decided_by, row.since) == ("10.65.3.0/24", "only path", NOW - 60)
    assert (row.kernel, row.why) == ("no", "the next hop is not resolved")
    assert story.routes[0].kernel == "yes" and story.total == 5
    assert [(it.peer, it.state) for it in story.sessions] == [("172.21.0.1", "up")]
    assert len(story.endpoints) == 4


def test_of_many_routes_some_are_shown_and_all_are_counted_and_found() -> None:
    story = node_story(node(MOST + 40), DRAWN, "")
    assert (len(story.routes), story.total) == (MOST, MOST + 40)
    found = node_story(node(MOST + 40), DRAWN, "10.67.7.0 MESH")
    assert [it.prefix for it in found.routes] == ["10.67.7.0/24"]


def test_a_node_that_is_silent_still_has_a_story() -> None:
    story = node_story(NodeView("n9", why={"birdpy": "gone"}), DRAWN, "")
    assert (story.routes, story.sessions, story.missing) == ((), (), {"birdpy": "gone"})


def prefix_of(
    text: str, ribs: dict[str, RibStatus]
) -> tuple[tuple[Announcer, ...], tuple[str, ...], tuple[str, ...]]:
    story = prefix_story(parse_prefix(text), ribs, DRAWN, {})
    return story.announcers, story.spots, story.lines


def test_a_prefix_has_its_owner_who_passes_it_on_and_the_lines_it_won_by() -> None:
    ribs = {
        "n0": rib("10.65.0.0/24", (None, True), ("172.21.0.1", False)),
        "n1": rib("10.65.0.0/24", ("172.21.0.1", True)),
    }
    announcers, spots, lines = prefix_of("10.65.0.0/24", ribs)
    assert announcers == (
        Announcer(id="n0", own=True, prefix="10.65.0.0/24", to=()),
        Announcer(id="172.21.0.1", own=False, prefix="10.65.0.0/24", to=("n0", "n1")),
    )
    assert spots == ("172.21.0.1", "n0", "n1")
    assert lines == ("cable:172.21.0.1|n1|0",)


def test_an_address_is_answered_by_what_covers_it_and_by_nothing_else() -> None:
    ribs = {"n0": rib("10.65.0.0/24", (None, True)), "n1": rib("10.66.0.0/24", (None, True))}
    story = prefix_story(parse_prefix("10.65.0.7"), ribs, DRAWN, {})
    assert [(it.node, it.prefix) for it in story.nodes] == [("n0", "10.65.0.0/24")]
    assert prefix_of("192.0.2.0/24", ribs) == ((), (), ())


def test_a_peer_that_is_no_box_keeps_its_address() -> None:
    lone = with_peers(VIEW.nodes["n0"], [peer("10.65.0.1", "local")])
    story = node_story(lone, DRAWN, "")
    assert [(it.address, it.peer) for it in story.sessions] == [("10.65.0.1", "")]
