"""A peer made of a socket that speaks with n1, and what must not suffer from it, whatever it says."""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from tests.interop.neighbours import PREFIX, dropped, soon
from tests.netns.fabric import Machine
from tests.speakers import RawSpeaker, attribute

SESSION = "Node_172_20_0_9"
ORIGIN = attribute(1, b"\x00")
AS_PATH = attribute(2, b"\x02\x01" + struct.pack("!H", 65009))
NEXT_HOP = attribute(3, socket.inet_aton("172.20.0.9"))
GOOD = ORIGIN + AS_PATH + NEXT_HOP
NLRI = bytes([24, 203, 0, 113])
CAPABILITIES = b"\x01\x04\x00\x01\x00\x01"


@contextmanager
def only_this_session_suffers(*machines: Machine) -> Iterator[None]:
    """Neither birdpy nor ExaBGP is another one at the end, and the sessions with 9 are all that ever went down."""
    before = [(machine.process, machine.exabgp()) for machine in machines]
    yield
    for machine in machines:
        assert machine.process is not None and machine.process.poll() is None
        assert dropped(machine) <= {SESSION}
    assert [(machine.process, machine.exabgp()) for machine in machines] == before
    assert '"level":"error"' not in "".join(m.log() for m in machines).replace(" ", "")


@contextmanager
def spoken(listening: socket.socket, machine: Machine) -> Iterator[RawSpeaker]:
    """A session of a raw peer with n1, which has `PREFIX` from it in its kernel; closed at the end."""
    connection, _ = listening.accept()
    with connection:
        them = RawSpeaker(connection, 65009)
        them.establish("172.20.0.9", CAPABILITIES)
        them.update(GOOD, NLRI)
        soon(lambda: machine.routes().get(PREFIX) == "via 172.20.0.9 dev eth1 proto bird")
        yield them


def message(kind: int, body: bytes, marker: bytes = b"\xff" * 16) -> bytes:
    """One BGP message."""
    return marker + struct.pack("!HB", 19 + len(body), kind) + body


def update(attributes: bytes, nlri: bytes = NLRI) -> bytes:
    """One UPDATE."""
    return message(2, b"\x00\x00" + struct.pack("!H", len(attributes)) + attributes + nlri)
