"""The bounded backlog between ExaBGP and birdpy."""

import os
import socket
import threading

import pytest

from birdpy.exabgp import bridge
from birdpy.exabgp.bridge import Backlog

ROUTE = b'{ "type": "update", "announce": "x" }'
EOR = b'{ "type": "update", "message": { "eor": {} } }'
STATE = b'{ "type": "state" }'


def drained(backlog: Backlog) -> bytes:
    out = b""
    while chunk := backlog.first():
        out += chunk
        backlog.take(len(chunk))
    return out


def test_below_the_limit_bytes_pass_unchanged() -> None:
    backlog = Backlog(1000)
    backlog.put(b"ab\nc")
    backlog.put(b"d\n")
    backlog.take(1)
    assert drained(backlog) == b"b\ncd\n"
    assert len(backlog) == 0


def test_an_overflow_drops_only_what_can_be_asked_for_again() -> None:
    backlog = Backlog(300)
    backlog.put(b"\n".join([STATE, ROUTE, b"done", EOR, ROUTE, b""]))
    backlog.put(b"\n".join([ROUTE] * 4 + [b"error", b'{ "type": "up']))
    assert drained(backlog).split(b"\n") == [b"overflow 6", STATE, b"done", EOR, b"error", b'{ "type": "up']


def test_a_line_that_was_begun_is_finished() -> None:
    backlog = Backlog(200)
    backlog.put(ROUTE + b"\n")
    backlog.take(5)
    backlog.put((ROUTE + b"\n") * 6)
    first, second, *rest = drained(backlog).split(b"\n")
    assert (first, second, rest) == (ROUTE[5:], b"overflow 6", [b""])


def test_what_may_not_be_dropped_and_is_too_much_is_an_error() -> None:
    backlog = Backlog(100)
    with pytest.raises(OverflowError):
        backlog.put((STATE + b"\n") * 10)


def test_lines_and_commands_cross_and_the_end_of_one_side_ends_the_bridge() -> None:
    exabgp_out, to_bridge = os.pipe()
    from_bridge, exabgp_in = os.pipe()
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=bridge.run, args=(exabgp_out, exabgp_in, theirs.detach()))
    thread.start()
    os.write(to_bridge, STATE + b"\n")
    assert ours.recv(100) == STATE + b"\n"
    ours.sendall(b"show\n")
    assert os.read(from_bridge, 100) == b"show\n"
    ours.close()
    thread.join(5)
    assert not thread.is_alive()
    for descriptor in (exabgp_out, to_bridge, from_bridge, exabgp_in):
        os.close(descriptor)


def test_the_writer_is_never_held_up_by_a_reader_that_sleeps() -> None:
    exabgp_out, to_bridge = os.pipe()
    from_bridge, exabgp_in = os.pipe()
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=bridge.run, args=(exabgp_out, exabgp_in, theirs.detach()))
    thread.start()
    written = 0
    for _ in range(20):  # far more than pipe and socket hold; each write would block for ever without the bridge
        written += os.write(to_bridge, (ROUTE + b"\n") * 2000)
    received = 0
    while received < written:
        received += len(ours.recv(1 << 20))
    ours.close()
    thread.join(5)
    for descriptor in (exabgp_out, to_bridge, from_bridge, exabgp_in):
        os.close(descriptor)
