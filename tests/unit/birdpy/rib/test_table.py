"""Paths come, change, go, and are kept for a peer that restarts."""

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

from msgspec import structs

from birdpy.policy.session import Session
from birdpy.rib.events import Reach, Unreach, Update
from birdpy.rib.path import Attributes, Path
from birdpy.rib.table import Applied, Rib, Sender
from birdpy.rib.verdict import Accepted, Rejected, Verdict
from felixpy.model.addresses import Prefix
from tests.unit.birdpy.builders import attributes, path, session

A, B, C, SIX = (ip_network(p) for p in ("10.1.0.0/24", "10.2.0.0/24", "10.3.0.0/24", "fd65::/64"))
N2, N3 = session("10.0.0.2"), session("10.0.0.3")


def take(one: Path) -> Verdict:
    return Accepted(one, "by default", one)


def refuse(one: Path) -> Verdict:
    return Rejected(one, "no")


def said(
    over: Session, *prefixes: Prefix, gone: Iterable[Prefix] = (), shared: Attributes | None = None, path_id: int = 0
) -> Update:
    return Update(
        over.address,
        tuple(Reach(prefix, over.address, path_id) for prefix in prefixes),
        tuple(Unreach(prefix, path_id) for prefix in gone),
        shared or attributes(1),
    )


def heard(rib: Rib, over: Session, *prefixes: Prefix, judge: Any = take, now: float = 1.0, **more: Any) -> Applied:
    return rib.apply(said(over, *prefixes, **more), Sender(over, 7, now), judge)


def test_a_path_is_held_with_who_sent_it() -> None:
    rib = Rib()
    assert heard(rib, N2, A) == Applied({A})
    (held,) = rib.candidates(A)
    assert held == Path(A, N2.address, attributes(1), "bgp", N2.name, N2.address, 7, False, 0, 1.0)
    assert (len(rib), list(rib), rib.counts(N2.name)) == (1, [A], (1, 1))


def test_the_same_again_touches_nothing_and_keeps_its_age() -> None:
    rib = Rib()
    heard(rib, N2, A)
    assert heard(rib, N2, A, now=9.0) == Applied(set())
    assert rib.candidates(A)[0].since == 1.0


def test_other_attributes_replace_the_path() -> None:
    rib = Rib()
    heard(rib, N2, A)
    assert heard(rib, N2, A, shared=attributes(2), now=9.0) == Applied({A})
    assert [(p.attributes, p.since) for p in rib.candidates(A)] == [(attributes(2), 9.0)]
    assert rib.counts(N2.name) == (1, 1)


def test_two_sessions_have_a_path_each_and_add_path_ids_too() -> None:
    rib = Rib()
    heard(rib, N2, A)
    heard(rib, N3, A)
    heard(rib, N3, A, path_id=5)
    assert {p.key for p in rib.candidates(A)} == {(N2.name, 0), (N3.name, 0), (N3.name, 5)}
    assert heard(rib, N3, gone=[A], path_id=5) == Applied({A})
    assert rib.prefixes(N3.name) == {A}
    assert heard(rib, N3, gone=[A]) == Applied({A})
    assert rib.prefixes(N3.name) == frozenset()
    assert rib.counts(N3.name) == (0, 0)
    assert len(rib.candidates(A)) == 1


def test_withdrawing_what_was_never_announced_touches_nothing() -> None:
    rib = Rib()
    assert heard(rib, N2, gone=[A]) == Applied(set())
    heard(rib, N3, A)
    assert heard(rib, N2, gone=[A]) == Applied(set())


def test_withdrawn_and_announced_in_one_update_is_announced() -> None:
    rib = Rib()
    heard(rib, N2, A)
    assert heard(rib, N2, A, gone=[A], shared=attributes(3)) == Applied({A})
    assert len(rib.candidates(A)) == 1


def test_a_refused_path_is_kept_to_be_shown_and_never_chosen() -> None:
    rib = Rib()
    heard(rib, N2, A, judge=refuse)
    assert rib.candidates(A) == []
    assert [v.received.session for v in rib.held(A)] == [N2.name]
    assert rib.counts(N2.name) == (1, 0)
    assert rib.held(B) == ()


def test_above_the_limit_the_surplus_is_not_taken_and_the_rest_stays() -> None:
    rib = Rib()
    strict = replace(N2, max_prefix=2)
    assert heard(rib, strict, A, B, C, SIX) == Applied({A, B}, surplus=2)
    assert heard(rib, strict, A, C, shared=attributes(2)) == Applied({A}, surplus=1)
    assert rib.prefixes(N2.name) == {A, B}


def test_a_lost_session_loses_its_paths_and_no_others() -> None:
    rib = Rib()
    heard(rib, N2, A, B)
    heard(rib, N3, A)
    assert rib.lost(N2.name) == {A, B}
    assert list(rib) == [A] and rib.counts(N2.name) == (0, 0)
    assert rib.lost("nobody") == set()


def test_a_restarting_peers_paths_stay_until_they_are_swept() -> None:
    rib = Rib()
    heard(rib, N2, A, B, SIX)
    assert rib.lost(N2.name, keep=[4]) == {SIX}
    assert rib.stale(N2.name) == {(A, 0), (B, 0)}
    assert len(rib.candidates(A)) == 1
    assert heard(rib, N2, A, now=5.0) == Applied(set())
    assert rib.stale(N2.name) == {(B, 0)}
    assert rib.sweep(N2.name, [6]) == set()
    assert rib.sweep(N2.name, [4]) == {B}
    assert (list(rib), rib.stale(N2.name)) == ([A], frozenset())
    assert rib.sweep(N2.name) == set()


def test_a_stale_path_that_is_withdrawn_is_gone() -> None:
    rib = Rib()
    heard(rib, N2, A, B)
    rib.lost(N2.name, keep=[4])
    assert heard(rib, N2, gone=[A]) == Applied({A})
    assert rib.stale(N2.name) == {(B, 0)}


def test_what_is_stale_at_a_second_loss_goes() -> None:
    rib = Rib()
    heard(rib, N2, A, B)
    rib.lost(N2.name, keep=[4])
    heard(rib, N2, A)
    assert rib.lost(N2.name, keep=[4]) == {B}
    assert rib.stale(N2.name) == {(A, 0)}


def test_a_changed_policy_judges_what_was_received() -> None:
    rib = Rib()
    heard(rib, N2, A, B)
    heard(rib, N3, A)
    assert rib.judge_again(N2.name, take) == set()

    def louder(one: Path) -> Verdict:
        changed = structs.replace(one, attributes=structs.replace(one.attributes, local_pref=900))
        return Accepted(changed, "filter", one)

    assert rib.judge_again(N2.name, louder) == {A, B}
    assert sorted(p.preference for p in rib.candidates(A)) == [100, 900]
    assert rib.judge_again(N2.name, refuse, [B]) == {B}
    assert rib.counts(N2.name) == (2, 1)
    assert rib.judge_again(N2.name, take) == {A, B}
    assert [p.preference for p in rib.candidates(B)] == [100]


def test_our_own_paths_are_replaced_as_a_whole() -> None:
    rib = Rib()
    own = {p: path(str(p), None, source="local", session="", peer=None, peer_id=0) for p in (A, B)}
    assert rib.replace_local(own) == {A, B}
    assert rib.replace_local(own) == set()
    heard(rib, N2, B)
    assert rib.replace_local({A: structs.replace(own[A], attributes=attributes(local_pref=1))}) == {A, B}
    assert [p.session for p in rib.candidates(B)] == [N2.name]
    assert ip_address("10.0.0.2") == rib.candidates(B)[0].next_hop


def test_a_new_router_id_of_the_peer_is_a_change() -> None:
    rib = Rib()
    heard(rib, N2, A)
    assert rib.apply(said(N2, A), Sender(N2, 8, 2.0), take).touched == {A}


def test_the_limit_counts_paths_so_that_ids_do_not_get_round_it() -> None:
    rib = Rib()
    strict = replace(N2, max_prefix=2)
    assert heard(rib, strict, A, path_id=1) == Applied({A})
    assert heard(rib, strict, A, path_id=2) == Applied({A})
    assert heard(rib, strict, A, path_id=3) == Applied(set(), surplus=1)
    assert heard(rib, strict, A, path_id=2, shared=attributes(9)) == Applied({A})
    assert (rib.paths(N2.name), rib.counts(N2.name)) == (2, (1, 2))
    heard(rib, strict, gone=[A], path_id=1)
    assert rib.paths(N2.name) == 1
