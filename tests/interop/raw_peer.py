"""A peer made of a socket that speaks with n1, and what must not suffer from it, whatever it says."""

import json
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_network

from tests.interop.neighbours import PREFIX, dropped, soon
from tests.netns.fabric import Machine
from tests.speakers import RawSpeaker, attribute, eventually

ORIGIN = attribute(1, b"\x00")
AS_PATH = attribute(2, b"\x02\x01" + struct.pack("!H", 65009))
NEXT_HOP = attribute(3, socket.inet_aton("172.20.0.9"))
GOOD = ORIGIN + AS_PATH + NEXT_HOP
NLRI = bytes([24, 203, 0, 113])


def message(kind: int, body: bytes, marker: bytes = b"\xff" * 16) -> bytes:
    """One BGP message."""
    return marker + struct.pack("!HB", 19 + len(body), kind) + body


def update(attributes: bytes, nlri: bytes = NLRI) -> bytes:
    """One UPDATE."""
    return message(2, b"\x00\x00" + struct.pack("!H", len(attributes)) + attributes + nlri)


def packed(prefix: str) -> bytes:
    """A prefix as it is in an UPDATE."""
    found = ip_network(prefix)
    return bytes([found.prefixlen]) + found.network_address.packed[: (found.prefixlen + 7) // 8]


@dataclass(frozen=True, slots=True)
class Voice:
    """How the peer speaks over IPv4, and how over IPv6."""

    address: str
    prefix: str  # that it has from its start
    capabilities: bytes
    pattern: str  # of further prefixes

    def parts(self, prefix: str) -> tuple[tuple[bytes, ...], bytes]:
        """The attributes, each for itself, and the NLRI of a good UPDATE for `prefix`."""
        if ":" not in self.address:
            return (ORIGIN, AS_PATH, NEXT_HOP), packed(prefix)
        hop = b"\x10" + socket.inet_pton(socket.AF_INET6, self.address) + b"\x00"
        return (ORIGIN, AS_PATH, attribute(14, b"\x00\x02\x01" + hop + packed(prefix), 0x80)), b""

    def good(self, prefix: str = "") -> bytes:
        """A good UPDATE."""
        attributes, nlri = self.parts(prefix or self.prefix)
        return update(b"".join(attributes), nlri)

    def numbered(self, number: int) -> str:
        """One of its further prefixes."""
        return self.pattern.format(number)


FOUR = Voice("172.20.0.9", PREFIX, b"\x01\x04\x00\x01\x00\x01", "20.0.{}.0/24")
SIX = Voice("fd20::9", "2001:db8:1::/48", b"\x01\x04\x00\x02\x00\x01", "2001:db8:f{:03x}::/48")
SESSIONS = {"Node_172_20_0_9", "Node_fd20__9"}


@contextmanager
def only_this_session_suffers(*machines: Machine) -> Iterator[None]:
    """Neither birdpy nor ExaBGP is another one at the end, and the sessions with 9 are all that ever went down.

    Nor was there a line of ExaBGP's that could not be read.
    """
    before = [(machine.process, machine.exabgp()) for machine in machines]
    yield
    for machine in machines:
        assert machine.process is not None and machine.process.poll() is None
        assert dropped(machine) <= SESSIONS
    assert [(machine.process, machine.exabgp()) for machine in machines] == before
    said = [json.loads(line) for machine in machines for line in machine.log().splitlines()]
    assert [each for each in said if each["level"] == "error" or "not understood" in str(each)] == []


@contextmanager
def spoken(listening: socket.socket, machine: Machine, voice: Voice = FOUR) -> Iterator[RawSpeaker]:
    """A session of a raw peer with n1, which has its prefix in its kernel; closed at the end."""
    connection, _ = listening.accept()
    with connection:
        yield begun(connection, machine, voice)


@contextmanager
def dialled(machine: Machine, voice: Voice = FOUR) -> Iterator[RawSpeaker]:
    """The same, where the peer dials: it need not wait for our next attempt."""
    connection = eventually(lambda: answered(voice), 30.0, 0.01)
    assert connection is not None
    with connection:
        yield begun(connection, machine, voice)


def answered(voice: Voice) -> socket.socket | None:
    """A connection with n1 on which n1 says OPEN; None while it has another one."""
    ours = "fd20::1" if ":" in voice.address else "172.20.0.1"
    connection = socket.create_connection((ours, 179), timeout=5, source_address=(voice.address, 0))
    try:
        if connection.recv(19, socket.MSG_PEEK | socket.MSG_WAITALL)[18:] == b"\x01":
            return connection
    except OSError:
        pass
    connection.close()
    return None


def begun(connection: socket.socket, machine: Machine, voice: Voice) -> RawSpeaker:
    them = RawSpeaker(connection, 65009)
    them.establish("172.20.0.9", voice.capabilities)
    them.send_bytes(voice.good())
    via = f"via {voice.address} dev eth1 proto bird"
    eventually(lambda: machine.routes().get(voice.prefix) == via, 30.0, 0.01)
    return them


def lost(machine: Machine, voice: Voice = FOUR) -> None:
    """Wait until n1 has nothing of the peer any more."""
    soon(lambda: not machine.up(voice.address) and voice.prefix not in machine.routes())
