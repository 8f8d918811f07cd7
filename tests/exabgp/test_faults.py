"""What no real peer sends: malformed UPDATEs, refreshes, a reader that sleeps. The peer is a socket."""

import asyncio
import os
import signal
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from birdpy.exabgp import bridge
from birdpy.rib.events import Down, Overflow, Refresh, Up, Update
from tests.exabgp.node import ADDRESSES, Node, children, node, run, session, until
from tests.speakers import RawSpeaker, attribute, needs_root, network, raw

pytestmark = [needs_root, pytest.mark.interop, pytest.mark.root]

ORIGIN = attribute(1, b"\x00")
AS_PATH = attribute(2, b"\x02\x01" + struct.pack("!H", 65002))
NEXT_HOP = attribute(3, socket.inet_aton("10.0.0.2"))
PREFIX = bytes([24, 203, 0, 113])
GOOD = ORIGIN + AS_PATH + NEXT_HOP
MULTIPROTOCOL_6 = b"\x01\x04\x00\x02\x00\x01"
MULTIPROTOCOL_4 = b"\x01\x04\x00\x01\x00\x01"


def against_raw(
    tmp_path: Path,
    body: Callable[[Node, RawSpeaker], Awaitable[None]],
    capabilities: bytes = MULTIPROTOCOL_4,
    hold_time_s: int = 90,
) -> None:
    """Run `body` with our node and a raw peer whose session is up."""

    async def connected() -> None:
        async with node(tmp_path, session(families=frozenset({4, 6}), hold_time_s=hold_time_s)) as ours:
            loop = asyncio.get_running_loop()
            connection, _ = await loop.run_in_executor(None, listening.accept)
            with connection:
                peer = RawSpeaker(connection, 65002)
                await loop.run_in_executor(None, peer.establish, "10.0.0.2", capabilities)
                await ours.up()
                await body(ours, peer)

    with network(*ADDRESSES), raw("10.0.0.2") as listening:
        run(connected)


async def heard(ours: Node) -> Update:
    """The first UPDATE that was heard."""
    return await until(lambda: next((each for each in ours.events if isinstance(each, Update)), None))


@pytest.mark.parametrize(
    ("attributes", "faults"),
    [
        (GOOD, ()),
        (ORIGIN + AS_PATH, ("no next hop",)),
        (AS_PATH + NEXT_HOP, ("no origin",)),
        (ORIGIN + NEXT_HOP, ("no as path",)),
        (attribute(1, b"\x09") + AS_PATH + NEXT_HOP, ("invalid origin",)),
    ],
)
def test_what_exabgp_lets_through_is_named(tmp_path: Path, attributes: bytes, faults: tuple[str, ...]) -> None:
    async def body(ours: Node, peer: RawSpeaker) -> None:
        peer.update(attributes, PREFIX)
        update = await heard(ours)
        assert update.attributes.faults == faults
        assert [reach.prefix for reach in update.announced] == [ip_network("203.0.113.0/24")]

    against_raw(tmp_path, body)


@pytest.mark.parametrize(
    "attributes",
    [
        GOOD + attribute(4, b"\x00\x00", 0x80),  # MED of two bytes
        GOOD + attribute(8, b"\x00\x01\x02", 0xC0),  # a community of three bytes
        GOOD + bytes([0x40, 5, 200]) + b"\x00",  # a length beyond the end
    ],
)
def test_an_attribute_error_is_a_withdrawal_and_the_session_lives(tmp_path: Path, attributes: bytes) -> None:
    async def body(ours: Node, peer: RawSpeaker) -> None:
        peer.update(GOOD, PREFIX)
        await until(lambda: ip_network("203.0.113.0/24") in ours.learned())
        peer.update(attributes, PREFIX)
        await until(lambda: ip_network("203.0.113.0/24") not in ours.learned())
        assert ours.exabgp.advertised.sessions()

    against_raw(tmp_path, body)


def test_a_prefix_of_33_bits_ends_the_session_and_is_told(tmp_path: Path) -> None:
    async def body(ours: Node, peer: RawSpeaker) -> None:
        peer.update(GOOD, bytes([33, 203, 0, 113, 0, 0]))
        await ours.down()
        assert [e.reason for e in ours.events if isinstance(e, Down)] == ["notification sent (3,10)"]

    against_raw(tmp_path, body)


def test_host_bits_in_a_prefix_are_cleared(tmp_path: Path) -> None:
    async def body(ours: Node, peer: RawSpeaker) -> None:
        peer.update(GOOD, bytes([20, 203, 0, 0x7F]))
        assert [reach.prefix for reach in (await heard(ours)).announced] == [ip_network("203.0.112.0/20")]

    against_raw(tmp_path, body)


def test_a_32_byte_next_hop_gives_one_path_with_the_global_half(tmp_path: Path) -> None:
    async def body(ours: Node, peer: RawSpeaker) -> None:
        hops = ip_address("2001:db8::2").packed + ip_address("fe80::2").packed
        reach = b"\x00\x02\x01" + bytes([32]) + hops + b"\x00" + bytes([48]) + ip_address("2001:db8:1::").packed[:6]
        peer.update(ORIGIN + AS_PATH + attribute(14, reach, 0x80))
        update = await heard(ours)
        assert [(each.prefix, each.next_hop) for each in update.announced] == [
            (ip_network("2001:db8:1::/48"), ip_address("2001:db8::2"))
        ]
        assert update.attributes.faults == ()

    against_raw(tmp_path, body, MULTIPROTOCOL_4 + MULTIPROTOCOL_6)


def test_refreshes_are_events_and_never_end_the_session(tmp_path: Path) -> None:
    async def body(ours: Node, peer: RawSpeaker) -> None:
        for subtype in (0, 1, 2):
            peer.send(5, b"\x00\x01" + bytes([subtype]) + b"\x01")
        await until(lambda: [e.subtype for e in ours.events if isinstance(e, Refresh)] == ["query", "begin", "end"])
        await asyncio.sleep(0.3)
        assert ours.exabgp.advertised.sessions()

    against_raw(tmp_path, body, MULTIPROTOCOL_4 + b"\x02\x00" + b"\x46\x00")


def test_we_can_ask_for_everything_again(tmp_path: Path) -> None:
    async def body(ours: Node, peer: RawSpeaker) -> None:
        await ours.exabgp.refresh(ip_address("10.0.0.2"), [4])
        loop = asyncio.get_running_loop()
        while (message := await loop.run_in_executor(None, peer.read))[0] != 5:
            pass
        assert message[1] == b"\x00\x01\x00\x01"

    against_raw(tmp_path, body, MULTIPROTOCOL_4 + b"\x02\x00")


def test_no_end_of_rib_leaves_before_it_is_said(tmp_path: Path) -> None:
    async def body(ours: Node, peer: RawSpeaker) -> None:
        await asyncio.sleep(1)
        peer.update(GOOD, PREFIX)
        await heard(ours)
        loop = asyncio.get_running_loop()
        assert await ours.finish() == {ip_address("10.0.0.2")}
        while (message := await loop.run_in_executor(None, peer.read))[0] != 2:
            pass
        assert message[1] == b"\x00\x00\x00\x00"
        assert [kind for kind, _ in peer.received].count(2) == 1

    against_raw(tmp_path, body)


COUNT = 8000  # lines of 0.5 kB: far more than the pipes and sockets between ExaBGP and birdpy hold


def flood(peer: RawSpeaker, for_s: float) -> list[float]:
    """Send `COUNT` UPDATEs, then KEEPALIVEs for `for_s`; when ExaBGP's own KEEPALIVEs came meanwhile."""
    for i in range(COUNT):
        peer.update(GOOD, bytes([24, 20, i >> 8, i & 255]))
    end, came = time.monotonic() + for_s, []
    while time.monotonic() < end:
        peer.send(4, b"")
        try:
            while peer.read(0.3)[0] == 4:
                came.append(time.monotonic())
        except TimeoutError:
            continue
    return came


def test_a_birdpy_that_sleeps_costs_no_session_and_loses_no_route(tmp_path: Path) -> None:
    """Unread, ExaBGP's pipe would fill and stop all sessions (#1141). The whole loop stands still for 6 s here."""

    async def body(ours: Node, peer: RawSpeaker) -> None:
        flooding = asyncio.get_running_loop().run_in_executor(None, flood, peer, 6.0)
        time.sleep(6)
        came = await flooding
        assert len(came) >= 4, "a KEEPALIVE each second or so"
        await until(lambda: len(ours.learned()) == COUNT, 60)
        assert ours.count(Up) == 1 and ours.exabgp.advertised.sessions()
        assert not any(isinstance(each, Overflow) for each in ours.events)

    against_raw(tmp_path, body, hold_time_s=3)


def test_a_bridge_that_does_not_drain_would_cost_the_session(tmp_path: Path) -> None:
    """The negative control: with the bridge stopped ExaBGP falls silent."""

    async def body(ours: Node, peer: RawSpeaker) -> None:
        assert ours.exabgp.pid is not None
        (bridge,) = children(ours.exabgp.pid)
        os.kill(bridge, signal.SIGSTOP)
        try:
            came = await asyncio.get_running_loop().run_in_executor(None, flood, peer, 4.0)
        finally:
            os.kill(bridge, signal.SIGCONT)
        assert len(came) < 3

    against_raw(tmp_path, body, hold_time_s=3)


def test_lines_that_nobody_takes_are_dropped_and_the_session_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop turns here, but the router does not take its events: birdpy's own bound."""
    monkeypatch.setattr(bridge, "LIMIT_BYTES", 500_000)

    async def body(ours: Node, peer: RawSpeaker) -> None:
        ours.awake.clear()
        await asyncio.get_running_loop().run_in_executor(None, flood, peer, 1.0)
        ours.awake.set()
        await until(lambda: lost(ours) + sum(isinstance(each, Update) for each in ours.events) >= COUNT)
        assert 0 < lost(ours) < COUNT
        assert ours.exabgp.advertised.sessions() and ours.count(Down) == 0

    against_raw(tmp_path, body)


def lost(ours: Node) -> int:
    """How many UPDATE lines were dropped."""
    return sum(each.dropped for each in ours.events if isinstance(each, Overflow))


GARBAGE = [
    b"",
    b"\x00" * 100,
    b"GET / HTTP/1.1\r\n\r\n",
    b"\xff" * 16 + b"\x00\x12\x01",  # a length below the header's
    b"\xff" * 16 + b"\xff\xff\x02",  # a length above the largest
    b"\xff" * 16 + b"\x00\x13\x63",  # an unknown type
    b"\xff" * 16 + b"\x00\x17\x01\x04\xfd\xea\x00",  # an OPEN cut short
    b"\xff" * 16 + b"\x00\x17\x02\xff\xff\x00\x00",  # an UPDATE whose lengths lie
]


@pytest.mark.parametrize("established", [False, True])
def test_garbage_from_a_peer_never_ends_exabgp(tmp_path: Path, established: bool) -> None:
    async def body() -> None:
        async with node(tmp_path, session()) as ours:
            loop = asyncio.get_running_loop()
            first = await until(lambda: ours.exabgp.pid)
            for garbage in GARBAGE:
                connection, _ = await loop.run_in_executor(None, listening.accept)
                with connection:
                    if established:
                        peer = RawSpeaker(connection, 65002)
                        await loop.run_in_executor(None, peer.establish, "10.0.0.2", MULTIPROTOCOL_4)
                    connection.sendall(garbage)
                    await asyncio.sleep(0.1)
            connection, _ = await loop.run_in_executor(None, listening.accept)
            with connection:
                peer = RawSpeaker(connection, 65002)
                await loop.run_in_executor(None, peer.establish, "10.0.0.2", MULTIPROTOCOL_4)
                await ours.up()
                assert ours.exabgp.pid == first and ours.exabgp.restarts == 0

    with network(*ADDRESSES), raw("10.0.0.2") as listening:
        run(body)
