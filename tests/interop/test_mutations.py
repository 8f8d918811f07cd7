"""UPDATEs that are almost well formed, thousands of them: whatever hypothesis makes of good ones."""

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.interop.neighbours import peer, two
from tests.interop.raw_peer import FOUR, GOOD, NLRI, SIX, Voice, dialled, only_this_session_suffers, update
from tests.interop.test_malformed import ATTRIBUTES
from tests.netns.fabric import Fabric, Machine
from tests.speakers import RawSpeaker, attribute, eventually

pytestmark = [pytest.mark.root, pytest.mark.interop]
SESSIONS, AT_ONCE = 90, 12  # for each family
EXTRA = b"".join(attribute(code, bytes.fromhex(value), flags) for code, flags, value, _ in ATTRIBUTES.values())
MARK = 250


def originals(voice: Voice) -> tuple[bytes, ...]:
    """Good UPDATEs: a plain one, one with every attribute that there is, one that takes back and tells."""
    attributes, nlri = voice.parts(voice.prefix)
    rest = b"".join(attributes[3:]) + EXTRA
    return (
        voice.good(),
        update(b"".join(attributes) + rest, nlri),
        update(GOOD + rest, NLRI + bytes([24, 198, 51, 100])),
    )


def mutant(voice: Voice, recipe: bytes) -> bytes:
    """One of the good UPDATEs changed in two places as the eight bytes of `recipe` say; its length is true again."""
    choices = originals(voice)
    body = bytearray(choices[recipe[0] % len(choices)][19:])
    for where, what, value in (recipe[2:5], recipe[5:8]):
        at = (4 + where * 256 + recipe[1]) % len(body)  # rarely one of the two lengths
        if what < 248:
            body[at] = value
        elif what < 251:
            body[at : at + 1] = bytes([body[at], value])
        elif what < 254:
            del body[at : at + 1 + value % 4]
        else:
            del body[at + 4 :]
    return b"\xff" * 16 + (len(body) + 19).to_bytes(2) + b"\x02" + bytes(body)


def read_to_the_end(machine: Machine, voice: Voice, them: RawSpeaker) -> bool:
    """Whether all that was sent has been read, which the route sent last shows; False when the session ended."""
    mark = voice.numbered(MARK)
    with suppress(OSError):
        them.send_bytes(voice.good(mark))
    return eventually(lambda: outcome(machine, voice, mark), 30.0, 0.01) == "read"


def outcome(machine: Machine, voice: Voice, mark: str) -> str:
    return "read" if machine.paths(mark) else "" if machine.up(voice.address) else "ended"


@pytest.mark.parametrize("voice", [FOUR, SIX], ids=["IPv4", "IPv6"])
def test_thousands_of_mutations_never_end_birdpy_nor_another_session(fabric: Fabric, voice: Voice) -> None:
    """After each dozen the peer is believed again; some were bad enough to end their session, most were not."""
    n1, n2 = two(fabric)
    fabric.put(switch=peer(peer_ip=voice.address))
    ends = [0, 0]

    @settings(max_examples=SESSIONS, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.binary(min_size=8 * AT_ONCE, max_size=8 * AT_ONCE))
    def believed_again(recipes: bytes) -> None:
        with dialled(n1, voice) as them:
            with suppress(OSError):
                for start in range(0, len(recipes), 8):
                    them.send_bytes(mutant(voice, recipes[start : start + 8]))
            ends[read_to_the_end(n1, voice, them)] += 1
        assert n1.process is not None and n1.process.poll() is None

    with only_this_session_suffers(n1, n2), fabric.beside(9):
        believed_again()
        with dialled(n1, voice):
            assert n1.up(voice.address) and n1.up("172.20.0.2") and n1.up("fd20::2")
    ended, read = ends
    assert ended > 10 and read > 2, ends
    assert "notification sent (3," in n1.log() and '"malformed update withdrawn"' in n1.log()
