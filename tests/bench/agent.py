"""The agent of a full node: 250 pods, attached by its own CNI server, each with a link, a route and a neighbour."""

import subprocess
import time

from tests.bench.attach import at_once, ground, pods
from tests.bench.node import cpu_s, pss_mb
from tests.bench.table import Bench, Goal, Row, Series
from tests.netns.agent_process import Node, until

PODS = 250
IN_SYNC_S, FLUSHED_S, PSS_MB, IDLE_PERCENT = 1.5, 0.1, 80.0, 0.5


def full(bench: Bench) -> Row:
    """Start to in-sync, memory and CPU when nothing happens, and putting back what `ip route flush` took."""
    count = 50 if bench.quick else PODS
    starts, worked, flushes = [], [], []
    with ground(bench.scratch) as (made, netns):
        at_once(made, pods(netns, count), "ADD")
        for _ in range(bench.rounds):
            made.end()
            began = time.perf_counter()
            made.start()
            starts.append(time.perf_counter() - began)
            worked.append(cpu_s(made.agents[-1].pid))
            time.sleep(1)
            flushes.append(flushed(made, count))  # once per agent: what is taken often is put back later each time
        time.sleep(2)
        pid = made.agents[-1].pid
        quiet = 5.0 if bench.quick else 30.0
        before = cpu_s(pid)
        time.sleep(quiet)
        idle = (cpu_s(pid) - before) / quiet * 100
        memory = pss_mb(pid)
    start, flush = (
        Series("start to in-sync", "s", tuple(starts)),
        Series("routes back after a flush", "s", tuple(flushes)),
    )
    work = Series("start to in-sync, processor", "s", tuple(worked))
    kept = [work, Series("memory (PSS)", "MB", (memory,)), Series("processor, idle", "percent", (idle,))]
    goals = [
        Goal("start to in-sync, s", start.median, IN_SYNC_S),
        Goal("routes back, s", flush.median, FLUSHED_S),
        Goal("PSS, MB", memory, PSS_MB),
        Goal("idle, percent of a processor", idle, IDLE_PERCENT),
    ]
    return Row(f"The agent of a node with {count} pods", [start, flush, *kept], goals)


def flushed(made: Node, count: int) -> float:
    """Seconds from the end of `ip route flush proto 80` until every route is back."""
    assert routes() == count
    subprocess.run(["ip", "route", "flush", "proto", "80"], check=True, capture_output=True)
    began = time.perf_counter()
    until(lambda: routes() == count)
    return time.perf_counter() - began


def routes() -> int:
    shown = subprocess.run(["ip", "route", "show", "proto", "80"], check=True, capture_output=True, text=True)
    return len(shown.stdout.splitlines())
