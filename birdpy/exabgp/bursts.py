"""Edge: how ExaBGP takes in many messages at once. A patch like those of exabgp/patches; runs in ExaBGP's process.

As shipped each message costs a turn of the whole loop: two reads and a poll of its connection, an accept of every
listener, a write to its API process, a dozen calls of a log that is off. Here a connection is read in large pieces,
a peer handles what has come together in one turn, and what is told is written once at the end of the turn.
"""

import socket
from collections.abc import Iterator
from typing import Any

READ_BYTES = 1 << 16
MESSAGES = 64  # of one peer in one turn, some milliseconds: commands and the other peers wait no longer
HEADER_BYTES = 19
UPDATE = '{ "type": "update"'  # how a line of exabgp/updates begins


def patch_bursts() -> None:
    """Everything here."""
    patch_reading()
    patch_turns()
    patch_writing()
    patch_log()


def patch_reading() -> None:
    """A connection is read in pieces of `READ_BYTES`; messages are cut out of what has come."""
    from exabgp.reactor.network.connection import Connection

    Connection.inbox = bytearray()  # of one that has received nothing; never changed
    Connection._reader = read


def read(self: Any, number: int) -> Iterator[bytes]:
    """In place of `Connection._reader`: the next `number` bytes, once; empty before they have come.

    Raises NotConnected and LostConnection as the original does.
    """
    from exabgp.reactor.network.error import LostConnection, NetworkError, NotConnected, error

    while len(self.inbox) < number:
        if not self.io:
            self.close()
            raise NotConnected("Trying to read on a closed TCP connection")
        try:
            data = self.io.recv(READ_BYTES, socket.MSG_DONTWAIT)
        except OSError as refusal:
            if refusal.errno in error.block:
                yield b""
                continue
            self.close()
            kind = LostConnection if refusal.errno in error.fatal else NetworkError
            raise kind(f"issue reading on the socket: {refusal}") from None
        if not data:
            self.close()
            raise LostConnection("the TCP connection was closed by the remote end")
        self.inbox = self.inbox + data
    whole = bytes(self.inbox[:number])
    del self.inbox[:number]
    yield whole


def patch_turns() -> None:
    """A peer goes on while messages of it are here, up to `MESSAGES`."""
    from exabgp.reactor.peer import ACTION, Peer

    original = Peer.run

    def run(self: Any) -> Any:
        for _ in range(MESSAGES):
            action = original(self)
            if action != ACTION.NOW or not self.proto or not self.proto.connection:
                break
            if len(self.proto.connection.inbox) < HEADER_BYTES:
                break
        return action

    Peer.run = run


def patch_writing() -> None:
    """UPDATEs are written together: at the end of the turn, and before any other line is."""
    from exabgp.reactor.api.processes import Processes
    from exabgp.reactor.loop import Reactor

    write, wait = Processes.write, Reactor._wait_for_io
    held: list[str] = []

    def flush(self: Any, process: str) -> None:
        text = "\n".join(held)
        held.clear()
        write(self, process, text)

    def writing(self: Any, process: str, line: str | None, neighbor: Any = None) -> bool:
        if line is not None and neighbor is not None and line.startswith(UPDATE):
            held.append(line)
            return True
        if held:
            flush(self, process)
        return bool(write(self, process, line, neighbor))

    def waiting(self: Any, sleeptime_ms: int) -> Iterator[int]:
        if held:
            flush(self.processes, next(iter(self.processes._process)))
        yield from wait(self, sleeptime_ms)

    Processes.write = writing
    Reactor._wait_for_io = waiting


def patch_log() -> None:
    """Nothing is done for lines below the level that is logged, and statistics are not counted for them."""
    from exabgp.logger import log
    from exabgp.reactor.peer import Stats

    def nothing(*_: Any, **__: Any) -> tuple[str, ...]:
        return ()

    log.debug = log.info = nothing
    Stats.changed_statistics = nothing
