"""A trace as it is drawn, from the same `trace` that the command line prints."""

from felixpy.insight.trace import places, trace
from felixpy.insight.view import NetworkView
from felixpy.model.addresses import parse_address
from felixpy.ui.picture import Line, Picture, Spot
from felixpy.ui.way import Way, way
from tests.network_view import block, changed, pod, segment


def spot(name: str) -> Spot:
    return Spot(id=name, name=name, label=name, role="node", runs="", rack="", x=0, y=0, width=1, height=1)


def line(one: str, other: str, *, cable: bool = True) -> Line:
    return Line(id=f"{one}-{other}", source=one, target=other, cable=cable)


def shown(*lines: Line) -> Picture:
    names = sorted({name for it in lines for name in (it.source, it.target)})
    return Picture(name="x", taken=0.0, spots=tuple(map(spot, names)), lines=lines)


STAR = shown(line("tor", "n0"), line("tor", "n1"), line("tor", "n2"), line("n0", "n1", cable=False))


def traced(view: NetworkView, drawn: Picture) -> Way:
    ends = [places(view, parse_address(pod(number, 0))) for number in (0, 1)]
    return way(trace(view, *ends), drawn)


def test_a_way_goes_over_the_switch_between_two_nodes() -> None:
    found = traced(segment(3), STAR)
    assert (found.spots, found.lines, found.failed_at) == (("n0", "tor", "n1"), ("tor-n0", "tor-n1"), "")


def test_without_a_cable_it_takes_the_sessions_line() -> None:
    found = traced(segment(3), shown(line("n0", "n1", cable=False), line("n1", "n2", cable=False)))
    assert (found.spots, found.lines) == (("n0", "n1"), ("n0-n1",))


def test_it_ends_where_the_trace_fails() -> None:
    found = traced(changed(segment(3), "n0", without=[block(1)]), STAR)
    assert (found.spots, found.lines, found.failed_at) == (("n0",), (), "n0")


def test_a_far_node_that_fails_is_the_one_that_is_marked() -> None:
    found = traced(changed(segment(3), "n1", without=[f"{pod(1, 0)}/32"]), STAR)
    assert (found.spots[-1], found.failed_at) == ("n1", "n1")


def test_an_address_that_nobody_holds_is_no_way() -> None:
    view = segment(2)
    ends = [places(view, parse_address(it)) for it in ("192.0.2.1", pod(1, 0))]
    found = way(trace(view, *ends), STAR)
    assert (found.spots, found.lines, found.trace.arrives) == ((), (), False)
