"""Each round decides what it should, and says so."""

from ipaddress import ip_address
from typing import Any

import pytest

from birdpy.rib.best_path import EQUAL_COST, ONLY, TIE_BREAK, Candidate, Preferences, best_path, reachable
from birdpy.rib.next_hops import Resolution, Resolved, Unresolved
from birdpy.rib.path import OriginCode, Path
from tests.unit.birdpy.builders import attributes, path


def offer(distance: int = 0, failing: str = "", **fields: Any) -> Candidate:
    return Candidate(path(**fields), Resolved((), (), distance, failing))


def own(**fields: Any) -> Candidate:
    return Candidate(path(next_hop=None, source="local", session="", peer=None, peer_id=0, **fields))


PAIRS: list[tuple[str, Candidate, Candidate]] = [
    (
        "next hop in order",
        offer(attributes=attributes(local_pref=1), session="a"),
        offer(failing="eth0 is down", attributes=attributes(local_pref=900), session="b"),
    ),
    (
        "highest local preference",
        offer(attributes=attributes(1, 2, 3, local_pref=200), session="a"),
        offer(attributes=attributes(1), session="b"),
    ),
    ("locally originated", own(attributes=attributes(local_pref=100)), offer(session="b")),
    (
        "shortest AS path",
        offer(attributes=attributes(1, 2, med=9), session="a"),
        offer(attributes=attributes(1, 2, as_sets=(frozenset({3, 4}),)), session="b"),
    ),
    (
        "lowest origin",
        offer(attributes=attributes(1, origin=OriginCode.EGP, med=9), session="a"),
        offer(attributes=attributes(1, origin=OriginCode.INCOMPLETE), session="b"),
    ),
    (
        "lowest MED",
        offer(attributes=attributes(1), session="a"),
        offer(attributes=attributes(1, med=1), session="b", external=True),
    ),
    (
        "external over internal",
        offer(attributes=attributes(1), session="a", external=True, distance=3),
        offer(attributes=attributes(2), session="b"),
    ),
    ("nearest next hop", offer(session="b", peer_id=9), offer(session="a", peer_id=1, distance=1)),
    (
        "lowest BGP identifier",
        offer(session="b", peer_id=99, attributes=attributes(originator_id=ip_address("0.0.0.1"))),
        offer(session="a", peer_id=2),
    ),
    (
        "shortest cluster list",
        offer(session="b", attributes=attributes(cluster_list=(ip_address("1.1.1.1"),))),
        offer(session="a", attributes=attributes(cluster_list=(ip_address("1.1.1.1"), ip_address("2.2.2.2")))),
    ),
    (
        "lowest peer address",
        offer(session="b", peer=ip_address("10.0.0.2")),
        offer(session="a", peer=ip_address("10.0.0.10")),
    ),
    ("lowest session name and path id", offer(session="a", path_id=1), offer(session="a", path_id=2)),
]


@pytest.mark.parametrize(("round_", "better", "worse"), PAIRS, ids=[p[0] for p in PAIRS])
def test_the_round_that_decides_is_named(round_: str, better: Candidate, worse: Candidate) -> None:
    for order in ([better, worse], [worse, better]):
        choice = best_path(order)
        assert choice is not None
        assert (choice.best, choice.because) == (better.path, round_)


def test_every_round_has_a_pair_above() -> None:
    assert [step.because for step in (*EQUAL_COST, *TIE_BREAK)] == [pair[0] for pair in PAIRS]


def test_nothing_is_chosen_from_nothing_and_one_needs_no_round() -> None:
    assert best_path([]) is None
    only = offer()
    choice = best_path([only])
    assert choice is not None
    assert (choice.best, choice.because, choice.multipath) == (only.path, ONLY, (only.path,))


def test_med_does_not_compare_across_neighbouring_ases() -> None:
    dear = offer(attributes=attributes(1, med=500), session="a", peer_id=1)
    cheap = offer(attributes=attributes(2, med=1), session="b", peer_id=2)
    choice = best_path([cheap, dear])
    assert choice is not None
    assert (choice.best, choice.because) == (dear.path, "lowest BGP identifier")


def test_equal_paths_share_the_load_and_a_longer_one_does_not() -> None:
    first = offer(attributes=attributes(1, 7), session="a", peer_id=1)
    second = offer(attributes=attributes(2, 7), session="b", peer_id=2)
    longer = offer(attributes=attributes(1, 2, 7), session="c", peer_id=3)
    relaxed = best_path([longer, second, first])
    strict = best_path([longer, second, first], Preferences(relaxed_as_path=False))
    assert relaxed is not None and strict is not None
    assert relaxed.multipath == (first.path, second.path)
    assert strict.multipath == (first.path,)


def test_no_more_paths_share_than_are_allowed() -> None:
    many = [offer(session=str(n), peer_id=n) for n in range(9)]
    choice = best_path(many, Preferences(max_paths=3))
    assert choice is not None
    assert [p.peer_id for p in choice.multipath] == [0, 1, 2]


def test_our_own_path_shares_with_nobody() -> None:
    mine = own(attributes=attributes(local_pref=100))
    choice = best_path([offer(attributes=attributes(local_pref=100)), mine])
    assert choice is not None
    assert choice.multipath == (mine.path,)


def test_the_oldest_external_path_stays_when_asked_for() -> None:
    old = offer(session="b", peer_id=9, external=True, since=1.0)
    new = offer(session="a", peer_id=1, external=True, since=2.0)
    kept = best_path([new, old], Preferences(prefer_oldest=True))
    moved = best_path([new, old])
    inside = best_path([offer(session="a", peer_id=1, since=2.0), offer(session="b", peer_id=9, since=1.0)],
                       Preferences(prefer_oldest=True))  # fmt: skip
    assert kept is not None and moved is not None and inside is not None
    assert (kept.best, kept.because) == (old.path, "oldest external path")
    assert moved.best == new.path
    assert inside.best.session == "a"


def test_a_path_without_a_way_is_no_candidate() -> None:
    near, far, mine = path(session="a"), path(session="b", next_hop="10.9.9.9"), own().path

    def way(asked: Path) -> Resolution:
        return Resolved((), ()) if asked == near else Unresolved("no route")

    found = reachable([near, far, mine], way)
    assert [candidate.path for candidate in found] == [near, mine]
