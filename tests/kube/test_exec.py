"""A program run in a pod, and `--node` of a cluster, against a server that speaks the API server's side of it."""

import base64
import contextlib
import hashlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from felixpy.datastore.kubernetes.access import from_kubeconfig
from felixpy.datastore.kubernetes.exec import run_in_pod
from felixpy.model.errors import Trouble, Unreachable
from tests.kube.server import ApiServer

MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3
Frames = Callable[[dict[str, list[str]]], list[bytes]]


def frame(code: int, data: bytes, *, last: bool = True) -> bytes:
    length = len(data)
    size = b"\x7f" + length.to_bytes(8, "big") if length > 0xFFFF else b"\x7e" + (length & 0xFFFF).to_bytes(2, "big")
    size = bytes([length]) if length < 126 else size
    return bytes([(0x80 if last else 0) | code]) + size + data


def ended(code: int = 0) -> bytes:
    status = {"status": "Success"}
    if code:
        causes = [{"reason": "ExitCode", "message": str(code)}]
        status = {"status": "Failure", "message": "exited", "details": {"causes": causes}}  # type: ignore[dict-item]
    return frame(2, b"\x03" + json.dumps(status).encode())


@contextlib.contextmanager
def answering(
    server: ApiServer, folder: Path, frames: Frames, status: str = "101 Switching Protocols"
) -> Iterator[Path]:
    """A kubeconfig that leads to somebody who upgrades to a WebSocket and sends `frames` of what was asked."""
    assert server.control is not None
    pki = server.control.folder / "pki"
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pki / "apiserver.crt", pki / "apiserver.key")
    tls.set_alpn_protocols(["http/1.1"])
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            plain, _ = listening.accept()
            with tls.wrap_socket(plain, server_side=True) as connection:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += connection.recv(4096)
                lines = head.decode().split("\r\n")
                fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
                key = hashlib.sha1((fields["Sec-WebSocket-Key"] + MAGIC).encode()).digest()
                accept = base64.b64encode(key).decode()
                answer = f"HTTP/1.1 {status}\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
                asked = parse_qs(urlsplit(lines[0].split()[1]).query)
                asked["authorization"] = [fields.get("Authorization", fields.get("authorization", ""))]
                connection.sendall(answer.encode() + b"".join(frames(asked)))
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(4096):  # a pong that meets a closed socket would take unread data along
                    pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(
        f"current-context: c\nclusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:"
        f"{listening.getsockname()[1]}', certificate-authority: {pki}/ca.crt}}}}]\n"
        "contexts: [{name: c, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {token: secret}}]\n"
    )
    try:
        yield kubeconfig
    finally:
        listening.close()
        thread.join(5)


def test_output_complaint_and_exit_code_come_back(api_server: ApiServer, tmp_path: Path) -> None:
    seen: list[dict[str, list[str]]] = []

    def frames(asked: dict[str, list[str]]) -> list[bytes]:
        seen.append(asked)
        return [
            frame(2, b"\x01"),
            frame(9, b"ping"),
            frame(2, b"\x01hel", last=False),
            frame(0, b"lo " + b"x" * 300),
            frame(2, b"\x01" + b"y" * 70000),
            frame(2, b"\x02no\n"),
            ended(3),
            frame(8, b""),
        ]

    with answering(api_server, tmp_path, frames) as kubeconfig:
        done = run_in_pod(from_kubeconfig(kubeconfig), "felixpy", "felixpy-x", ["felixpy", "ask", '{"a": 1}'])
    assert (done.code, done.complaint) == (3, "no")
    assert done.output == b"hello " + b"x" * 300 + b"y" * 70000
    assert seen[0]["command"] == ["felixpy", "ask", '{"a": 1}'] and seen[0]["authorization"] == ["Bearer secret"]


def test_a_program_that_ends_well_is_code_0(api_server: ApiServer, tmp_path: Path) -> None:
    with answering(api_server, tmp_path, lambda _: [frame(2, b"\x01ok"), ended()]) as kubeconfig:
        done = run_in_pod(from_kubeconfig(kubeconfig), "felixpy", "x", ["true"])
    assert (done.code, done.output, done.complaint) == (0, b"ok", "")


def test_who_may_not_is_told_which_right_is_missing(api_server: ApiServer, tmp_path: Path) -> None:
    with (
        answering(api_server, tmp_path, lambda _: [b"forbidden"], "403 Forbidden") as kubeconfig,
        pytest.raises(Trouble, match="must allow get and create on pods/exec"),
    ):
        run_in_pod(from_kubeconfig(kubeconfig), "felixpy", "x", ["true"])


@pytest.mark.parametrize("garbage", [[b""], [b"\x82\x05\x01a"], [frame(2, b"\x03{")]])
def test_a_connection_that_breaks_off_is_no_success(
    api_server: ApiServer, tmp_path: Path, garbage: list[bytes]
) -> None:
    with answering(api_server, tmp_path, lambda _: garbage) as kubeconfig:
        try:
            done = run_in_pod(from_kubeconfig(kubeconfig), "felixpy", "x", ["true"])
        except Unreachable:
            return
    assert done.code
