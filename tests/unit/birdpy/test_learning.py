"""Sessions that come, change and go: what becomes of their paths, and whom policy looks at again."""

from ipaddress import ip_address, ip_network
from typing import Any

from birdpy.learning import Learning
from birdpy.policy.changes import Effect
from birdpy.policy.guard import Here, Own
from birdpy.policy.imports import surroundings
from birdpy.policy.session import Session
from birdpy.rib.events import Down, Malformed, Opened, Reach, Unreach, Up, Update
from birdpy.rib.next_hops import Ground
from felixpy.model.addresses import Asn
from tests.unit.birdpy.builders import attributes, routes, session, speaker, way

SUBNET = routes(way("10.0.0.0/24"))
BLOCK, OTHER = ip_network("10.65.2.0/26"), ip_network("10.65.3.0/26")
PEER = ip_address("10.0.0.2")


def learning(*sessions: Session) -> Learning:
    """These sessions, configured and up, and one block from each."""
    made = Learning(Ground(SUBNET), clock=lambda: 100.0)
    configure(made, *sessions)
    for number, one in enumerate(sessions, 2):
        made.hear([Opened(one.address, number, int(one.peer_as), 90, one.families, 120), Up(one.address)], 1.0)
        reach = Reach(ip_network(f"10.65.{number}.0/26"), one.address)
        made.hear([Update(one.address, (reach,), (), attributes())], 2.0)
    return made


def configure(made: Learning, *sessions: Session) -> Any:
    heard = made.configure(speaker(*sessions), 5.0)
    around = surroundings(speaker(*sessions), {}, Here(SUBNET, frozenset()), Own((), frozenset(), lambda _: None))
    made.judge_by(around, heard.anew)
    return heard


def test_updates_with_an_error_are_said_less_and_less_often_and_counted_all() -> None:
    made = learning(session())
    prefixes = tuple(ip_network(f"10.9.{number}.0/24") for number in range(5))
    said = [bool(made.hear([Malformed(PEER, prefixes, "treat-as-withdraw")], 3.0).misspoke) for _ in range(9)]
    assert said == [True, True, False, True, False, False, False, True, False]
    assert made.peers[PEER].malformed == 9
    shown = "10.9.0.0/24, 10.9.1.0/24, 10.9.2.0/24, ..."
    assert made.peers[PEER].last_error == f"UPDATE 9 with an error, its routes withdrawn (treat-as-withdraw): {shown}"
    made.hear([Down(PEER, ""), Up(PEER)], 4.0)
    assert made.peers[PEER].malformed == 0


def test_a_session_that_goes_is_closing_until_it_is_down() -> None:
    made = learning(session(), session("10.0.0.3"))
    heard = configure(made, session("10.0.0.3"))
    assert (heard.closing, heard.down, heard.spoken) == ({PEER}, set(), set())
    assert made.peers[PEER].state == "closing"
    assert made.rib.held(BLOCK), "it may still be the way"
    heard = made.hear([Down(PEER, "stop, message [removed]")], 6.0)
    assert (heard.down, heard.spoken) == ({PEER}, {PEER})
    assert PEER not in made.peers and not made.rib.held(BLOCK) and made.rib.held(OTHER)


def test_a_session_that_is_not_up_goes_at_once() -> None:
    made = learning()
    configure(made, session())
    heard = configure(made)
    assert (heard.closing, heard.down, made.peers) == (set(), {PEER}, {})


def test_a_session_that_is_wanted_again_while_it_closes_is_told_everything_again() -> None:
    made = learning(session())
    configure(made)
    made.peers[PEER].let_go = True
    heard = configure(made, session())
    assert (heard.back, heard.closing) == ({PEER}, set())
    assert (made.peers[PEER].state, made.peers[PEER].let_go) == ("established", False)
    assert made.rib.held(BLOCK)


def test_a_session_to_be_held_down_closes_first_and_is_held_then() -> None:
    made = learning(session())
    held = session(held_down="secret kube-system/bgp does not exist")
    assert configure(made, held).closing == {PEER}
    assert configure(made, held).closing == set(), "said once"
    made.hear([Down(PEER, "stop, message [removed]")], 6.0)
    assert made.peers[PEER].state == "held-down"
    assert not made.rib.held(BLOCK)


def test_a_renamed_session_keeps_its_paths_under_its_new_name() -> None:
    made = learning(session(), session("10.0.0.3"))
    heard = configure(made, session(name="Global_10_0_0_2"), session("10.0.0.3"))
    assert heard.changes["Global_10_0_0_2"].effect is Effect.LIVE
    assert heard.changed == {BLOCK}
    assert [v.received.session for v in made.rib.held(BLOCK)] == ["Global_10_0_0_2"]
    assert made.selection.choices[BLOCK].best.session == "Global_10_0_0_2"
    assert made.rib.counts("Global_10_0_0_2") == (1, 1)
    assert made.rib.counts("Node_10_0_0_2") == (0, 0)
    gone = made.hear([Update(PEER, (), (Unreach(BLOCK),))], 7.0)
    assert gone.changed == {BLOCK}


def test_a_renamed_session_keeps_what_is_stale_stale() -> None:
    made = learning(session())
    made.hear([Down(PEER, "closing connection")], 3.0)
    assert made.rib.stale("Node_10_0_0_2")
    configure(made, session(name="Mesh_10_0_0_2"))
    assert made.rib.stale("Mesh_10_0_0_2") == {(BLOCK, 0)}
    assert made.keep_time(200.0).changed == {BLOCK}


def test_another_as_is_another_peer() -> None:
    made = learning(session())
    heard = configure(made, session(peer_as=Asn(65099)))
    assert heard.down == {PEER} and not made.rib.held(BLOCK)
    assert made.peers[PEER].state == "connect"


def test_only_sessions_with_other_options_are_judged_again() -> None:
    made = learning(session(), session("10.0.0.3"))
    heard = configure(made, session(allowed_local_as=1), session("10.0.0.3", max_prefix_action="warn"))
    assert heard.anew == {"Node_10_0_0_2"}


def test_a_raised_limit_asks_for_what_was_not_kept_and_ends_the_stay_away() -> None:
    made = learning(session(max_prefix=1))
    assert configure(made, session(max_prefix=2)).ask == {PEER}
    assert configure(made, session(max_prefix=100)).ask == set(), "nothing was above it"
    made.peers[PEER].held_until = 999.0
    configure(made, session(max_prefix=200))
    assert made.peers[PEER].held_until is None
