"""The status socket: read-only questions about a running daemon, in JSON.

Wire: one line `{"ask": what, ...}`, answered by one JSON document and end of file; trouble is `{"error": "..."}`.
Only its owner may connect (0600). Nothing that comes in can stop the daemon: too long, too slow, no JSON, an unknown
question are each answered with an error or dropped.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from inspect import isawaitable
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import msgspec

from felixpy.daemon.unix import bound, short_address
from felixpy.model.errors import Trouble, Unreachable

MAX_REQUEST = 64 * 1024  # bytes of one question
PATIENCE_S = 10.0  # for a client that does not ask, does not read, or a daemon that does not answer

R = TypeVar("R")
Answers = Mapping[str, Callable[[Mapping[str, Any]], Any | Awaitable[Any]]]


async def serve(path: Path, answers: Answers) -> asyncio.Server:
    """Answer questions on `path` until the server is closed. A stale socket of a dead daemon is replaced.

    Each answer gets the question's arguments and returns anything msgspec encodes (or an awaitable of it); Trouble
    that it raises becomes the error of the reply. Unreachable when the socket cannot be made.
    """
    try:
        listener = bound(path)
    except OSError as error:
        raise Unreachable(f"{path}: no status socket can be made: {error.strerror or error}") from error
    return await asyncio.start_unix_server(partial(_converse, answers), sock=listener, limit=MAX_REQUEST)


def ask(path: Path, what: str, patience_s: float = PATIENCE_S, **arguments: Any) -> Any:
    """One question to the daemon behind `path`; its answer as plain JSON values.

    Unreachable when none listens there or none answers in time; Trouble with the daemon's own words.
    """
    question = msgspec.json.encode({"ask": what, **arguments}) + b"\n"
    try:
        with socket.socket(socket.AF_UNIX) as connection, short_address(path) as address:
            connection.settimeout(patience_s)
            connection.connect(address)
            connection.sendall(question)
            reply = b"".join(iter(partial(connection.recv, 1 << 20), b""))
    except OSError as error:
        raise Unreachable(f"{path}: no daemon answers there: {error.strerror or error}") from error
    try:
        answer = msgspec.json.decode(reply)
    except ValueError as error:
        raise Unreachable(f"{path}: the daemon closed the connection without an answer") from error
    if isinstance(answer, dict) and answer.keys() == {"error"}:
        raise Trouble(f"{path}: {answer['error']}")
    return answer


# What msgspec knows of a type it works out when the type is first used; two threads at that end the interpreter.
_DECODING = Lock()


def asked(path: Path, what: str, kind: type[R], patience_s: float = PATIENCE_S, **arguments: Any) -> R:
    """As `ask`, with the answer as a record. Trouble also when the daemon answers in another version's words."""
    return record(ask(path, what, patience_s, **arguments), kind)


def record(answer: object, kind: type[R]) -> R:
    """A daemon's answer as a record; for any thread. Trouble when it is none."""
    try:
        with _DECODING:
            return msgspec.convert(answer, kind)
    except msgspec.ValidationError as error:
        raise Trouble(f"it answers in another version's words ({error}); upgrade the older one") from error


async def _converse(answers: Answers, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(PATIENCE_S):
            writer.write(await _reply(answers, reader))
            await writer.drain()
    writer.close()


async def _reply(answers: Answers, reader: asyncio.StreamReader) -> bytes:
    try:
        question = msgspec.json.decode(await reader.readline(), type=dict[str, Any])
        what = question.pop("ask", None)
        if not isinstance(what, str) or what not in answers:
            return _error(f"no question is named {what!r}; known: {', '.join(sorted(answers))}")
        answer = answers[what](question)
        return msgspec.json.encode(await answer if isawaitable(answer) else answer)
    except ValueError as error:  # longer than MAX_REQUEST, or no JSON object
        return _error(f"the question is not one line of JSON below 64 KiB: {error}")
    except (Trouble, RecursionError) as error:  # RecursionError: JSON nested deeper than anything we ask
        return _error(str(error))


def _error(text: str) -> bytes:
    return msgspec.json.encode({"error": text})
