"""Requests to the API server: tokens that expire, throttling, servers that restart or are slow. Edge.

What is safe to repeat is repeated; everything else tells its caller: `Unreachable` when the server is not there,
`Rejected` with the server's own status and words when it said no.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from felixpy.datastore.kubernetes.access import Access
from felixpy.datastore.kubernetes.http2 import Connection, Stream, open_connection
from felixpy.model.errors import Trouble, Unreachable

JSON = "application/json"
MERGE = "application/merge-patch+json"
METADATA = "application/json;as=PartialObjectMetadata{0};g=meta.k8s.io;v=v1"
PATIENCE_S = 10.0  # for one object
LIST_PATIENCE_S = 60.0
BUSY = (429, 502, 503, 504)  # the server asks to come again
LONGEST_WAIT_S = 20.0  # a greater Retry-After counts as this
TRIES = 4
MAX_BODY = 256 << 20  # of one response


class Rejected(Trouble):
    """The server understood and said no: `code` is HTTP's, `reason` Kubernetes' (`AlreadyExists`, `Expired`...)."""

    def __init__(self, code: int, reason: str, message: str, retry_after: float = 0.0) -> None:
        super().__init__(f"{code} {reason}: {message[:400]}")
        self.code, self.reason, self.message, self.retry_after = code, reason, message[:400], retry_after


class Status(msgspec.Struct, rename="camel"):
    """metav1.Status, as far as it is read."""

    message: str = ""
    reason: str = ""
    code: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """One call. `patience_s` is for the whole answer."""

    method: str
    path: str
    body: bytes = b""
    accept: str = JSON
    content: str = JSON
    patience_s: float = PATIENCE_S

    @property
    def safe(self) -> bool:
        """Whether doing it twice is as good as once."""
        return self.method == "GET"


@dataclass(slots=True)
class Counts:
    """What was asked of the server so far: requests by verb, for the status socket and the figures."""

    verbs: dict[str, int] = field(default_factory=dict)
    refusals: dict[int, int] = field(default_factory=dict)  # by HTTP status
    connections: int = 0

    def note(self, verb: str) -> None:
        """One more."""
        self.verbs[verb] = self.verbs.get(verb, 0) + 1

    def refused(self, code: int) -> None:
        """The server said no, in its answer or in the course of a watch."""
        self.refusals[code] = self.refusals.get(code, 0) + 1


class Api:
    """One process's way to the API server. Nothing is opened before the first request."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self.counts = Counts()
        self._connection: Connection | None = None
        self._opening = asyncio.Lock()

    async def call(self, request: Request) -> bytes:
        """The body of the answer. Unreachable, or Rejected."""
        fresh_token = False
        for attempt in range(TRIES):
            last = attempt == TRIES - 1
            try:
                return await self._once(request, fresh_token)
            except Rejected as error:
                if error.code == 401 and not fresh_token:
                    fresh_token = True
                    continue
                if error.code not in BUSY or last or not (request.safe or error.code == 429):
                    raise self._trouble(error) from None
                await asyncio.sleep(min(error.retry_after or 2.0**attempt / 4, LONGEST_WAIT_S))
            except Unreachable:
                if last or attempt or not request.safe:  # a connection that died while idle is found out by using it
                    raise
        raise AssertionError  # the loop returns or raises

    async def _once(self, request: Request, fresh_token: bool) -> bytes:
        async with self.open(request, fresh_token) as (stream, connection):
            body = bytearray()
            async with asyncio.timeout(request.patience_s):
                async for chunk in connection.chunks(stream):
                    body += chunk
                    if len(body) > MAX_BODY:
                        raise Unreachable(f"{self.access.target}: an answer of more than {MAX_BODY >> 20} MiB")
            return bytes(body)

    @asynccontextmanager
    async def open(self, request: Request, fresh_token: bool = False) -> AsyncIterator[tuple[Stream, Connection]]:
        """The answer as it comes, for watches. Rejected unless its status is 2xx."""
        try:
            connection = await self._connected()
            headers = [("accept", request.accept), ("user-agent", "felixpy"), *self.access.credentials(fresh_token)]
            if request.body:
                headers.append(("content-type", request.content))
            self.counts.note(request.method)
            async with asyncio.timeout(request.patience_s):
                stream = await connection.request(
                    request.method, self.access.base + request.path, headers, request.body
                )
            try:
                if not 200 <= stream.status < 300:
                    async with asyncio.timeout(request.patience_s):
                        self.counts.refused(stream.status)
                        raise await _rejection(stream, connection)
                yield stream, connection
            finally:
                connection.release(stream)
        except TimeoutError:
            what = f"{request.method} {request.path.partition('?')[0]}"
            raise Unreachable(f"{self.access.target}: {what}: no answer within {request.patience_s:.0f} s") from None

    async def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _connected(self) -> Connection:
        async with self._opening:
            if self._connection is None or not self._connection.usable:
                if self._connection is not None:
                    await self._connection.close()
                    self._connection = None
                self._connection = await open_connection(self.access)
                self.counts.connections += 1
            return self._connection

    def _trouble(self, error: Rejected) -> Trouble:
        if error.code in (401, *BUSY) or error.code >= 500:
            return Unreachable(f"{self.access.target}: {error}")
        return error


async def _rejection(stream: Stream, connection: Connection) -> Rejected:
    body = bytearray()
    async for chunk in connection.chunks(stream):
        body += chunk
        if len(body) > 1 << 20:
            break
    try:
        said = msgspec.json.decode(bytes(body), type=Status)
    except msgspec.MsgspecError:
        said = Status(message=bytes(body[:200]).decode(errors="replace").strip())
    after = stream.headers.get("retry-after", "")
    return Rejected(stream.status, said.reason, said.message, float(after) if after.isdecimal() else 0.0)


def query(**parameters: Any) -> str:
    """`?a=b&c=d` of what is given; "" when nothing is."""
    from urllib.parse import urlencode

    given: Mapping[str, str] = {key: str(value) for key, value in parameters.items() if value not in ("", None)}
    return f"?{urlencode(given)}" if given else ""
