"""The command `redial`, on ExaBGP's own objects."""

import socket
from types import SimpleNamespace
from typing import Any

from birdpy.exabgp.connections import (
    RTO_MAX_MS,
    TCP_RTO_MAX_MS,
    TCP_USER_TIMEOUT,
    know_our_end,
    live_for,
    redial,
    wait_briefly,
)


def test_only_a_peer_without_a_connection_is_dialled_anew() -> None:
    from exabgp.reactor.delay import Delay

    def peer(address: str, proto: object = None, *, restart: bool = True) -> Any:
        made = Delay()
        for _ in range(5):
            made.increase()
        neighbor = {"peer-address": address}
        return SimpleNamespace(neighbor=neighbor, proto=proto, generator="dialling", _delay=made, _restart=restart)

    waiting, talking, other = peer("10.0.0.2"), peer("10.0.0.3", "a connection"), peer("10.0.0.4")
    leaving = peer("10.0.0.5", restart=False)
    answered: list[str] = []
    reactor = SimpleNamespace(
        _peers=dict(enumerate((waiting, talking, other, leaving))),
        processes=SimpleNamespace(answer_done=answered.append),
    )
    for address in ("10.0.0.2", "10.0.0.3", "10.0.0.5"):
        redial(None, reactor, "birdpy", f"redial {address}", False)
    assert answered == ["birdpy"] * 3
    assert (waiting.generator, talking.generator, other.generator, leaving.generator) == (
        None, "dialling", "dialling", "dialling",
    )  # fmt: skip
    assert other._delay.backoff()
    assert waiting._delay._next == 0


def test_a_connection_waits_briefly_and_lives_for_the_hold_time() -> None:
    with socket.socket() as connection:
        wait_briefly(connection)
        live_for(connection, 90)
        assert connection.getsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT) == 90_000
        try:
            assert connection.getsockopt(socket.IPPROTO_TCP, TCP_RTO_MAX_MS) == RTO_MAX_MS
        except OSError:  # Linux before 6.15
            assert connection.getsockopt(socket.IPPROTO_TCP, 16) == 1
    wait_briefly(None)
    live_for(None, 90)


def test_our_end_of_a_connection_is_known_whoever_opened_it_and_whatever_was_reloaded_since() -> None:
    from exabgp.bgp.neighbor import Neighbor

    with socket.create_server(("127.0.0.2", 0)) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            as_reloaded, named = Neighbor(), Neighbor()
            as_reloaded.auto_discovery = True  # local-address auto: a reload makes a new one, which knows nothing
            know_our_end(as_reloaded, accepted)
            know_our_end(named, accepted)
    assert (str(as_reloaded["local-address"]), named["local-address"]) == ("127.0.0.2", None)
