"""A program run in a pod, through the API server (pods/exec, WebSocket subprotocol v4.channel.k8s.io). Edge.

For the command line alone, so it waits for what it needs: one connection, one program, its output. RFC 6455 as far as
that takes: this side sends no data, only pongs and its close.
"""

import base64
import os
import socket
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

import msgspec

from felixpy.datastore.kubernetes.access import Access
from felixpy.model.errors import Trouble, Unreachable

PATIENCE_S = 30.0
MAX_HEAD = 64 << 10
STDOUT, STDERR, STATUS = 1, 2, 3  # the first byte of each message
TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA


@dataclass(frozen=True, slots=True)
class Finished:
    """A program that has ended."""

    code: int
    output: bytes
    complaint: str


class Cause(msgspec.Struct):
    """metav1.StatusCause."""

    reason: str = ""
    message: str = ""


class Details(msgspec.Struct):
    """metav1.StatusDetails."""

    causes: list[Cause] = []


class Ended(msgspec.Struct):
    """How the program ended: a metav1.Status."""

    status: str = ""
    message: str = ""
    details: Details | None = None


def run_in_pod(access: Access, namespace: str, pod: str, argv: Sequence[str]) -> Finished:
    """Run `argv` in the first container of a pod. Unreachable, or Trouble with the server's words."""
    where = f"pod {namespace}/{pod}"
    parameters = urlencode([*(("command", word) for word in argv), ("stdout", "true"), ("stderr", "true")])
    path = f"{access.base}/api/v1/namespaces/{namespace}/pods/{pod}/exec?{parameters}"
    access.tls.set_alpn_protocols(["http/1.1"])  # an upgrade is HTTP/1.1's
    try:
        with socket.create_connection((access.host, access.port), PATIENCE_S) as plain:
            name = access.server_name or access.host
            with access.tls.wrap_socket(plain, server_hostname=name) as connection:
                rest = _upgrade(connection, access, path, where)
                return _finished(_messages(connection, rest))
    except (OSError, EOFError, msgspec.MsgspecError) as error:
        raise Unreachable(f"{access.authority}: {where}: {str(error) or 'the connection ended'}") from error


def _upgrade(connection: ssl.SSLSocket, access: Access, path: str, where: str) -> bytes:
    """Ask for the WebSocket; what has come of it already."""
    key = base64.b64encode(os.urandom(16)).decode()
    head = [
        f"GET {path} HTTP/1.1",
        f"Host: {access.authority}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Protocol: v4.channel.k8s.io",
        *(f"{name}: {value}" for name, value in access.credentials(False)),
    ]
    connection.sendall("\r\n".join((*head, "", "")).encode())
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(connection)
        if len(data) > MAX_HEAD:
            raise Unreachable(f"{access.authority}: no HTTP answer")
    answer, _, rest = data.partition(b"\r\n\r\n")
    status = answer.split(b"\r\n")[0].decode(errors="replace")
    if " 101 " not in f"{status} ":
        said = rest.decode(errors="replace")[:300]
        hint = "; the role of who asks must allow get and create on pods/exec" if " 403" in status else ""
        raise Trouble(f"{access.authority}: no program can be run in {where}: {status} {said}{hint}")
    return rest


def _finished(messages: Iterator[bytes]) -> Finished:
    output, complaint, code = bytearray(), bytearray(), 1
    for message in messages:
        channel, data = message[0], message[1:]
        if channel == STDOUT:
            output += data
        elif channel == STDERR:
            complaint += data
        elif channel == STATUS and data:
            ended = msgspec.json.decode(data, type=Ended)
            causes = ended.details.causes if ended.details else []
            codes = [cause.message for cause in causes if cause.reason == "ExitCode"]
            code = 0 if ended.status == "Success" else int(codes[0]) if codes and codes[0].isdecimal() else 1
            complaint += b"" if codes or not code else ended.message.encode()
    return Finished(code, bytes(output), complaint.decode(errors="replace").strip())


def _messages(connection: ssl.SSLSocket, rest: bytes) -> Iterator[bytes]:
    """The messages until the server closes; empty ones are left out."""
    buffer, message = bytearray(rest), bytearray()

    def take(count: int) -> bytes:
        while len(buffer) < count:
            buffer.extend(_some(connection))
        data = bytes(buffer[:count])
        del buffer[:count]
        return data

    while True:
        try:
            first, second = take(2)
        except EOFError:
            return
        length = second & 0x7F
        if length > 125:
            length = int.from_bytes(take(2 if length == 126 else 8), "big")
        data, code = take(length), first & 0x0F
        if code == CLOSE:
            return
        if code == PING:
            connection.sendall(_frame(PONG, data))
        elif code in (0, TEXT, BINARY):
            message += data
            if first & 0x80:
                if message:
                    yield bytes(message)
                message.clear()


def _frame(code: int, data: bytes) -> bytes:
    """A short frame of a client, which must be masked; the mask may be any, RFC 6455 §5.3 is about proxies."""
    return bytes((0x80 | code, 0x80 | len(data))) + bytes(4) + data


def _some(connection: ssl.SSLSocket) -> bytes:
    data = connection.recv(64 << 10)
    if not data:
        raise EOFError
    return data
