"""UPDATEs that are almost well formed: with attributes twice or unknown, and spoiled at random."""

import random
from contextlib import suppress

import pytest

from tests.interop.neighbours import PREFIX, dropped, peer, soon, two
from tests.interop.raw_peer import GOOD, NLRI, only_this_session_suffers, spoken, update
from tests.netns.fabric import Fabric
from tests.speakers import attribute, raw

pytestmark = [pytest.mark.root, pytest.mark.interop]
SEED, SESSIONS, UPDATES = 4271, 6, 60


def test_an_attribute_that_comes_twice_or_that_nobody_knows_costs_nothing(fabric: Fabric) -> None:
    """RFC 7606 §3 g: the first of two counts. An optional attribute that is not known is no error (RFC 4271 §9)."""
    n1, n2 = two(fabric)
    fabric.put(switch=peer())
    first, second = (attribute(4, bytes([0, 0, 0, value]), 0x80) for value in (7, 8))
    with (
        only_this_session_suffers(n1, n2), fabric.beside(9), raw("172.20.0.9") as listening,
        spoken(listening, n1) as them,
    ):  # fmt: skip
        them.send_bytes(update(GOOD + first + second))
        soon(lambda: n1.paths(PREFIX)[0]["med"] == 7)
        them.send_bytes(update(GOOD + attribute(4, b"\x00\x00\x00\x09", 0x80) + attribute(201, b"what", 0xC0)))
        soon(lambda: n1.paths(PREFIX)[0]["med"] == 9)
        assert n1.up("172.20.0.9") and PREFIX in n1.routes() and not dropped(n1)


def test_updates_spoiled_at_random_never_end_birdpy_nor_another_session(fabric: Fabric) -> None:
    """Each has up to three bytes of its attributes or prefixes changed; afterwards a good peer is believed again."""
    n1, n2 = two(fabric)
    fabric.put(switch=peer())
    chance = random.Random(SEED)
    rich = GOOD + attribute(4, b"\x00\x00\x00\x01", 0x80) + attribute(8, bytes.fromhex("fdf10001fdf10002"), 0xC0)
    with only_this_session_suffers(n1, n2), fabric.beside(9), raw("172.20.0.9") as listening:
        listening.settimeout(30)
        for _ in range(SESSIONS):
            with spoken(listening, n1) as them, suppress(ConnectionError, BrokenPipeError):
                for _ in range(UPDATES):
                    spoiled = bytearray(update(rich, NLRI + bytes([24, 198, 51, 100])))
                    for _ in range(chance.randint(1, 3)):
                        spoiled[chance.randrange(23, len(spoiled))] = chance.randrange(256)
                    them.send_bytes(bytes(spoiled))
                them.update(GOOD, bytes([24, 198, 51, 101]))
                soon(lambda: "198.51.101.0/24" in n1.routes() or not n1.up("172.20.0.9"))  # all of it was read
            soon(lambda: PREFIX not in n1.routes())
        with spoken(listening, n1):
            assert n1.up("172.20.0.9") and n1.up("172.20.0.2")
        assert "notification sent (3," in n1.log()  # some were bad enough
