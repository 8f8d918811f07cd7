"""What becomes of a peer's paths when its session changes: the helper's side of graceful restart."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from birdpy import peers
from birdpy.peers import Fate, Peer
from birdpy.policy.session import Session
from birdpy.rib.events import Down, Opened
from felixpy.model.addresses import Asn, Family

ADDRESS = ip_address("10.0.0.2")
OURS = Down(ADDRESS, "ExaBGP ended", ours=True)
BOTH: frozenset[Family] = frozenset({4, 6})


def peer(families: frozenset[Family] = frozenset({4})) -> Peer:
    session = Session("Mesh_10_0_0_2", ADDRESS, 179, Asn(64512), Asn(64512), None, families)
    return Peer(session, since=0.0)


def opened(seconds: int | None = 120, *, restarting: bool = False, kept: frozenset[Family] = BOTH) -> Opened:
    return Opened(ADDRESS, 1, 64512, 90, BOTH, seconds, restarting, kept)


def established(families: frozenset[Family] = frozenset({4}), seconds: int | None = 120) -> Peer:
    found = peer(families)
    found.opened = opened(seconds)
    peers.come_up(found, 10.0)
    return found


def test_a_peer_that_goes_silently_keeps_its_paths_for_its_restart_time() -> None:
    gone = established()
    assert peers.go_down(gone, Down(ADDRESS, "closing connection"), 20.0) is Fate.KEEP
    assert peers.overdue(gone, 139.0) == frozenset()
    assert peers.overdue(gone, 140.0) == {4}
    assert gone.awaiting == {}


def test_without_graceful_restart_the_paths_go_at_once() -> None:
    gone = established(seconds=None)
    assert peers.go_down(gone, Down(ADDRESS, "closing connection"), 20.0) is Fate.DROP


def test_a_peer_that_names_no_family_to_keep_only_helps_others() -> None:
    """FRR without `bgp graceful-restart` offers 120 s for no family."""
    gone = established(BOTH)
    gone.opened = replace(opened(), restartable=frozenset())
    assert peers.go_down(gone, Down(ADDRESS, "closing connection"), 20.0) is Fate.DROP


def test_only_the_families_that_it_names_are_kept() -> None:
    gone = established(BOTH)
    gone.opened = replace(opened(), restartable=frozenset({6}))
    assert peers.go_down(gone, Down(ADDRESS, "closing connection"), 20.0) is Fate.KEEP
    assert peers.overdue(gone, 20.0) == {4}
    assert gone.awaiting == {6: 140.0}


@pytest.mark.parametrize(
    ("reason", "fate"),
    [
        ("notification received (6,2)", Fate.DROP),
        ("notification received (4,0)", Fate.DROP),
        ("notification sent (4,0)", Fate.DROP),
        ("notification sent (3,10)", Fate.DROP),
        ("notification sent (6,3)", Fate.KEEP),
        ("stop, message [closing connection]", Fate.KEEP),
    ],
)
def test_a_goodbye_ends_the_paths_and_our_own_reconfiguration_does_not(reason: str, fate: Fate) -> None:
    assert peers.go_down(established(), Down(ADDRESS, reason), 20.0) is fate


def test_an_attempt_that_never_came_up_changes_nothing_but_the_last_error() -> None:
    gone = established()
    peers.go_down(gone, Down(ADDRESS, "closing connection"), 20.0)
    assert peers.go_down(gone, Down(ADDRESS, "connection refused"), 25.0) is Fate.KEEP
    assert gone.awaiting == {4: 140.0}
    assert gone.last_error == "connection refused"


def test_end_of_rib_sweeps_one_family_once() -> None:
    back = established(BOTH)
    peers.go_down(back, Down(ADDRESS, ""), 20.0)
    peers.come_up(back, 30.0)
    assert peers.end_of_rib(back, 4)
    assert not peers.end_of_rib(back, 4)
    assert set(back.awaiting) == {6}


def test_a_peer_that_lost_its_forwarding_state_loses_those_paths_when_it_is_back() -> None:
    back = established(BOTH)
    peers.go_down(back, Down(ADDRESS, ""), 20.0)
    back.opened = opened(restarting=True, kept=frozenset({4}))
    assert peers.come_up(back, 30.0) == {6}
    assert set(back.awaiting) == {4}


def test_the_death_of_our_own_exabgp_keeps_the_paths_of_every_peer() -> None:
    found = established(seconds=None)
    peers.go_down(found, OURS, 20.0)
    assert set(found.awaiting) == {4}
    assert peers.overdue(found, 20.0 + found.session.graceful_restart_s) == {4}


@pytest.mark.parametrize("before", [None, OURS])
def test_what_a_peer_says_of_its_own_restart_counts_only_when_the_peer_ended_the_session(before: Down | None) -> None:
    """FRR opens with R and no F long after its own start: our restart would cost its routes."""
    found = established() if before else peer()
    if before:
        peers.go_down(found, before, 20.0)
    else:
        peers.keep_for(found, 20.0, 120)
    found.opened = opened(restarting=True, kept=frozenset())
    assert peers.come_up(found, 30.0) == frozenset()
    assert set(found.awaiting) == {4}
    peers.go_down(found, Down(ADDRESS, ""), 40.0)
    assert peers.come_up(found, 50.0) == {4}


def test_a_second_death_before_the_peer_has_spoken_does_not_prolong_the_wait() -> None:
    found = established()
    peers.go_down(found, OURS, 20.0)
    peers.come_up(found, 90.0)
    peers.go_down(found, OURS, 100.0)
    assert found.awaiting == {4: 210.0}


def test_too_many_prefixes_keep_a_peer_away_longer_each_time_and_keep_its_paths() -> None:
    loud = established()
    waits = []
    now = 0.0
    for _ in range(4):
        peers.hold_down(loud, 10001, now)
        assert loud.held_until is not None
        waits.append(loud.held_until - now)
        loud.up = True
        assert peers.go_down(loud, Down(ADDRESS, "notification sent (6,3)"), now) is Fate.KEEP
        assert loud.state == "held-down"
        now = loud.held_until
        assert peers.may_return(loud, now)
    assert waits == [300.0, 600.0, 1200.0, 2400.0]
    assert not peers.may_return(loud, now)


def test_the_next_deadline_is_the_earliest() -> None:
    found = established()
    assert peers.next_deadline(found) is None
    peers.go_down(found, OURS, 20.0)
    peers.hold_down(found, 1, 20.0)
    assert peers.next_deadline(found) == 140.0


def test_a_peer_near_its_limit_is_named_once_until_it_is_below_again() -> None:
    found = established()
    said = [peers.nearly_too_much(found, count) for count in (7999, 8000, 9000, 7000, 8500)]
    assert said == [False, True, False, False, True]


def test_after_a_restart_of_ours_a_peer_has_still_to_speak_until_its_end_of_rib() -> None:
    found = established()
    assert peers.still_to_speak(found)
    peers.end_of_rib(found, 4)
    assert not peers.still_to_speak(found)
    peers.go_down(found, OURS, 20.0)
    assert peers.still_to_speak(found)  # not up again yet, and awaited
    found.opened = opened(restarting=True)
    peers.come_up(found, 30.0)
    assert not peers.still_to_speak(found)  # it restarted too: both would wait for ever
    assert not peers.still_to_speak(established(seconds=None))  # it will never say End-of-RIB
