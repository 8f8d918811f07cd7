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
from felixpy.model.metrics import Histogram, Measured, Metric
from felixpy.model.status import HealthStatus

if TYPE_CHECKING:
    from prometheus_client.core import Metric as Metric_

PATIENCE_S = 5.0
MAX_REQUEST = 8192  # bytes of a request line
CONTENT = "text/plain; version=0.0.4; charset=utf-8"

IN_SYNC = Metric("in_sync", "gauge", "1 when the datastore was listed in full once")
READY = Metric("ready", "gauge", "1 when everything wanted is in place")
LIVE = Metric("live", "gauge", "1 while the loop turns")
REACHABLE = Metric("datastore_reachable", "gauge", "1 when the datastore answers")
CONDITIONS = Metric("conditions", "gauge", "things that need attention")
LAG = Metric(
    "datastore_lag_seconds",
    "gauge",
    "since the datastore was lost, or since its oldest change that is not worked in; 0 when neither",
)
PROBLEMS = Metric("datastore_problems", "gauge", "objects that cannot be used")
STARTED = Metric("start_time_seconds", "gauge", "when the daemon started, Unix time")
LAST_PASS = Metric("last_pass_age_seconds", "gauge", "since the last pass ended")
PASSES = Metric("passes", "counter", "passes over what is wanted")
WANTED = Metric("keys_wanted", "gauge", "rows that should be there", ("table",))
REFUSED = Metric("keys_refused", "gauge", "rows that the kernel refuses", ("table",))
METRICS = (
    IN_SYNC, READY, LIVE, REACHABLE, LAG, CONDITIONS, PROBLEMS, STARTED, LAST_PASS, PASSES, WANTED, REFUSED,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """What a daemon has for machines: its health, and what else it measures (nothing unless it says so)."""

    health: Callable[[], Awaitable[HealthStatus]]
    measured: Callable[[], Measured] = dict


async def serve_metrics(port: int, asked: Asked, host: str = "127.0.0.1") -> asyncio.Server:
    """Answer on `host`:`port` until the server is closed. Unreachable when the port is taken."""
    try:
        return await asyncio.start_server(partial(_converse, asked), host, port, limit=MAX_REQUEST)
    except OSError as error:
        raise Unreachable(f"{host}:{port}: metrics cannot be served: {error.strerror or error}") from error


def exposition(health: HealthStatus, now: float, more: Measured | None = None) -> str:
    """The record, and what else was measured, in Prometheus' text format (version 0.0.4).

    The library is imported here: a daemon that nobody scrapes does not pay for it.
    """
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(health.daemon, {**of_health(health, now), **(more or {})}))
    return generate_latest(registry).decode()


def of_health(health: HealthStatus, now: float) -> Measured:
    """What every daemon's record says, as samples."""
    refused = Counter(row.table for row in health.refused)
    single: dict[Metric, float | None] = {
        IN_SYNC: health.in_sync,
        READY: health.ready,
        LIVE: health.live,
        REACHABLE: health.datastore_reachable,
        LAG: health.datastore_lag_s,
        CONDITIONS: len(health.conditions),
        PROBLEMS: len(health.problems),
        STARTED: health.started,
        LAST_PASS: None if health.last_pass is None else max(0.0, now - health.last_pass),
        PASSES: health.passes,
    }
    return {
        **{metric: {(): float(value)} for metric, value in single.items() if value is not None},
        WANTED: {(name,): float(count) for name, count in health.keys.items()},
        REFUSED: {(name,): float(refused[name]) for name in health.keys},
    }


@dataclass(frozen=True, slots=True, eq=False)  # the registry keeps collectors by identity
class _Collected:
    """What was measured as prometheus_client's collector."""

    daemon: str
    measured: Measured

    def collect(self) -> Iterator["Metric_"]:
        """Every family with its samples."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        for metric, samples in self.measured.items():
            name = f"{self.daemon}_{metric.name}"
            if metric.kind == "histogram":
                histogram = HistogramMetricFamily(name, metric.what, labels=metric.labels)
                for labels, value in samples.items():
                    if isinstance(value, Histogram):
                        histogram.add_metric(labels, buckets=value.buckets(), sum_value=value.total)
                yield histogram
                continue
            family = (CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily)(
                name, metric.what, labels=metric.labels
            )
            for labels, value in samples.items():
                if isinstance(value, float):
                    family.add_metric(labels, value)
            yield family


async def _converse(asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(TimeoutError, ConnectionError, ValueError):  # ValueError: the line is longer than MAX_REQUEST
        async with asyncio.timeout(PATIENCE_S):
            words = (await reader.readline()).decode("ascii", errors="replace").split()
            status, text = await _answer(asked, words[1] if len(words) == 3 and words[0] == "GET" else "")
            body = text.encode()
            head = f"HTTP/1.0 {status}\r\nContent-Type: {CONTENT}\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
    writer.close()


async def _answer(asked: Asked, path: str) -> tuple[str, str]:
    if path not in ("/metrics", "/live", "/ready"):
        return "404 Not Found", "known: /metrics /live /ready\n"
    health = await asked.health()
    if path == "/metrics":
        return "200 OK", exposition(health, time.time(), asked.measured())
    return probe(health, path[1:])


def probe(health: HealthStatus, what: str) -> tuple[str, str]:
    """HTTP's status and the text of `live` or `ready`: why it is not so, and the conditions, which are neither."""
    reasons = health.stuck if what == "live" else health.unready
    fine = health.live if what == "live" else health.ready
    conditions = (f"condition {it.name}: {it.message}" for it in health.conditions)
    lines = ("ok" if fine else f"{what}: no", *(f"- {reason}" for reason in reasons), *conditions)
    return ("200 OK" if fine else "503 Service Unavailable"), "".join(f"{line}\n" for line in lines)
