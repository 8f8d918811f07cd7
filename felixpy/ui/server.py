"""Edge: the page's server, on asyncio: files, questions, and the stream of what changes."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from felixpy.model.errors import Trouble, Unreachable
from felixpy.ui.http import MAX_HEAD, Refusal, Request, event, head_of, request_of
from felixpy.ui.live import Live

STATIC = Path(__file__).parent / "static"
KINDS = {
    ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
    ".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
}  # fmt: skip
JSON = "application/json"
PATIENCE_S = 10.0  # for a client that does not ask or does not read
MOST = 64  # connections at the same time
Answer = Callable[[Mapping[str, str]], Awaitable[Any]]


@dataclass(slots=True)
class Site:
    """All that can be asked for."""

    live: Live
    answers: Mapping[str, Answer]  # by path
    hosts: Collection[str]
    files: Mapping[str, tuple[str, bytes]] = field(default_factory=lambda: files(STATIC))
    connections: int = 0


def files(folder: Path) -> dict[str, tuple[str, bytes]]:
    """Every file that is shipped, by its path: what is not in here cannot be asked for."""
    found = {
        f"/{path.relative_to(folder).as_posix()}": (KINDS[path.suffix], path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.suffix in KINDS
    }
    return {**found, "/": found["/index.html"]}


async def serve(site: Site, address: str, port: int) -> asyncio.Server:
    """Answer on `address`:`port` until the server is closed. Unreachable when the port is taken."""
    try:
        return await asyncio.start_server(partial(_converse, site), address, port, limit=MAX_HEAD)
    except OSError as error:
        reason = error.strerror or error
        raise Unreachable(
            f"{address}:{port}: the page cannot be served there: {reason}; --port names another"
        ) from error


async def _converse(site: Site, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    site.connections += 1
    try:
        # Cancelled is what Ctrl-C does: Python 3.11's streams take a cancelled task for a defect and print it.
        with suppress(TimeoutError, ConnectionError, asyncio.CancelledError):
            if site.connections > MOST:
                await _send(writer, 503, "text/plain", b"too many connections\n")
                return
            request = await _asked(site, reader)
            if isinstance(request, Refusal):
                await _send(writer, request.status, "text/plain", f"{request.why}\n".encode())
            elif request.path == "/events":
                await _stream(site, reader, writer)
            else:
                await _send(writer, *await _answer(site, request))
    finally:
        site.connections -= 1
        writer.close()


async def _asked(site: Site, reader: asyncio.StreamReader) -> Request | Refusal:
    try:
        async with asyncio.timeout(PATIENCE_S):
            return request_of(await reader.readuntil(b"\r\n\r\n"), site.hosts)
    except (asyncio.LimitOverrunError, asyncio.IncompleteReadError):
        return Refusal(400, "no head of a request within 16 KiB")


async def _answer(site: Site, request: Request) -> tuple[int, str, bytes]:
    if request.path in site.files:
        return 200, *site.files[request.path]
    answer = site.answers.get(request.path)
    if answer is None:
        return 404, "text/plain", b"there is nothing of that name\n"
    try:
        return 200, JSON, msgspec.json.encode(await answer(request.query))
    except Trouble as error:
        return 503, JSON, msgspec.json.encode({"error": str(error)})


async def _send(writer: asyncio.StreamWriter, status: int, kind: str, body: bytes) -> None:
    async with asyncio.timeout(PATIENCE_S):
        writer.write(head_of(status, kind, len(body)) + body)
        await writer.drain()


async def _stream(site: Site, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Events until the client goes away: it is noticed at once, not at the next write."""
    gone = asyncio.ensure_future(reader.read(1))
    told = asyncio.ensure_future(_tell(site, writer))
    try:
        await asyncio.wait((gone, told), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (gone, told):
            task.cancel()
        await asyncio.gather(gone, told, return_exceptions=True)


async def _tell(site: Site, writer: asyncio.StreamWriter) -> None:
    writer.write(head_of(200, "text/event-stream", None))
    async with aclosing(site.live.follow()) as stream:
        async for news in stream:
            if isinstance(news, str):
                frame = event("trouble", msgspec.json.encode({"error": news}))
            elif news.nothing:
                frame = event("seen", msgspec.json.encode({"taken": news.taken}))
            else:
                frame = event("change", msgspec.json.encode(news))
            async with asyncio.timeout(PATIENCE_S):
                writer.write(frame)
                await writer.drain()
