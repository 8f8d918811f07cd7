"""Echo requests byte by byte, and what packets that come back say of them."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from felixpy.kernel.probe_packet import Echo, Reply, reply, request
from felixpy.model.addresses import parse_address

A, B, R = (parse_address(text) for text in ("10.65.0.2", "10.65.1.2", "172.20.0.1"))
A6, B6, R6 = (parse_address(text) for text in ("fd00::2", "fd00:1::2", "fd00:20::1"))
ECHO, ECHO6 = Echo(A, B, 77, 84), Echo(A6, B6, 77, 104)


def ones(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def ip4(source: bytes, destination: bytes, payload: bytes) -> bytes:
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 60, 1, 0) + source + destination + payload


def ip6(source: bytes, destination: bytes, payload: bytes) -> bytes:
    return struct.pack("!IHBB", 6 << 28, len(payload), 58, 60) + source + destination + payload


def test_a_request_has_the_size_asked_for_and_may_not_be_fragmented() -> None:
    packet = request(ECHO)
    assert len(packet) == 84
    assert struct.unpack_from("!H", packet, 6)[0] == 0x4000
    assert (packet[12:16], packet[16:20]) == (A.packed, B.packed)
    assert ones(packet[20:]) == 0xFFFF


def test_an_ipv6_request_has_a_checksum_over_its_pseudo_header() -> None:
    packet = request(ECHO6)
    assert len(packet) == 104
    assert ones(A6.packed + B6.packed + struct.pack("!II", 64, 58) + packet[40:]) == 0xFFFF


def test_the_answer_is_known_by_its_ends_and_identifier() -> None:
    answer = struct.pack("!BBHHH", 0, 0, 0, 77, 1)
    assert reply(ip4(B.packed, A.packed, answer), ECHO) == Reply(B)
    assert reply(ip4(R.packed, A.packed, answer), ECHO) is None
    assert reply(ip4(B.packed, A.packed, struct.pack("!BBHHH", 0, 0, 0, 78, 1)), ECHO) is None
    assert reply(request(ECHO), ECHO) is None
    assert reply(ip6(B6.packed, A6.packed, struct.pack("!BBHHH", 129, 0, 0, 77, 1)), ECHO6) == Reply(B6)


def test_an_error_about_it_is_put_in_words_with_its_sender_and_the_links_mtu() -> None:
    too_big = struct.pack("!BBHHH", 3, 4, 0, 0, 1400) + request(Echo(A, B, 77, 1500))[:28]
    assert reply(ip4(R.packed, A.packed, too_big), Echo(A, B, 77, 1500)) == Reply(
        R, "does not fit the next link", 1400
    )
    loop = struct.pack("!BBHHH", 11, 0, 0, 0, 0) + request(ECHO)[:28]
    assert reply(ip4(R.packed, A.packed, loop), ECHO) == Reply(R, "TTL exceeded: a loop")
    refused = struct.pack("!BBHHH", 1, 5, 0, 0, 0) + request(ECHO6)[:48]
    assert reply(ip6(R6.packed, A6.packed, refused), ECHO6) == Reply(R6, "refused by a source check")


def test_an_error_about_somebody_elses_packet_is_not_ours() -> None:
    other = struct.pack("!BBHHH", 11, 0, 0, 0, 0) + request(Echo(A, B, 78, 84))[:28]
    assert reply(ip4(R.packed, A.packed, other), ECHO) is None


@given(st.binary(max_size=120))
def test_whatever_comes_in_is_no_answer_or_one(data: bytes) -> None:
    for echo in (ECHO, ECHO6):
        found = reply(data, echo)
        assert found is None or isinstance(found, Reply)
