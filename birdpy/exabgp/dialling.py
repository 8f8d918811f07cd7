"""Edge: how ExaBGP dials, mended: a connection that cannot be made is told with its reason. Runs in ExaBGP's process.

As shipped a refused connection counts as made, until the first write on it fails; and why one could not be made is
in no line of its JSON. Here it is told as a `down` of the neighbour whose reason begins with `UNREACHED`.
"""

import os
import select
import socket
import time
from collections.abc import Iterator
from typing import Any

UNREACHED = "unreached: "
AGAIN_S = 5.0  # the same reason is told again after this


def patch_dialling() -> None:
    """`Outgoing.establish` finds out why it fails, `Protocol.connect` tells it."""
    from exabgp.reactor.network.error import NetworkError
    from exabgp.reactor.network.outgoing import Outgoing
    from exabgp.reactor.protocol import Protocol

    told: dict[str, tuple[str, float]] = {}  # peer address -> what was told last, and when

    def tell(self: Any, issue: str) -> None:
        neighbor, now = self.peer.neighbor, time.monotonic()
        address = str(neighbor["peer-address"])
        before, at = told.get(address, ("", 0.0))
        if issue and (issue != before or now - at >= AGAIN_S):
            told[address] = (issue, now)
            self.peer.reactor.processes.down(neighbor, UNREACHED + issue)

    original = Protocol.connect

    def connect(self: Any) -> Iterator[bool]:
        try:
            for step in original(self):
                tell(self, getattr(self.connection, "issue", ""))
                yield step
        except NetworkError as error:
            tell(self, str(error))
            raise

    Outgoing.establish = establish
    Protocol.connect = connect


def establish(self: Any) -> Iterator[bool]:
    """In place of `Outgoing.establish`: False while under way, True at the end; NotConnected says why not."""
    from exabgp.reactor.network.error import NotConnected

    self.issue = ""
    while (refusal := self._connect()) is not None:
        self.issue = reason_of(refusal)
        yield False
    while (code := outcome(self.io)) is None:
        yield False
    if code:
        raise NotConnected(os.strerror(code))
    self.issue = ""
    self.success()
    if not self.local:
        self.local = self.io.getsockname()[0]
    yield True


def outcome(connection: Any) -> int | None:
    """None while the handshake is under way; else its errno, 0 when the connection is made."""
    poller = select.poll()
    poller.register(connection, select.POLLOUT | select.POLLERR)
    return int(connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)) if poller.poll(0) else None


def reason_of(error: BaseException) -> str:
    """The kernel's words where ExaBGP wraps them: `Could not connect to peer 10.0.0.9:179 (... [Errno 101] ...)`."""
    cause = error.__context__ or error
    return (cause.strerror or str(cause)) if isinstance(cause, OSError) else str(error)
