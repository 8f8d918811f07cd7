"""Choices follow the table and the kernel, and nothing else."""

from ipaddress import ip_address, ip_network
from typing import Any

from birdpy.rib.best_path import Preferences
from birdpy.rib.next_hops import Ground, Resolved, Unresolved, resolve
from birdpy.rib.path import Path
from birdpy.rib.selection import Selection
from birdpy.rib.table import Rib
from birdpy.rib.verdict import Accepted
from felixpy.model.routes import Device
from tests.unit.birdpy.builders import attributes, path, routes, way

LAN = way("10.0.0.0/24")
P, Q = ip_network("10.1.0.0/16"), ip_network("10.2.0.0/16")


def table(*paths: Path) -> Rib:
    rib = Rib()
    for one in paths:
        rib.put(Accepted(one, "ok", one))
    return rib


def selection(rib: Rib, *ways: Any, **trouble: Any) -> Selection:
    made = Selection(rib, Ground(routes(*ways), **trouble))
    made.update(rib)
    return made


def test_a_path_that_is_only_reachable_by_a_worse_one_is_not_chosen() -> None:
    """With one look-up per next hop this oscillates for ever: chosen, it takes away its own ground."""
    ground = path("10.1.0.0/16", "10.0.0.2", session="a", attributes=attributes(1, 2))
    tempting = path("10.1.0.0/16", "10.1.0.1", session="b", attributes=attributes(1))
    found = selection(table(ground, tempting), LAN).choice(P)
    assert found is not None
    assert (found.best, found.because) == (ground, "only path")


def test_nor_by_a_round_about_way() -> None:
    ground = path("10.1.0.0/16", "10.0.0.2", session="a", attributes=attributes(1, 2))
    tempting = path("10.1.0.0/16", "10.2.0.1", session="b", attributes=attributes(1))
    back = path("10.2.0.0/16", "10.1.0.1")
    chosen = selection(table(ground, tempting, back), LAN)
    assert chosen.choices[P].best == ground
    assert chosen.choices[Q].best == back
    leaning = chosen.way(back)
    assert isinstance(leaning, Resolved) and leaning.through == (P, LAN.prefix)


def test_own_paths_lead_nowhere_and_are_chosen() -> None:
    own = path("10.1.0.0/16", None, source="local", session="", peer=None)
    chosen = selection(table(own, path("10.2.0.0/16", "10.1.0.1")), LAN)
    assert chosen.choices[P].best == own
    assert Q not in chosen.choices


def test_an_address_that_is_no_next_hop_is_resolved_when_asked() -> None:
    chosen = selection(table(path("10.1.0.0/16")), LAN)
    near, far = chosen.way(ip_address("10.0.0.77")), chosen.way(ip_address("10.1.0.77"))
    assert isinstance(near, Resolved) and near.distance == 0
    assert isinstance(far, Resolved) and far.through[0] == P
    assert isinstance(chosen.way(ip_address("10.9.0.1")), Unresolved)
    stranger = chosen.way(path("10.3.0.0/16", "10.1.0.9"))
    assert isinstance(stranger, Resolved) and stranger.through[0] == P


def test_without_bgp_only_the_kernel_answers() -> None:
    assert isinstance(resolve(ip_address("10.1.0.1"), Ground(routes(LAN))), Unresolved)


def test_a_neighbour_that_fails_hands_over_to_the_other_path() -> None:
    both = (path(str(P), "10.0.0.2", session="a"), path(str(P), "10.0.0.3", session="b", attributes=attributes(1)))
    chosen = selection(table(*both), LAN)
    assert str(chosen.choices[P].best.next_hop) == "10.0.0.2"
    failed = Ground(routes(LAN), failed={(ip_address("10.0.0.2"), Device("eth0"))})
    assert chosen.on(failed) == {P}
    assert chosen.choices[P].because == "next hop in order"
    assert str(chosen.choices[P].best.next_hop) == "10.0.0.3"
    assert chosen.on(failed) == set()
    assert chosen.on(Ground(routes(LAN))) == {P}
    assert str(chosen.choices[P].best.next_hop) == "10.0.0.2"


def test_a_next_hop_may_lose_and_find_the_kernels_own_route() -> None:
    chosen = selection(table(path(str(P)), path(str(Q), "10.1.0.1")), LAN)
    direct = routes(LAN, way("10.1.0.0/24", "eth1"))
    assert chosen.on(Ground(direct)) == {Q}
    firm = chosen.way(chosen.choices[Q].best)
    assert isinstance(firm, Resolved) and firm.hops[0].device == "eth1"
    assert chosen.on(Ground(routes(LAN))) == {Q}
    soft = chosen.way(chosen.choices[Q].best)
    assert isinstance(soft, Resolved) and soft.hops[0].device == "eth0"
    assert chosen.on(Ground(routes())) == {P, Q}
    assert chosen.choices == {}


def test_two_prefixes_may_share_a_next_hop_that_leans() -> None:
    rib = table(path(str(P)), path(str(Q), "10.1.0.1"), path("10.3.0.0/16", "10.1.0.1"))
    chosen = selection(rib, LAN)
    assert len(chosen.choices) == 3
    assert chosen.update(rib.lost("Node_10_0_0_2")) == {P, Q, ip_network("10.3.0.0/16")}
    assert chosen.choice(P) is None


def test_preferences_are_the_routers() -> None:
    rib = table(path(session="a", attributes=attributes(1)), path(session="b", attributes=attributes(2)))
    strict = Selection(rib, Ground(routes(LAN)), Preferences(relaxed_as_path=False))
    strict.update(rib)
    assert len(next(iter(strict.choices.values())).multipath) == 1


def test_many_different_offers_do_not_fill_the_memory() -> None:
    offers = [
        path(f"10.{n >> 8}.{n & 255}.0/24", session=one, attributes=attributes(n + 1))
        for n in range(1100)
        for one in ("a", "b")
    ]
    chosen = selection(table(*offers), LAN)
    assert len(chosen.choices) == 1100
    assert all(choice.best.session == "a" for choice in chosen.choices.values())


def test_the_oldest_path_is_found_for_each_prefix_alone() -> None:
    shared = attributes(1)

    def offer(prefix: str, name: str, since: float) -> Path:
        return path(prefix, session=name, attributes=shared, external=True, since=since)

    rib = table(
        offer("10.1.0.0/16", "a", 1.0), offer("10.1.0.0/16", "b", 2.0),
        offer("10.2.0.0/16", "a", 2.0), offer("10.2.0.0/16", "b", 1.0),
    )  # fmt: skip
    chosen = Selection(rib, Ground(routes(LAN)), Preferences(prefer_oldest=True))
    chosen.update(rib)
    assert (chosen.choices[P].best.session, chosen.choices[Q].best.session) == ("a", "b")


def test_a_chain_of_routes_moves_as_far_as_routes_may_lean() -> None:
    chain = [path("10.1.0.0/16", "10.0.0.2", session="s1")]
    chain += [path(f"10.{n}.0.0/16", f"10.{n - 1}.0.1", session=f"s{n}") for n in range(2, 9)]
    rib = table(*chain)
    chosen = selection(rib, LAN)
    assert sorted(str(prefix) for prefix in chosen.choices) == [f"10.{n}.0.0/16" for n in range(1, 6)]
    moved = chosen.update(rib.lost("s1"))
    assert {ip_network(f"10.{n}.0.0/16") for n in range(1, 6)} <= moved
    assert chosen.choices == {}


def test_prefixes_with_the_same_paths_share_the_decision_and_keep_their_own_choice() -> None:
    near, far = attributes(1), attributes(1, 2)
    rib = table(*(
        path(prefix, session=name, attributes=given)
        for prefix in (str(P), str(Q)) for name, given in (("a", far), ("b", near))
    ))  # fmt: skip
    chosen = selection(rib, LAN)
    assert {p: (c.best.prefix, c.best.session, c.because) for p, c in chosen.choices.items()} == {
        P: (P, "b", "shortest AS path"),
        Q: (Q, "b", "shortest AS path"),
    }


def test_of_two_next_hops_under_one_route_one_may_go() -> None:
    rib = table(path(str(P)), path(str(Q), "10.1.0.1", session="a"), path("10.3.0.0/16", "10.1.0.2", session="b"))
    chosen = selection(rib, LAN)
    assert chosen.update(rib.lost("a")) == {Q}
    assert chosen.update(rib.lost("Node_10_0_0_2")) == {P, ip_network("10.3.0.0/16")}


def test_ranked_paths_are_what_would_be_chosen_without_those_before_them() -> None:
    best = path("10.1.0.0/16", "10.0.0.2", session="a", attributes=attributes(1))
    next_best = path("10.1.0.0/16", "10.0.0.3", session="b", attributes=attributes(1, 2))
    last = path("10.1.0.0/16", "10.0.0.4", session="b", path_id=7, attributes=attributes(1, 2, 3))
    nowhere = path("10.1.0.0/16", "192.0.2.1", session="c", attributes=attributes(1))
    chosen = selection(table(last, nowhere, next_best, best), LAN)
    assert chosen.ranked(P, 9) == []  # nobody asked
    assert chosen.keep_offers(wanted=True) == {P}
    assert chosen.keep_offers(wanted=True) == set()
    assert chosen.ranked(P, 9) == [best, next_best, last]
    assert chosen.ranked(P, 2) == [best, next_best]
    assert chosen.ranked(Q, 2) == []


def test_a_path_that_is_not_chosen_counts_as_a_change_where_several_are_told() -> None:
    best = path("10.1.0.0/16", "10.0.0.2", session="a", attributes=attributes(1))
    worse = path("10.1.0.0/16", "10.0.0.3", session="b", attributes=attributes(1, 2))
    worst = path("10.1.0.0/16", "10.9.0.2", session="c", attributes=attributes(1, 2, 3))
    rib = table(best, worse)
    chosen = selection(rib, LAN, way("10.9.0.0/24", "eth1"))
    rib.put(Accepted(worst, "ok", worst))
    assert chosen.update([P]) == set()
    chosen.keep_offers(wanted=True)
    assert chosen.ranked(P, 9) == [best, worse, worst]
    assert chosen.on(Ground(routes(LAN))) == {P}  # the way of the worst one is gone
    assert chosen.ranked(P, 9) == [best, worse]
    rib.lost("b")
    assert chosen.update([P]) == {P}
    assert chosen.ranked(P, 9) == [best]
    chosen.keep_offers(wanted=False)
    assert chosen.ranked(P, 9) == []
