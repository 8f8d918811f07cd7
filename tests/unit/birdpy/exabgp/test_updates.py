"""Lines of the changed ExaBGP say what its own would say, of good messages and of bad ones."""

import json
import struct

import pytest

from birdpy.exabgp.decode import decode
from birdpy.rib.events import Event
from tests.speakers import attribute
from tests.unit.birdpy.exabgp.test_patches import loaded

TOLD = """
import json, sys
from birdpy.exabgp import patches
patches.load()
from exabgp.bgp.message import Notify, Update
from exabgp.bgp.message.direction import Direction
from exabgp.bgp.message.open.capability import Negotiated
from exabgp.bgp.message.update.attribute import Attribute
from exabgp.bgp.message.action import Action
from exabgp.configuration.configuration import Configuration
from exabgp.environment import getenv
from exabgp.logger import log
from exabgp.reactor.api.response.json import JSON
log.init(getenv())
NEIGHBOR = '''neighbor 10.0.0.2 {
    local-address 10.0.0.1; router-id 10.0.0.1; local-as 65001; peer-as 65002; family { ipv4 unicast; ipv6 unicast; }
}'''
configuration = Configuration([NEIGHBOR], text=True)
assert configuration.reload(), configuration.error
(neighbor,) = configuration.neighbors.values()

def line(body, asn4):
    negotiated = Negotiated(neighbor)
    negotiated.asn4 = asn4
    try:
        message = Update.unpack_message(body, Direction.IN, negotiated)
    except Notify as refusal:
        return f"{refusal.code},{refusal.subcode}"
    if Attribute.CODE.INTERNAL_TREAT_AS_WITHDRAW in message.attributes:
        for nlri in message.nlris:
            nlri.action = Action.WITHDRAW
    return JSON("5").update(neighbor, "receive", message, None, b"", b"")

bodies = [(bytes.fromhex(body), asn4) for body, asn4 in BODIES]
before = [line(*each) for each in bodies]
from birdpy.exabgp.updates import patch_updates
patch_updates()
print(json.dumps([before, [line(*each) for each in bodies], [line(*each) for each in bodies]]))
"""
ORIGIN, NEXT_HOP = attribute(1, b"\0"), attribute(3, bytes([10, 0, 0, 2]))
PATH = attribute(2, b"\x02\x02" + struct.pack("!II", 65002, 65010))
SHORT_PATH = attribute(2, b"\x02\x02" + struct.pack("!HH", 65002, 65010))
GOOD = ORIGIN + PATH + NEXT_HOP
HOP_6 = bytes.fromhex("fd000000000000000000000000000002")
REACH_6 = attribute(14, b"\0\2\1\x10" + HOP_6 + b"\0\x40\xfd\0\0\1\0\0\0\1", 0x80)
PREFIXES = bytes([0, 24, 203, 0, 113, 32, 10, 1, 2, 3, 9, 10, 128])


def body(attributes: bytes, nlri: bytes = PREFIXES, withdrawn: bytes = b"") -> bytes:
    lengths = struct.pack("!H", len(withdrawn)) + withdrawn + struct.pack("!H", len(attributes))
    return lengths + attributes + nlri


BODIES = {
    "equal attributes": body(GOOD),
    "withdrawn": body(b"", b"", PREFIXES),
    "both": body(GOOD, bytes([24, 198, 51, 100]), PREFIXES),
    "ipv6": body(ORIGIN + PATH + REACH_6, b""),
    "ipv6 withdrawn": body(attribute(15, b"\0\2\1\x40\xfd\0\0\1\0\0\0\1", 0x80), b""),
    "end of RIB": b"\0\0\0\0",
    "end of RIB, ipv6": body(attribute(15, b"\0\2\1", 0x80), b""),
    "every attribute": body(
        GOOD
        + attribute(4, b"\0\0\0\7", 0x80)
        + attribute(5, b"\0\0\0\x64")
        + attribute(6, b"")
        + attribute(7, struct.pack("!I", 65010) + bytes([10, 0, 0, 9]), 0xC0)
        + attribute(8, struct.pack("!HH", 65002, 7) * 2, 0xC0)
        + attribute(9, bytes([10, 0, 0, 3]), 0x80)
        + attribute(10, bytes([10, 0, 0, 4, 10, 0, 0, 5]), 0x80)
        + attribute(16, bytes([0, 2, 0xFD, 0xEA, 0, 0, 0, 1]), 0xC0)
        + attribute(32, struct.pack("!III", 65002, 1, 2), 0xC0)
        + attribute(99, b"unknown", 0xC0)
    ),
    "another community": body(GOOD + attribute(8, struct.pack("!HH", 65002, 8), 0xC0)),
    "no next hop": body(ORIGIN + PATH),
    "no path": body(ORIGIN + NEXT_HOP),
    "an empty path": body(ORIGIN + attribute(2, b"") + NEXT_HOP),
    "a set": body(ORIGIN + attribute(2, b"\x01\x02" + struct.pack("!II", 65002, 65010)) + NEXT_HOP),
    "origin 9": body(attribute(1, b"\x09") + PATH + NEXT_HOP),
    "an attribute twice": body(GOOD + ORIGIN),
    "a short MED": body(GOOD + attribute(4, b"\0\7", 0x80)),
    "an empty MED": body(GOOD + attribute(4, b"", 0x80)),
    "wrong flags": body(attribute(1, b"\0", 0xC0) + PATH + NEXT_HOP),
    "a long length": body(ORIGIN + bytes([0x50, 2, 0]) + PATH[2:] + NEXT_HOP),
    "half a community": body(GOOD + attribute(8, b"\xfd\xea", 0xC0)),
    "an overrun": body(ORIGIN + PATH + bytes([0x40, 3, 9, 10])),
    "a cut path": body(ORIGIN + PATH[:-1] + NEXT_HOP),
    "/33": body(GOOD, bytes([33, 10, 0, 0, 0, 0])),
    "a cut prefix": body(GOOD, bytes([24, 10, 0])),
    "four bytes of each number where two are agreed": body(GOOD),
    "two bytes of each number": body(ORIGIN + SHORT_PATH + NEXT_HOP),
}
TWO_BYTES = ("four bytes of each number where two are agreed", "two bytes of each number")


@pytest.fixture(scope="module")
def lines() -> dict[str, tuple[str, str, str]]:
    """Each message as the original tells it, then as the changed one does, for the first and the second time."""
    given = [(each.hex(), name not in TWO_BYTES) for name, each in BODIES.items()]
    done = loaded(f"BODIES = {given!r}\n{TOLD}")
    assert done.returncode == 0, done.stderr
    return dict(zip(BODIES, zip(*json.loads(done.stdout), strict=True), strict=True))


def events(line: str) -> list[Event] | str:
    return list(decode(line.encode())) if line.startswith("{") else line


@pytest.mark.parametrize("name", BODIES)
def test_what_is_told_of_an_update_is_what_exabgp_would_tell(
    name: str, lines: dict[str, tuple[str, str, str]]
) -> None:
    original, first, second = lines[name]
    assert events(first) == events(original)
    assert second == first or "end of RIB" in name  # those lines name the time


def test_a_line_of_an_update_is_half_as_long_and_is_known_by_its_beginning(
    lines: dict[str, tuple[str, str, str]],
) -> None:
    original, line, _ = lines["another community"]
    assert line.startswith('{ "type": "update"')
    assert len(line) < 0.75 * len(original)


def test_an_end_of_rib_is_never_taken_for_routes(lines: dict[str, tuple[str, str, str]]) -> None:
    assert '"eor"' in lines["end of RIB"][1]
    assert not lines["end of RIB"][1].startswith('{ "type": "update"')
