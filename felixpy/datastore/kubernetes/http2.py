"""One HTTP/2 connection (RFC 9113), shared by every request and watch of a process. Edge.

The API server pays for connections, not for streams: ten watches of ten kinds are one TLS session here.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import H2Error
from h2.settings import SettingCodes

from felixpy.datastore.kubernetes.access import Access
from felixpy.model.errors import Unreachable

CONNECT_S = 10.0
QUIET_S = 30.0  # without a byte for so long the server is asked whether it is still there
ANSWER_S = 15.0  # for it to say so
STREAM_WINDOW = 256 << 10  # bytes that the server may send ahead of us on one stream
CONNECTION_WINDOW = 8 << 20
READ = 64 << 10


@dataclass(slots=True)
class Stream:
    """What has come of one response."""

    number: int
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    chunks: list[bytes] = field(default_factory=list)
    owed: int = 0  # bytes read whose window the server has not got back
    ended: bool = False
    error: str = ""
    news: asyncio.Event = field(default_factory=asyncio.Event)


class Connection:
    """Use `open_connection`. Every method may raise Unreachable; after that `usable` is False for good."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, authority: str) -> None:
        self._reader, self._writer, self._authority = reader, writer, authority
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._streams: dict[int, Stream] = {}
        self._room = asyncio.Event()  # in the server's window, or among its streams
        self._lost = ""
        self._h2.initiate_connection()
        self._h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW, SettingCodes.ENABLE_PUSH: 0})
        self._h2.increment_flow_control_window(CONNECTION_WINDOW)
        self._flush()
        self._task = asyncio.create_task(self._read(), name="read from the API server")

    @property
    def usable(self) -> bool:
        """Whether further requests may be sent on it."""
        return not self._lost

    async def request(self, method: str, path: str, headers: Iterable[tuple[str, str]], body: bytes = b"") -> Stream:
        """Send a request and wait for the head of its response. The caller ends it with `release`."""
        while self.usable and self._h2.open_outbound_streams >= self._h2.remote_settings.max_concurrent_streams:
            self._room.clear()
            await self._room.wait()
        self._check()
        stream = Stream(self._h2.get_next_available_stream_id())
        head = [(":method", method), (":scheme", "https"), (":authority", self._authority), (":path", path)]
        try:
            self._h2.send_headers(stream.number, [*head, *headers], end_stream=not body)
        except H2Error as error:
            self._break(str(error))
            self._check()
        self._streams[stream.number] = stream
        self._flush()
        try:
            await self._send(stream, body)
            while not stream.status and not stream.error:
                stream.news.clear()
                await stream.news.wait()
        except BaseException:
            self.release(stream)
            raise
        if stream.error:
            self.release(stream)
            raise Unreachable(stream.error)
        return stream

    async def chunks(self, stream: Stream) -> AsyncIterator[bytes]:
        """The body as it comes. What is not asked for is not sent: the window is given back on reading."""
        while True:
            while stream.chunks:
                data = b"".join(stream.chunks)
                stream.chunks.clear()
                self._acknowledge(stream)
                yield data
            if stream.error:
                raise Unreachable(stream.error)
            if stream.ended:
                return
            stream.news.clear()
            await stream.news.wait()

    def release(self, stream: Stream) -> None:
        """Done with a response, whether it has ended or not."""
        if self._streams.pop(stream.number, None) is None or not self.usable:
            return
        self._acknowledge(stream)
        if not stream.ended:
            try:
                self._h2.reset_stream(stream.number, ErrorCodes.CANCEL)
            except H2Error:
                return  # the server ended it in the same moment
            self._flush()
        self._room.set()

    async def close(self) -> None:
        """End the connection; whoever waits on it gets Unreachable."""
        self._break("the connection was closed")
        self._task.cancel()
        await asyncio.gather(self._task, self._writer.wait_closed(), return_exceptions=True)

    async def _send(self, stream: Stream, body: bytes) -> None:
        rest = memoryview(body)
        while rest and not stream.error and not stream.ended:
            room = min(self._h2.local_flow_control_window(stream.number), self._h2.max_outbound_frame_size, len(rest))
            if room <= 0:
                self._room.clear()
                await self._room.wait()
                continue
            self._h2.send_data(stream.number, bytes(rest[:room]), end_stream=room == len(rest))
            rest = rest[room:]
            self._flush()

    async def _read(self) -> None:
        asked = False
        try:
            while self.usable:
                try:
                    async with asyncio.timeout(ANSWER_S if asked else QUIET_S):
                        data = await self._reader.read(READ)
                except TimeoutError:
                    if asked:
                        self._break(f"{self._authority}: nothing came for {QUIET_S + ANSWER_S:.0f} s")
                        return
                    asked = True
                    self._h2.ping(b"felixpy?")
                    self._flush()
                    continue
                asked = False
                if not data:
                    self._break(f"{self._authority}: the API server closed the connection")
                    return
                for event in self._h2.receive_data(data):
                    self._take(event)
                self._flush()
        except (OSError, H2Error) as error:
            self._break(f"{self._authority}: the connection broke: {error}")

    def _take(self, event: Event) -> None:
        if isinstance(event, ConnectionTerminated):
            self._break(f"{self._authority}: the API server asked us to connect anew")
            return
        if isinstance(event, WindowUpdated | RemoteSettingsChanged):
            self._room.set()
            return
        stream = self._streams.get(getattr(event, "stream_id", 0) or 0)
        if stream is None:
            if isinstance(event, DataReceived) and event.flow_controlled_length:
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id or 0)
            return
        if isinstance(event, ResponseReceived):
            stream.headers = {str(name): str(value) for name, value in event.headers or ()}
            stream.status = int(stream.headers.get(":status", "0"))
        elif isinstance(event, DataReceived):
            stream.chunks.append(event.data or b"")
            stream.owed += event.flow_controlled_length or 0
        elif isinstance(event, StreamEnded):
            stream.ended = True
            self._room.set()
        elif isinstance(event, StreamReset):
            stream.ended, stream.error = True, f"{self._authority}: the API server broke the response off"
            self._room.set()
        stream.news.set()

    def _acknowledge(self, stream: Stream) -> None:
        if stream.owed and self.usable:
            owed, stream.owed = stream.owed, 0
            try:
                self._h2.acknowledge_received_data(owed, stream.number)
            except H2Error:
                return  # the stream is gone: there is nobody left to tell
            self._flush()

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data and not self._writer.is_closing():
            self._writer.write(data)

    def _check(self) -> None:
        if self._lost:
            raise Unreachable(self._lost)

    def _break(self, reason: str) -> None:
        if self._lost:
            return
        self._lost = reason
        for stream in self._streams.values():
            if not stream.ended:
                stream.error = reason
            stream.news.set()
        self._room.set()
        self._writer.transport.abort()  # whatever was to be said is said: TLS would wait half a minute for an answer


async def open_connection(access: Access) -> Connection:
    """Connect within CONNECT_S; Unreachable says what failed."""
    where = access.authority
    try:
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(
                access.host,
                access.port,
                ssl=access.tls,
                server_hostname=access.server_name or access.host,
                limit=READ,
            )
    except TimeoutError:
        raise Unreachable(f"{where}: no API server answers within {CONNECT_S:.0f} s") from None
    except OSError as error:
        raise Unreachable(f"{where}: no API server: {error.strerror or error}") from error
    chosen = writer.get_extra_info("ssl_object").selected_alpn_protocol()
    if chosen != "h2":
        writer.transport.abort()
        raise Unreachable(f"{where}: the server speaks no HTTP/2: name the API server itself, not an HTTP/1.1 proxy")
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Connection(reader, writer, where)
