"""One NETLINK_ROUTE socket for requests: many messages a send, whole dumps, the kernel's own words for a refusal.

The kernel works inside `send`: when it returns the answer is already queued. So nothing here awaits; callers with
much to do send in slices and let the loop turn in between. Measured: 3.7 us a route, as a C program that batches;
pyroute2's own calls take 125 to 260 us, and importing it 130 ms and 12 MB, so it stays out of the daemons (it
serves the tests as the oracle for our bytes).

A request socket is never bound to groups: a notification could carry the sequence number of our request.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from felixpy.kernel.rtnetlink import (
    ERROR,
    HEADER,
    NLM_F_ACK,
    NLM_F_ACK_TLVS,
    NLM_F_CAPPED,
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLMSG_DONE,
    NLMSG_ERROR,
    Message,
    attributes,
    c_string,
    message,
    messages,
)
from felixpy.model.errors import Refused, Unreachable

SOL_NETLINK = 270
NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK = 10, 11, 12
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33
BUFFER_BYTES = 4 << 20  # holds the answers of 256 refused messages many times over
ANSWER_TIMEOUT_S = 10  # deleting a link takes 20 ms; nothing the kernel does under rtnl takes seconds
DUMP_ATTEMPTS = 8  # a dump that changes while it is read is read again
DATAGRAM_BYTES = 1 << 16  # the kernel puts at most 32 KiB of a dump into one
BATCH = 256  # messages a send: 32 or more are equally fast, and 256 hold the kernel's lock for about 1 ms
MSGERR_ATTR_MSG = 1


@dataclass(frozen=True, slots=True)
class Failure:
    """The kernel's no to one message: errno, and its sentence (extended ack) or ""."""

    code: int
    text: str = ""

    def __str__(self) -> str:
        return f"{os.strerror(self.code)} ({self.text})" if self.text else os.strerror(self.code)

    def refused(self, key: object, what: str = "") -> Refused:
        """As the answer for `key`; `what` names what it was about: `dev cali0123`."""
        if self.code == errno.EPERM:
            return Refused(key, "the kernel does not let us: CAP_NET_ADMIN is missing", self.code)
        return Refused(key, f"{what}: {self}" if what else str(self), self.code)


class Netlink:
    """A socket for requests; `port` is its port id, by which a Monitor leaves out our own changes.

    `sock` may come from another namespace: everything then happens there. Not for use by several threads.
    """

    def __init__(self, sock: socket.socket | None = None) -> None:
        self._lent = sock is not None
        self._sock = _open() if sock is None else sock
        self._prepare()

    def _prepare(self) -> None:
        sock = self._sock
        for force, plain in ((SO_RCVBUFFORCE, socket.SO_RCVBUF), (SO_SNDBUFFORCE, socket.SO_SNDBUF)):
            try:
                sock.setsockopt(socket.SOL_SOCKET, force, BUFFER_BYTES)
            except PermissionError:
                sock.setsockopt(socket.SOL_SOCKET, plain, BUFFER_BYTES)
        for option in (NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK):
            sock.setsockopt(SOL_NETLINK, option, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", ANSWER_TIMEOUT_S, 0))
        sock.setblocking(True)
        if not sock.getsockname()[0]:
            sock.bind((0, 0))
        self.port: int = sock.getsockname()[0]
        self._into = bytearray(DATAGRAM_BYTES)

    def close(self) -> None:
        """Let go of the socket, unless it was lent."""
        if not self._lent:
            self._sock.close()

    def __del__(self) -> None:
        with suppress(AttributeError):  # it never came to have a socket
            self.close()

    def send(self, requests: Sequence[bytes]) -> Mapping[int, Failure]:
        """Carry out all `requests`, in their order, `BATCH` to a send; what failed, by place in `requests`.

        One that fails stops none of the others. Unreachable when the socket itself fails.
        """
        failures: dict[int, Failure] = {}
        for start in range(0, len(requests), BATCH):
            batch = requests[start : start + BATCH]
            data = bytearray().join(batch)
            at = 0
            for place, request in enumerate(batch, 1):
                struct.pack_into("=I", data, at + 8, place)
                at += len(request)
            found = self.exchange(data, len(batch), at - len(batch[-1]))
            failures.update((start + place, failure) for place, failure in found.items())
        return failures

    def exchange(self, data: bytearray | memoryview, count: int, last: int) -> Mapping[int, Failure]:
        """Send `count` messages numbered 1 to `count`, the last of which begins at `last`; failures by place from 0.

        Only the last one asks for an acknowledgement: the kernel reports every error without being asked, and
        leaving the others out saves 1 to 2 us a message.
        """
        flags = struct.unpack_from("=H", data, last + 6)[0]
        struct.pack_into("=H", data, last + 6, flags | NLM_F_ACK)
        try:
            self._sock.send(data)
            failures = self._answers(count)
        except OSError as error:
            raise self._broken(error) from error
        struct.pack_into("=H", data, last + 6, flags)
        return failures

    def _answers(self, count: int) -> Mapping[int, Failure]:
        failures: dict[int, Failure] = {}
        while True:
            size = self._sock.recv_into(self._into)
            if size == 36 and HEADER.unpack_from(self._into)[3] == count and not ERROR.unpack_from(self._into, 16)[0]:
                return failures  # by far the most frequent answer: the acknowledgement and nothing else
            for found in messages(bytes(memoryview(self._into)[:size])):
                failure = failure_of(found)
                if failure is not None:
                    failures[found.sequence - 1] = failure
                if found.sequence == count and found.kind == NLMSG_ERROR:
                    return failures

    def get(self, kind: int, body: bytes, flags: int = 0) -> Message | Failure:
        """Ask one question that has one answer."""
        try:
            self._sock.send(message(kind, flags, body, 1))
            (answer, *_) = messages(self._sock.recv(DATAGRAM_BYTES))
        except OSError as error:
            raise self._broken(error) from error
        return failure_of(answer) or answer

    def dump(self, kind: int, body: bytes) -> list[bytes]:
        """The datagrams of a whole dump, all from one unchanged table; none when the routing table does not exist.

        Refused with the kernel's reason; Unreachable when the table changes each time it is read.
        """
        for _ in range(DUMP_ATTEMPTS):
            try:
                self._sock.send(message(kind, NLM_F_DUMP, body, 1))
                chunks, done, interrupted = self._dumped()
            except OSError as error:
                raise self._broken(error) from error
            failure = failure_of(done)
            if failure is not None and failure.code != errno.ENOENT:
                raise failure.refused("dump")
            if failure is not None or not interrupted:
                return chunks
        raise Unreachable(f"the kernel's table changed {DUMP_ATTEMPTS} times while it was being read")

    def _dumped(self) -> tuple[list[bytes], Message, bool]:
        """The datagrams, the message that ended them, and whether the table changed in between.

        The kernel marks the first message that it writes after a change, and writes one datagram at a time.
        """
        chunks: list[bytes] = []
        interrupted = False
        while True:
            try:
                chunk = self._sock.recv(DATAGRAM_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:  # the end was there and did not look like one
                chunk, done = b"", next((m for m in messages(chunks[-1]) if m.kind == NLMSG_DONE), None)
                if done is None:
                    raise
            else:
                chunks.append(chunk)
                interrupted = interrupted or bool(HEADER.unpack_from(chunk)[2] & NLM_F_DUMP_INTR)
                done = _end(chunk)
            if done is not None:
                return chunks, done, interrupted or bool(done.flags & NLM_F_DUMP_INTR)

    def _broken(self, error: OSError) -> Unreachable:
        """The socket is of no more use: answers may be missing or still on their way. Take a new one."""
        if not self._lent:
            with suppress(OSError):
                self._sock.close()
            self._sock = _open()
            self._prepare()
        return Unreachable(f"netlink: {error.strerror or error}")


def _open() -> socket.socket:
    try:
        return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    except OSError as error:  # out of descriptors, or a sandbox without netlink
        raise Unreachable(f"netlink: {error.strerror}") from error


def _end(chunk: bytes) -> Message | None:
    """The message that ends a dump, if `chunk` plainly has it: its last 20 bytes, or all of it."""
    if HEADER.unpack_from(chunk, max(0, len(chunk) - 20))[:2] == (20, NLMSG_DONE):
        return next(messages(chunk[-20:]))
    if HEADER.unpack_from(chunk)[1] in (NLMSG_DONE, NLMSG_ERROR):
        return next(messages(chunk))
    return None


def failure_of(found: Message) -> Failure | None:
    """What NLMSG_ERROR or NLMSG_DONE says; None for a plain acknowledgement and for anything else."""
    if found.kind not in (NLMSG_ERROR, NLMSG_DONE) or len(found.body) < 4:
        return None
    (code,) = ERROR.unpack_from(found.body)
    if code >= 0:
        return None
    words = ""
    if found.flags & NLM_F_ACK_TLVS:
        at = 4
        if found.kind == NLMSG_ERROR:  # our request follows, whole unless capped
            (length,) = struct.unpack_from("=I", found.body, 4)
            at += 16 if found.flags & NLM_F_CAPPED else (length + 3) & ~3
        words = c_string(attributes(found.body, at).get(MSGERR_ATTR_MSG, b""))
    return Failure(-code, words)


def dumped(chunks: Sequence[bytes], kind: int) -> Iterator[bytes]:
    """The bodies of the messages of type `kind` in a dump."""
    for chunk in chunks:
        for found in messages(chunk):
            if found.kind == kind:
                yield found.body
