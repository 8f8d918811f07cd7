"""Messages are cut out of whatever pieces a connection is read in."""

import socket
from collections.abc import Iterator

import pytest
from exabgp.reactor.network.error import LostConnection, NotConnected

from birdpy.exabgp.bursts import read


class Connection:
    """The face of ExaBGP's connection that `read` sees."""

    def __init__(self, io: socket.socket) -> None:
        self.io: socket.socket | None = io
        self.inbox = bytearray()

    def close(self) -> None:
        """As ExaBGP's."""
        if self.io is not None:
            self.io.close()
        self.io = None


@pytest.fixture
def ends() -> Iterator[tuple[Connection, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Connection(ours), theirs


def test_what_comes_in_pieces_is_handed_out_whole(ends: tuple[Connection, socket.socket]) -> None:
    connection, peer = ends
    reading = read(connection, 4)
    assert next(reading) == b""
    peer.sendall(b"ab")
    assert next(reading) == b""
    peer.sendall(b"cdefghij")
    assert list(reading) == [b"abcd"]
    assert list(read(connection, 5)) == [b"efghi"]
    assert bytes(connection.inbox) == b"j"


def test_what_came_before_the_end_is_handed_out_before_the_end_is_told(
    ends: tuple[Connection, socket.socket],
) -> None:
    connection, peer = ends
    peer.sendall(b"abcdef")
    assert list(read(connection, 3)) == [b"abc"]
    peer.close()
    assert list(read(connection, 3)) == [b"def"]
    with pytest.raises(LostConnection):
        list(read(connection, 1))
    with pytest.raises(NotConnected):
        list(read(connection, 1))


def test_two_connections_never_share_what_came(ends: tuple[Connection, socket.socket]) -> None:
    connection, peer = ends
    shared = connection.inbox
    peer.sendall(b"abcdef")
    assert list(read(connection, 3)) == [b"abc"]
    assert not shared
