"""Taking datagrams apart: whatever the bytes, nothing but messages or their end."""

from hypothesis import given
from hypothesis import strategies as st

from felixpy.kernel.link_message import decode_link, decode_neighbour
from felixpy.kernel.netlink import Failure, failure_of
from felixpy.kernel.rtnetlink import (
    LINK,
    NEIGHBOUR,
    Message,
    attribute,
    attributes,
    mac_bytes,
    mac_text,
    message,
    messages,
    text,
)


def test_messages_and_attributes_come_back_in_order() -> None:
    data = message(24, 0, b"abcd", 1) + message(25, 4, attribute(1, b"x") + text(3, "eth0"), 2)
    first, second = messages(data)
    assert (first.kind, first.body, first.sequence) == (24, b"abcd", 1)
    assert (second.flags, attributes(second.body)) == (5, {1: b"x", 3: b"eth0\0"})


@given(st.binary(max_size=200))
def test_any_bytes_give_messages_or_nothing(data: bytes) -> None:
    for found in messages(data):
        assert len(found.body) <= len(data)
        attributes(found.body)
        failure_of(found)


def test_a_refusal_carries_the_kernels_sentence() -> None:
    words = attribute(1, b"Nexthop has invalid gateway\0")
    body = (-101).to_bytes(4, "little", signed=True) + bytes(16) + words
    failure = failure_of(Message(2, 0x300, 1, 0, body))
    assert failure == Failure(101, "Nexthop has invalid gateway")
    assert str(failure.refused("10.0.0.0/8", "dev eth0")) == (
        "10.0.0.0/8: dev eth0: Network is unreachable (Nexthop has invalid gateway)"
    )


def test_missing_rights_are_named_as_such() -> None:
    assert "CAP_NET_ADMIN" in str(Failure(1).refused("10.0.0.0/8"))


def test_an_interface_name_that_is_no_text_is_shown_escaped() -> None:
    link = decode_link(LINK.pack(0, 1, 7, 1, 0) + attribute(3, b"ca\xffli\0"))
    assert link is not None
    assert link.name == "ca\\xffli"


def test_what_a_bridge_says_about_itself_is_not_a_link_or_a_neighbour() -> None:
    assert decode_link(LINK.pack(7, 1, 7, 1, 0) + text(3, "br0")) is None
    assert decode_neighbour(NEIGHBOUR.pack(7, 7, 128, 0, 0)) is None


def test_hardware_addresses_are_text_with_colons() -> None:
    assert mac_text(mac_bytes("ee:EE:00:01:02:03")) == "ee:ee:00:01:02:03"
    assert mac_text(b"") == ""
