"""What a browser is told when something changed."""

from felixpy.ui.picture import Changes, changes
from felixpy.ui.shape import picture
from tests.ui_world import NOW, changed, meshed, racked, troubled, with_peers

FINE = picture(racked(6, 3), None, "paper", NOW)


def test_the_first_time_everything_is_told() -> None:
    assert changes(None, FINE).whole == FINE


def test_time_alone_is_nothing() -> None:
    assert changes(FINE, picture(racked(6, 3), None, "paper", NOW + 1)) == Changes(taken=NOW + 1)
    assert changes(FINE, picture(racked(6, 3), None, "paper", NOW + 1)).nothing


def test_only_boxes_and_lines_that_changed_are_told() -> None:
    news = changes(FINE, picture(troubled(racked(6, 3)), None, "paper", NOW + 1))
    assert news.whole is None and not news.nothing
    assert {it.id for it in news.spots} == {"n1", "n3", "n4", "n5"}
    assert {it.state for it in news.lines} == {"down", "held", "none"} or len(news.lines) == 2
    assert news.totals == (10, 8, 0)
    assert news.troubled is not None and len(news.troubled) == 2


def test_a_line_that_is_no_more_drawn_is_gone() -> None:
    view = meshed(40)
    ill, well = picture(troubled(view), None, "paper", NOW), picture(view, None, "paper", NOW)
    assert set(changes(ill, well).gone) == {it.id for it in ill.lines}


def test_another_node_means_a_whole_picture() -> None:
    assert changes(FINE, picture(racked(7, 3), None, "paper", NOW)).whole is not None


def test_a_session_that_went_away_for_good_takes_its_switch_along() -> None:
    view = racked(2, 2, switches=1)
    less = changed(view, *(with_peers(node, []) for node in view.nodes.values()))
    assert changes(picture(view, None, "x", NOW), picture(less, None, "x", NOW)).whole is not None
