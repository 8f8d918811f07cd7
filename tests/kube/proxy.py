"""A server that answers what a test tells it to: what a real API server does rarely."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived, StreamEnded

from tests.kube.server import ApiServer

Answer = tuple[int, dict[str, str], bytes]  # status, headers, body


@dataclass
class Teller:
    """An HTTP/2 server that answers what `answer` says for a method and path; what was asked is in `asked`."""

    answer: Callable[[str, str, dict[str, str]], Answer | None]  # None: no answer at all
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        h2.initiate_connection()
        writer.write(h2.data_to_send())
        requests: dict[int, dict[str, str]] = {}
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                for event in h2.receive_data(data):
                    if isinstance(event, RequestReceived):
                        requests[event.stream_id or 0] = {str(k): str(v) for k, v in event.headers or ()}
                    elif isinstance(event, StreamEnded):
                        self._reply(h2, event.stream_id or 0, requests.pop(event.stream_id or 0))
                writer.write(h2.data_to_send())
                await writer.drain()
        writer.transport.abort()

    def _reply(self, h2: H2Connection, stream: int, head: dict[str, str]) -> None:
        self.asked.append((head[":method"], head[":path"], head))
        said = self.answer(head[":method"], head[":path"], head)
        if said is None:
            return
        status, headers, body = said
        h2.send_headers(stream, [(":status", str(status)), *headers.items()])
        h2.send_data(stream, body, end_stream=True)


@contextlib.asynccontextmanager
async def told(server: ApiServer, teller: Teller, kubeconfig: Path) -> AsyncIterator[Teller]:
    """`teller` behind the API server's own certificate; `kubeconfig` is written to reach it by a token file."""
    assert server.control is not None
    pki = server.control.folder / "pki"
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pki / "apiserver.crt", pki / "apiserver.key")
    tls.set_alpn_protocols(["h2"])
    listening = await asyncio.start_server(teller.serve, "127.0.0.1", 0, ssl=tls)
    port = listening.sockets[0].getsockname()[1]
    (kubeconfig.parent / "token").write_text("first\n")
    kubeconfig.write_text(f"""apiVersion: v1
kind: Config
current-context: c
clusters: [{{name: c, cluster: {{server: "https://127.0.0.1:{port}", certificate-authority: {pki}/ca.crt}}}}]
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
users: [{{name: u, user: {{tokenFile: token}}}}]
""")
    async with listening:
        yield teller
