"""A daemon's health for machines that ask by HTTP: /metrics (Prometheus text), /live and /ready. Off by default.

Everything is worked out from the same record that the status socket serves, at the moment of the question, so that
nothing is registered, counted twice or kept in memory for it.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial

from felixpy.model.errors import Unreachable
from felixpy.model.status import HealthStatus

PATIENCE_S = 5.0
MAX_REQUEST = 8192  # bytes of a request line
Ask = Callable[[], Awaitable[HealthStatus]]


async def serve_metrics(port: int, ask: Ask, host: str = "127.0.0.1") -> asyncio.Server:
    """Answer on `host`:`port` until the server is closed. Unreachable when the port is taken."""
    try:
        return await asyncio.start_server(partial(_converse, ask), host, port, limit=MAX_REQUEST)
    except OSError as error:
        raise Unreachable(f"{host}:{port}: metrics cannot be served: {error.strerror or error}") from error


def exposition(health: HealthStatus, now: float) -> str:
    """The record in Prometheus' text format (version 0.0.4)."""
    return "\n".join(_lines(health, now)) + "\n"


def _lines(health: HealthStatus, now: float) -> Iterator[str]:
    name = health.daemon
    gauges: dict[str, float] = {
        "in_sync": health.in_sync, "ready": health.ready, "live": health.live,
        "datastore_reachable": health.datastore_reachable, "conditions": len(health.conditions),
        "datastore_problems": len(health.problems), "start_time_seconds": health.started,
    }  # fmt: skip
    if health.last_pass is not None:
        gauges["last_pass_age_seconds"] = max(0.0, now - health.last_pass)
    for gauge, value in gauges.items():
        yield f"# TYPE {name}_{gauge} gauge"
        yield f"{name}_{gauge} {float(value)!r}"
    yield f"# TYPE {name}_passes_total counter"
    yield f"{name}_passes_total {health.passes}"
    refused = Counter(row.table for row in health.refused)
    for gauge, by_table in (("keys_wanted", health.keys), ("keys_refused", {it: refused[it] for it in health.keys})):
        yield f"# TYPE {name}_{gauge} gauge"
        for table, count in by_table.items():
            yield f'{name}_{gauge}{{table="{table}"}} {count}'


async def _converse(ask: Ask, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(TimeoutError, ConnectionError, ValueError):  # ValueError: the line is longer than MAX_REQUEST
        async with asyncio.timeout(PATIENCE_S):
            words = (await reader.readline()).decode("ascii", errors="replace").split()
            status, text = await _answer(ask, words[1] if len(words) == 3 and words[0] == "GET" else "")
            head = (
                f"HTTP/1.0 {status}\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {len(text)}\r\n\r\n"
            )
            writer.write((head + text).encode())
            await writer.drain()
    writer.close()


async def _answer(ask: Ask, path: str) -> tuple[str, str]:
    if path not in ("/metrics", "/live", "/ready"):
        return "404 Not Found", "known: /metrics /live /ready\n"
    health = await ask()
    if path == "/metrics":
        return "200 OK", exposition(health, time.time())
    fine = health.live if path == "/live" else health.ready
    return ("200 OK", "ok\n") if fine else ("503 Service Unavailable", f"{path[1:]}: no\n")
