"""UPDATEs that no peer should send, over IPv4 and over IPv6: each costs what RFC 7606 says and nothing else."""

import struct

import pytest

from tests.interop.neighbours import PREFIX, dropped, peer, said_of, soon, two
from tests.interop.raw_peer import (
    AS_PATH,
    FOUR,
    GOOD,
    NEXT_HOP,
    NLRI,
    ORIGIN,
    SIX,
    Voice,
    dialled,
    lost,
    message,
    only_this_session_suffers,
    update,
)
from tests.netns.fabric import Fabric, Machine
from tests.speakers import attribute

pytestmark = [pytest.mark.root, pytest.mark.interop]
each_voice = pytest.mark.parametrize("voice", [FOUR, SIX], ids=["IPv4", "IPv6"])

OPTIONAL, TRANSITIVE, BOTH = 0x80, 0x40, 0xC0
FAULTS = ("cut", "too long", "empty", "beyond the end", "twice", "wrong flags")
# What becomes of the route for each of FAULTS: (w)ithdrawn for the error, (r)efused by our policy, (k)ept.
ATTRIBUTES = {
    "ORIGIN": (1, TRANSITIVE, "00", "wwwwkw"),
    "AS_PATH": (2, TRANSITIVE, "0201fdf1", "wwrwkw"),
    "NEXT_HOP": (3, TRANSITIVE, "ac140009", "wwwwkw"),
    "MED": (4, OPTIONAL, "00000001", "wwwwkw"),
    "LOCAL_PREF": (5, TRANSITIVE, "00000064", "wwwwkw"),
    "ATOMIC_AGGREGATE": (6, TRANSITIVE, "", "kkkwkk"),
    "AGGREGATOR": (7, BOTH, "fdf101020304", "kkwwkk"),
    "COMMUNITIES": (8, BOTH, "fdf10001", "wwwwkw"),
    "ORIGINATOR_ID": (9, OPTIONAL, "01020304", "wwwwkw"),
    "CLUSTER_LIST": (10, OPTIONAL, "01020304", "wwwwkw"),
    "EXTENDED COMMUNITIES": (16, BOTH, "0002fdf100000003", "wwwwkw"),
    "AS4_PATH": (17, BOTH, "02010000fdf1", "kkwwkk"),
    "AS4_AGGREGATOR": (18, BOTH, "0000fdf101020304", "kkwwkk"),
    "PMSI_TUNNEL": (22, BOTH, "000600000001020304", "kkkwkk"),
    "IPv6 EXTENDED COMMUNITIES": (25, BOTH, "0002" + "00" * 18, "wwwwkw"),
    "AIGP": (26, OPTIONAL, "01000b0000000000000005", "kkwwkk"),
    "BGP-LS": (29, OPTIONAL, "0400000100", "kkkwkk"),
    "LARGE_COMMUNITY": (32, BOTH, "0000fdf10000000100000002", "wwwwkw"),
    "ONLY_TO_CUSTOMER": (35, BOTH, "0000fdf1", "kkkwkk"),
    "PREFIX-SID": (40, BOTH, "01000700000000000001", "kkkwkk"),
    "ATTR_SET": (128, BOTH, "00000000", "kkkwkk"),
    "one that nobody knows": (201, BOTH, "77686174", "kkkwkk"),
    "one that nobody knows and that stays here": (202, OPTIONAL, "77686174", "kkkwkk"),
}
CASES = [(name, fault) for name in ATTRIBUTES for fault in FAULTS]


def wrong(code: int, flags: int, value: bytes, fault: str) -> bytes:
    """An attribute with one fault."""
    return {
        "cut": attribute(code, value[:-1], flags),
        "too long": attribute(code, value + b"\x00", flags),
        "empty": attribute(code, b"", flags),
        "beyond the end": bytes([flags, code, len(value) + 200]) + value,
        "twice": attribute(code, value, flags) * 2,
        "wrong flags": attribute(code, value, flags ^ BOTH),
    }[fault]


def spoiled(voice: Voice, prefix: str, name: str, fault: str) -> bytes:
    """An UPDATE for `prefix` that is good but for one attribute, which comes last."""
    code, flags, value, _ = ATTRIBUTES[name]
    attributes, nlri = voice.parts(prefix)
    others = b"".join(each for each in attributes if each[1] != code)
    return update(others + wrong(code, flags, bytes.fromhex(value), fault), nlri)


def expected(name: str, fault: str) -> str:
    return ATTRIBUTES[name][3][FAULTS.index(fault)]


def became(machine: Machine, voice: Voice) -> dict[str, str]:
    """What has become of each of the peer's prefixes: (k)ept or (r)efused; absent when it was withdrawn."""
    known = machine.ask("rib")["entries"]
    paths = {entry["prefix"]: path for entry in known for path in entry["paths"] if path["peer"] == voice.address}
    return {prefix: "k" if path["accepted"] else "r" for prefix, path in paths.items()}


@each_voice
def test_each_attribute_with_each_fault_costs_its_route_or_nothing(fabric: Fabric, voice: Voice) -> None:
    """All routes are there before (the control); then each is told again with one fault, all in one session."""
    n1, n2 = two(fabric)
    fabric.put(switch=peer(peer_ip=voice.address))
    prefixes = {case: voice.numbered(number) for number, case in enumerate(CASES)}
    after = voice.numbered(250)
    with only_this_session_suffers(n1, n2), fabric.beside(9), dialled(n1, voice) as them:
        for prefix in prefixes.values():
            them.send_bytes(voice.good(prefix))
        soon(lambda: set(prefixes.values()) <= n1.routes().keys())
        for case, prefix in prefixes.items():
            them.send_bytes(spoiled(voice, prefix, *case))
        them.send_bytes(voice.good(after))
        soon(lambda: after in n1.routes())
        found = became(n1, voice)
        outcomes = {case: found.get(prefix, "w") for case, prefix in prefixes.items()}
        assert outcomes == {case: expected(*case) for case in CASES}
        kept = {prefix for case, prefix in prefixes.items() if outcomes[case] == "k"}
        soon(lambda: set(prefixes.values()) & n1.routes().keys() == kept)
        count = sum(outcome == "w" for outcome in outcomes.values())
        said = said_of(n1, voice.address)
        assert (said["state"], said["malformed"]) == ("established", count)
        assert said["last_error"].startswith(f"UPDATE {count} with an error, its routes withdrawn (treat-as-withdraw")
        assert "with an error" in n1.birdpy("peers").stdout
        assert 1 < n1.log().count('"malformed update withdrawn"') < 10  # the 1st, 2nd, 4th ...: a log is no target
        assert not dropped(n1) and not dropped(n2)


REFUSED = {  # what ExaBGP lets through is refused by our own policy, which says why
    "no NEXT_HOP": (update(ORIGIN + AS_PATH), "no next hop"),
    "no ORIGIN": (update(AS_PATH + NEXT_HOP), "no origin"),
    "ORIGIN 9": (update(attribute(1, b"\x09") + AS_PATH + NEXT_HOP), "invalid origin"),
    "no AS_PATH": (update(ORIGIN + NEXT_HOP), "no as path"),
}


def test_what_is_missing_or_makes_no_sense_is_refused_with_its_reason(fabric: Fabric) -> None:
    n1, n2 = two(fabric)
    fabric.put(switch=peer())
    with only_this_session_suffers(n1, n2), fabric.beside(9), dialled(n1) as them:
        for data, reason in REFUSED.values():
            them.send_bytes(data)
            soon(lambda: PREFIX not in n1.routes())
            (path,) = n1.paths(PREFIX)
            assert (path["accepted"], reason in path["reason"]) == (False, True), path["reason"]
            them.send_bytes(FOUR.good())
            soon(lambda: PREFIX in n1.routes())
        assert n1.up("172.20.0.9") and not dropped(n1)


def test_the_first_of_two_counts_and_an_unknown_one_changes_nothing(fabric: Fabric) -> None:
    """RFC 7606 §3 g; an optional attribute that is not known is no error (RFC 4271 §9)."""
    n1, n2 = two(fabric)
    fabric.put(switch=peer())
    first, second = (attribute(4, bytes([0, 0, 0, value]), OPTIONAL) for value in (7, 8))
    with only_this_session_suffers(n1, n2), fabric.beside(9), dialled(n1) as them:
        them.send_bytes(update(GOOD + first + second))
        soon(lambda: n1.paths(PREFIX)[0]["med"] == 7)
        them.send_bytes(update(GOOD + attribute(4, b"\x00\x00\x00\x09", OPTIONAL) + attribute(201, b"what", BOTH)))
        soon(lambda: n1.paths(PREFIX)[0]["med"] == 9)
        assert n1.up("172.20.0.9") and PREFIX in n1.routes() and not dropped(n1)


REACH = bytes.fromhex("00020110fd200000000000000000000000000009003020010db80001")
UNREACH = bytes.fromhex("0002013020010db80001")
ENDED = {
    "a prefix of 33 bits": (FOUR, update(GOOD, bytes([33, 203, 0, 113, 0, 0])), "(3,10)"),
    "a prefix of 33 bits taken back": (FOUR, message(2, b"\x00\x06\x21\xcb\x00\x71\x00\x00\x00\x00"), "(3,10)"),
    "a prefix of 129 bits": (
        SIX,
        update(GOOD + attribute(14, REACH[:21] + b"\x81" + b"\x20" * 17, 0x80), b""),
        "(3,",
    ),
    "a prefix that is cut": (FOUR, update(GOOD, bytes([24, 203])), "(3,10)"),
    "a wrong marker": (FOUR, message(2, b"\x00\x00\x00\x00", b"\xfe" * 16), "(1,1)"),
    "a wrong marker over IPv6": (SIX, message(2, b"\x00\x00\x00\x00", b"\xfe" * 16), "(1,1)"),
    "a length of 65535 and no more": (FOUR, b"\xff" * 16 + b"\xff\xff\x02", "(1,2)"),
    "a whole message of 65535 bytes": (FOUR, message(2, b"\x00" * (65535 - 19)), "(1,2)"),
    "a whole message of 65535 bytes over IPv6": (SIX, message(2, b"\x00" * (65535 - 19)), "(1,2)"),
    "a length of 4097": (FOUR, message(2, b"\x00" * (4097 - 19)), "(1,2)"),
    "a length below the header's": (FOUR, b"\xff" * 16 + b"\x00\x12\x02", "(1,2)"),
    "an unknown type": (FOUR, message(99, b""), "(1,"),
    "lengths that lie": (FOUR, message(2, b"\xff\xff\x00\x00"), "(3,1)"),
    "MP_REACH that is cut": (SIX, update(ORIGIN + AS_PATH + attribute(14, REACH[:-1], 0x80), b""), "(3,10)"),
    "MP_REACH that comes twice": (SIX, update(ORIGIN + AS_PATH + attribute(14, REACH, 0x80) * 2, b""), "(3,1)"),
    "MP_REACH with wrong flags": (SIX, update(ORIGIN + AS_PATH + attribute(14, REACH, 0x40), b""), "(3,9)"),
    "MP_UNREACH that is cut": (SIX, update(attribute(15, UNREACH[:-1], 0x80), b""), "(3,10)"),
    "MP_UNREACH that comes twice": (SIX, update(attribute(15, UNREACH, 0x80) * 2, b""), "(3,1)"),
    "MP_UNREACH with wrong flags": (SIX, update(attribute(15, UNREACH, 0x40), b""), "(3,9)"),
}


def test_a_message_that_is_none_ends_its_session_with_the_reason_and_no_other(fabric: Fabric) -> None:
    """One after the other; before each the peer is back and believed, which is the control."""
    n1, n2 = two(fabric)
    fabric.put(switch=peer(), switch6=peer(peer_ip="fd20::9"))
    with only_this_session_suffers(n1, n2), fabric.beside(9):
        for name, (voice, data, reason) in ENDED.items():
            with dialled(n1, voice) as them:
                before = n1.log().count('"session down"')
                them.send_bytes(data)
                lost(n1, voice)
                assert reason in said_of(n1, voice.address)["last_error"], name
                downs = [line for line in n1.log().splitlines() if '"session down"' in line]
                assert len(downs) == before + 1 and reason in downs[-1], name
        for voice in (FOUR, SIX):
            with dialled(n1, voice):
                assert n1.up(voice.address)


def test_a_message_of_exactly_4096_bytes_is_read(fabric: Fabric) -> None:
    """The negative control of the lengths above: the largest that RFC 4271 §4 allows."""
    n1, n2 = two(fabric)
    fabric.put(switch=peer())
    with only_this_session_suffers(n1, n2), fabric.beside(9), dialled(n1) as them:
        room = 4096 - len(update(GOOD)) - 4
        data = update(GOOD + struct.pack("!BBH", 0xD0, 201, room) + b"\x00" * room, NLRI[:3] + b"\x72")
        assert len(data) == 4096
        them.send_bytes(data)
        soon(lambda: "203.0.114.0/24" in n1.routes())
        assert not dropped(n1)
