"""The picture's places, whatever the network: nothing overlaps, nothing is lost, racks hold their own."""

from itertools import combinations, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from felixpy.ui.cast import Actor, Cable, Cast
from felixpy.ui.places import places
from felixpy.ui.wiring import runs


@st.composite
def casts(draw: st.DrawFn) -> Cast:
    """Up to four tiers; the lowest in racks; cables from anybody to anybody below."""
    sizes = draw(st.lists(st.integers(1, 9), min_size=1, max_size=3))
    sizes.append(draw(st.integers(1, 60)))
    racks = draw(st.integers(1, 6))
    actors = [
        Actor(f"{tier}.{at}", f"{tier}.{at}", "node", "", tier, f"r{at % racks}" if tier == len(sizes) - 1 else "")
        for tier, size in enumerate(sizes)
        for at in range(size)
    ]
    pairs = [(one, other) for one, other in combinations(actors, 2) if one.tier < other.tier]
    wired = draw(st.lists(st.sampled_from(pairs), max_size=40, unique=True)) if pairs else []
    return Cast("x", tuple(actors), tuple(Cable(one.id, other.id) for one, other in wired))


@given(casts())
@settings(max_examples=60)
def test_every_box_has_a_place_and_no_two_overlap(cast: Cast) -> None:
    found = places(cast)
    assert set(found.spots) == {it.id for it in cast.actors}
    for (_, (x1, y1)), (_, (x2, y2)) in combinations(found.spots.items(), 2):
        assert abs(x1 - x2) >= found.size.width or abs(y1 - y2) >= found.size.height
    for one, other in combinations(found.racks, 2):
        apart = one.x + one.width <= other.x or other.x + other.width <= one.x
        assert apart or one.y + one.height <= other.y or other.y + other.height <= one.y


@given(casts())
@settings(max_examples=40)
def test_a_rack_holds_its_members_and_its_cables_run_between_the_boxes(cast: Cast) -> None:
    found = places(cast)
    frames = {rack.name: rack for rack in found.racks}
    lowest = max(it.tier for it in cast.actors)
    for actor in cast.actors:
        if actor.tier == lowest:
            (x, y), rack = found.spots[actor.id], frames[actor.rack]
            assert rack.x <= x - found.size.width / 2 and x + found.size.width / 2 <= rack.x + rack.width
            assert rack.y <= y - found.size.height / 2 and y + found.size.height / 2 <= rack.y + rack.height
    for (head, _), run in runs(found).items():
        points = [found.spots[head], *run.corners]
        for (x1, y1), (x2, y2) in pairwise(points):
            behind = [
                name for name, (x, y) in found.spots.items()
                if min(x1, x2) < x + found.size.width / 2 and max(x1, x2) > x - found.size.width / 2
                and min(y1, y2) < y + found.size.height / 2 and max(y1, y2) > y - found.size.height / 2
            ]  # fmt: skip
            assert behind in ([], [head])
