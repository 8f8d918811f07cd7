"""The fast way through a datagram of routes gives what the plain way gives."""

import struct

from hypothesis import example, given
from hypothesis import strategies as st

from felixpy.kernel.netlink import dumped
from felixpy.kernel.route_dump import bodies

MULTI = 2
DONE = struct.pack("=IHHIIi", 20, 3, MULTI, 1, 7, 0)


def record(kind: int, words: int, flags: int = MULTI) -> bytes:
    body = bytes(range(words * 4 % 256)) if words < 64 else bytes(words * 4)
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 7) + body


RECORDS = st.builds(record, st.sampled_from([24, 24, 24, 25, 2]), st.sampled_from([7, 7, 7, 9, 4, 0]))
ENDS = st.sampled_from([b"", DONE])
DATAGRAMS = st.builds(lambda records, end: b"".join(records) + end, st.lists(RECORDS, min_size=1), ENDS)


@given(DATAGRAMS)
@example(record(24, 7) * 600 + DONE)
@example(record(24, 7) * 600 + record(24, 9))
@example(record(24, 1) * 3)  # as long as NLMSG_DONE
@example(record(24, 1) + DONE)
@example(DONE)
@example(b"\x03\x00\x00\x00" + bytes(16))
@example(bytes(20))
def test_both_ways_agree(chunk: bytes) -> None:
    assert bodies(chunk) == list(dumped([chunk], 24))


def test_routes_are_found_at_all() -> None:
    """The negative control: agreeing on nothing would agree too."""
    assert len(bodies(record(24, 7) * 600 + DONE)) == 600
