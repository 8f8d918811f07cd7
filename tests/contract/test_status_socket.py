"""The status socket: what it answers, and that nothing which comes in hurts it."""

import asyncio
import socket
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from felixpy.daemon.status import Answers, ask, serve
from felixpy.model.errors import Trouble, Unreachable
from felixpy.model.status import OriginStatus


def refuse(_: Mapping[str, Any]) -> None:
    raise Trouble("not today")


async def later(arguments: Mapping[str, Any]) -> dict[str, Any]:
    await asyncio.sleep(0)
    return {"later": dict(arguments)}


ANSWERS: Answers = {
    "echo": dict,
    "record": lambda _: (OriginStatus(kind="pod", name="default/web"),),
    "big": lambda _: ["x" * 1000] * 5000,
    "refuse": refuse,
    "later": later,
}


def with_server(path: Path, use: Callable[[], Any]) -> Any:
    async def main() -> Any:
        server = await serve(path, ANSWERS)
        async with server:
            return await asyncio.to_thread(use)

    return asyncio.run(main())


def raw(path: Path, data: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_question_gets_its_document(tmp_path: Path) -> None:
    path = tmp_path / "felixpy.sock"
    assert with_server(path, lambda: ask(path, "echo", prefix="10.0.0.0/8")) == {"prefix": "10.0.0.0/8"}
    assert with_server(path, lambda: ask(path, "record")) == [{"kind": "pod", "name": "default/web", "rule": ""}]
    assert with_server(path, lambda: ask(path, "later", n=1)) == {"later": {"n": 1}}
    assert len(with_server(path, lambda: ask(path, "big"))) == 5000


def test_trouble_reaches_the_asker_in_the_daemons_words(tmp_path: Path) -> None:
    path = tmp_path / "felixpy.sock"
    with pytest.raises(Trouble, match="not today"):
        with_server(path, lambda: ask(path, "refuse"))
    with pytest.raises(Trouble, match="known: big, echo"):
        with_server(path, lambda: ask(path, "riddle"))


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\n",
        b"\xff\xfe\n",
        b"[1]\n",
        b'{"ask": []}\n',
        b'{"ask"\n',
        b"[" * 60000 + b"\n",
        b"x" * 200_000 + b"\n",
    ],
    ids=lambda data: repr(data[:8]),
)
def test_garbage_is_answered_with_an_error_and_the_next_question_is_served(tmp_path: Path, garbage: bytes) -> None:
    path = tmp_path / "felixpy.sock"

    def use() -> tuple[bytes, Any]:
        try:
            first = raw(path, garbage)
        except ConnectionError:  # it closed before all of it was sent
            first = b'{"error"'
        return first, ask(path, "echo", a=1)

    first, second = with_server(path, use)
    assert first.startswith(b'{"error"')
    assert second == {"a": 1}


def test_only_the_owner_may_connect(tmp_path: Path) -> None:
    path = tmp_path / "felixpy.sock"
    assert stat.S_IMODE(with_server(path, lambda: path.stat().st_mode)) == 0o600


def test_a_stale_socket_is_replaced_and_no_daemon_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "felixpy.sock"
    with pytest.raises(Unreachable, match="no daemon answers"):
        ask(path, "echo")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with pytest.raises(Unreachable, match="no daemon answers"):
        ask(path, "echo")
    assert with_server(path, lambda: ask(path, "echo")) == {}


def test_a_path_longer_than_a_socket_address_works(tmp_path: Path) -> None:
    path = tmp_path / ("deep" * 30) / ("folder" * 10) / "felixpy.sock"
    assert with_server(path, lambda: ask(path, "echo", ok=True)) == {"ok": True}
