"""A peer that means no good: `python -m tests.chaos.stranger garbage|flood|deaf SEED`, run on the host beside n1."""

import contextlib
import socket
import struct
import sys
import time
from random import Random

from tests.speakers import RawSpeaker, attribute, raw

ADDRESS, ASN = "10.9.9.0", 65666
ORIGIN = attribute(1, b"\x00")
AS_PATH = attribute(2, b"\x02\x01" + struct.pack("!H", ASN))
NEXT_HOP = attribute(3, socket.inet_aton(ADDRESS))
GOOD = ORIGIN + AS_PATH + NEXT_HOP
ROUTES = 20_000


def garbage(speaker: RawSpeaker, chance: Random) -> None:
    """UPDATEs with a few bytes wrong, and at last bytes that are no message."""
    for number in range(200):
        body = bytearray(struct.pack("!HH", 0, len(GOOD)) + GOOD + bytes([24, 20, number % 200, 0]))
        for _ in range(chance.randrange(1, 4)):
            body[chance.randrange(len(body))] = chance.randrange(256)
        speaker.send(2, bytes(body))
        time.sleep(0.01)
    speaker.send_bytes(chance.randbytes(500))


def flood(speaker: RawSpeaker, chance: Random) -> None:
    """More routes than anybody may tell, and then the same again and again."""
    prefixes = [bytes([24, 20 + number // 65536, number // 256 % 256, number % 256]) for number in range(ROUTES)]
    chance.shuffle(prefixes)
    while True:
        for start in range(0, ROUTES, 500):
            speaker.update(GOOD, b"".join(prefixes[start : start + 500]))


def deaf(_: RawSpeaker, __: Random) -> None:
    """Not a byte is read any more."""
    time.sleep(60)


def speak(manner: str, seed: str) -> None:
    """Answer whoever dials, in that manner, until somebody ends this process."""
    chance = Random(seed)
    work = {"garbage": garbage, "flood": flood, "deaf": deaf}[manner]
    with raw(ADDRESS) as listening:
        while True:
            with contextlib.suppress(OSError, AssertionError), listening.accept()[0] as connection:
                speaker = RawSpeaker(connection, ASN)
                speaker.establish("10.9.9.9", b"\x01\x04\x00\x01\x00\x01")
                work(speaker, chance)


if __name__ == "__main__":
    speak(sys.argv[1], sys.argv[2])
