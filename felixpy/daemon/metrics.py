"""A daemon's health for machines that ask by HTTP: /metrics (Prometheus text), /live and /ready. Off by default.

Everything is worked out from the same record that the status socket serves, at the moment of the question, so that
nothing is registered, counted twice or kept in memory for it.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from felixpy.model.errors import Unreachable
from felixpy.model.status import HealthStatus

if TYPE_CHECKING:
    from prometheus_client.core import Metric

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
    """The record in Prometheus' text format (version 0.0.4).

    The library is imported here: a daemon that nobody scrapes does not pay for it.
    """
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(health, now))
    return generate_latest(registry).decode()


@dataclass(frozen=True, slots=True, eq=False)  # the registry keeps collectors by identity
class _Collected:
    """One record as prometheus_client's collector."""

    health: HealthStatus
    now: float

    def collect(self) -> Iterator["Metric"]:
        """Every metric of the record."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        health, name = self.health, self.health.daemon
        gauges: dict[str, tuple[float, str]] = {
            "in_sync": (health.in_sync, "1 when the datastore was listed in full once"),
            "ready": (health.ready, "1 when everything wanted is in place"),
            "live": (health.live, "1 while the loop turns"),
            "datastore_reachable": (health.datastore_reachable, "1 when the datastore answers"),
            "conditions": (len(health.conditions), "things that need attention"),
            "datastore_problems": (len(health.problems), "objects that cannot be used"),
            "start_time_seconds": (health.started, "when the daemon started, Unix time"),
        }
        if health.last_pass is not None:
            gauges["last_pass_age_seconds"] = (max(0.0, self.now - health.last_pass), "since the last pass ended")
        for gauge, (value, what) in gauges.items():
            yield GaugeMetricFamily(f"{name}_{gauge}", what, value=float(value))
        yield CounterMetricFamily(f"{name}_passes", "passes over what is wanted", value=health.passes)
        refused = Counter(row.table for row in health.refused)
        for gauge, what, by_table in (
            ("keys_wanted", "rows that should be there", health.keys),
            ("keys_refused", "rows that the kernel refuses", {table: refused[table] for table in health.keys}),
        ):
            family = GaugeMetricFamily(f"{name}_{gauge}", what, labels=["table"])
            for table, count in by_table.items():
                family.add_metric([table], count)
            yield family


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
