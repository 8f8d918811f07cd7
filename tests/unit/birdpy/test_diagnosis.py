"""Why a session is not up: the last answer first, then the way, then what the kernel dropped, then silence."""

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from birdpy.diagnosis import Sight, why_down
from birdpy.peers import Peer, attempted, come_up
from birdpy.rib.events import Opened
from birdpy.surroundings import Surroundings
from felixpy.model.routes import Device
from tests.unit.birdpy.builders import external, routes, way

AT_HAND = routes(way("10.0.0.0/24", "eth1"))
NOW = 100.0


def peer(attempt: str = "", at: float = NOW - 1, **fields: Any) -> Peer:
    made = Peer(external(**fields), since=0.0)
    if attempt:
        attempted(made, attempt, at)
    return made


def sight(*others: Peer, around: Surroundings | None = None, **moved: int) -> Sight:
    seen = around or Surroundings(routes=AT_HAND)
    return Sight(seen, moved, tuple(other.session for other in others), NOW)


@pytest.mark.parametrize(
    ("attempt", "reason"),
    [
        ("Connection refused", "the peer refuses connections to port 179"),
        ("closing connection", "the peer closes the connection before a session begins"),
        ("notification received (6,2)", "the peer's operator has shut the session down (NOTIFICATION received, 6/2)"),
        ("notification received (2,2)", "the peer does not expect AS 64512 from us (NOTIFICATION received, 2/2)"),
        ("notification sent (2,2)", "the peer is of another AS than its BGPPeer says (NOTIFICATION sent, 2/2)"),
        ("notification sent (4,0)", "the peer was silent for the hold time (NOTIFICATION sent, 4/0)"),
        ("notification sent (2,7)", "the session could not be agreed on (NOTIFICATION sent, 2/7)"),
        ("No route to host", "10.0.0.9 does not answer on port 179"),
        ("Permission denied", "Permission denied"),
    ],
)
def test_the_last_answer_says_most(attempt: str, reason: str) -> None:
    assert why_down(peer(attempt), sight()).startswith(reason)


def test_an_answer_of_long_ago_is_no_reason_any_more() -> None:
    assert why_down(peer("Connection refused", NOW - 60), sight()).startswith("10.0.0.9 does not answer")


def test_the_as_that_a_peer_gives_itself_is_named() -> None:
    made = peer("notification sent (2,2)")
    made.opened = Opened(made.session.address, 1, 65333, 90)
    assert why_down(made, sight()).startswith("the peer says it is AS 65333, its BGPPeer says 65001")


def test_a_peer_that_closes_without_a_word_after_its_answer_has_still_given_it() -> None:
    made = peer("notification sent (2,2)", 90.0)
    attempted(made, "closing connection", 92.0)
    assert made.attempt == "notification sent (2,2)"
    attempted(made, "closing connection", 130.0)
    assert made.attempt == "closing connection"


def test_what_is_up_or_held_down_needs_no_reason() -> None:
    made = peer("Connection refused")
    come_up(made, 50.0)
    assert why_down(made, sight()) == ""
    assert why_down(peer(held_down="no secret"), sight()) == ""


def test_the_way_to_the_peer_is_looked_at() -> None:
    address, device = ip_address("10.0.0.9"), Device("eth1")
    assert why_down(peer(), sight(around=Surroundings())) == "no route leads to 10.0.0.9"
    gone = Surroundings(routes=AT_HAND, down={device})
    assert why_down(peer(), sight(around=gone)) == "eth1, which leads to 10.0.0.9, is down"
    silent = Surroundings(routes=AT_HAND, failed={(address, device)})
    assert why_down(peer(), sight(around=silent)).startswith("10.0.0.9 does not answer ARP on eth1")
    behind = Surroundings(
        routes=routes(way("0.0.0.0/0", "eth1", "10.0.0.254")), failed={(ip_address("10.0.0.254"), device)}
    )
    assert why_down(peer(), sight(around=behind)).startswith("10.0.0.254 does not answer ARP on eth1")


def test_what_the_kernel_dropped_is_held_against_who_it_can_be() -> None:
    signed, plain, near = peer(password="x"), peer(), peer(ttl_security=2)
    assert "password is not the peer's" in why_down(signed, sight(signed, TCPMD5Failure=2))
    assert "has no MD5 password for us" in why_down(signed, sight(signed, TCPMD5NotFound=1))
    assert "and its BGPPeer has none" in why_down(plain, sight(plain, TCPMD5Unexpected=1))
    assert "more than 2 hops away" in why_down(near, sight(near, TCPMinTTLDrop=1))
    for innocent, counter in ((plain, "TCPMD5Failure"), (signed, "TCPMD5Unexpected"), (plain, "TCPMinTTLDrop")):
        assert "does not answer" in why_down(innocent, sight(innocent, around=None, **{counter: 9}))


def test_with_several_candidates_it_says_who_else_it_may_be() -> None:
    one = peer(password="x")
    other = Peer(replace(external("10.0.0.8"), password="y"), since=0.0)
    assert why_down(one, sight(one, other, TCPMD5Failure=1)).endswith("; or that is about 10.0.0.8")


@pytest.mark.parametrize(
    ("fields", "hint"),
    [
        ({}, "10.0.0.9 does not answer on port 179: it is off, or a filter is between"),
        ({"passive": True}, "waits for 10.0.0.9 to connect: the other end dials"),
        ({"password": "x"}, "or it has another MD5 password"),
        ({"ttl_security": 1}, "or TTL security differs"),
    ],
)
def test_silence_is_said_with_what_can_be_behind_it(fields: dict[str, Any], hint: str) -> None:
    assert hint in why_down(peer(**fields), sight())
