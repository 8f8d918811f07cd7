"""A mesh of many nodes: blocks come and go, a node is cut off and back, a router is killed and started.

birdpy and BIRD 2 as Calico's confd configures it take turns on the same nodes, all on one segment. A cut takes one
node's port out of the bridge: no link goes down at anybody's.
"""

import json
import os
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from felixpy.kernel.rtnetlink import RTM_DELROUTE, RTM_NEWROUTE
from tests.bench.routers import PAUSE_S, Bird2, Birdpy, Ears, Router, address, nodes, p99, started
from tests.bench.table import Bench, Goal, Row, Series
from tests.netns.fabric import lost, lost_of

NOTICE_S = 6.0  # how long a cut is watched
DOWN_S = 2.0  # how long a killed router stays away


def mesh_of(count: int, bench: Bench) -> Row:
    """Start, claim, release, link down, link up."""
    series: list[Series] = []
    goals: list[Goal] = []
    for kind in (Birdpy, Bird2):
        with nodes(bench, kind, count) as (router, ears):
            series.append(Series(f"{router.name}: start to all routes", "s", (started(router, ears),)))
            time.sleep(2)
            for what, act, event in (
                ("claim", router.claim, RTM_NEWROUTE),
                ("release", router.release, RTM_DELROUTE),
            ):
                took = []
                for at in range(6 if bench.quick else 20):
                    block = f"10.65.{100 + at // 4}.{at % 4 * 64}/26"
                    ears.drain()
                    began = time.perf_counter()
                    act(block)
                    took.append((ears.until(everywhere(router, block), event) - began) * 1000)
                    time.sleep(PAUSE_S)
                remark = f"p99 {p99(took):.1f} ms"
                series.append(
                    Series(f"{router.name}: {what} to every other kernel", "ms", tuple(took), remark=remark)
                )
            noticed, back = cut(router, ears, 10.0)
            series += noticed
            series.append(Series(f"{router.name}: 10 s cut mended to all new blocks", "s", (back,)))
            if kind is Birdpy:
                goals = [
                    Goal("a cut is noticed by all, s", max(noticed[0].samples), 3),
                    Goal("all new blocks after the cut, s", back, 2),
                ]
    return Row(f"mesh of {count} nodes on one segment", series, goals)


def mesh_10(bench: Bench) -> Row:
    """Ten nodes: start, blocks told and withdrawn, the last one cut off for 10 s."""
    return mesh_of(10, bench)


def mesh_20(bench: Bench) -> Row:
    """Twenty nodes: start, blocks told and withdrawn, the last one cut off for 10 s."""
    return mesh_of(20, bench)


def long_cut(bench: Bench) -> Row:
    """A cut of 150 s, which no hold time outlives; shorter in a smoke test."""
    seconds = 20.0 if bench.quick else 150.0
    series = []
    for kind in (Birdpy, Bird2):
        with nodes(bench, kind, 3) as (router, ears):
            started(router, ears)
            time.sleep(2)
            _, back = cut(router, ears, seconds)
        series.append(Series(f"{router.name}: mended to all new blocks", "s", (back,), base=kind is Bird2))
    return Row(f"three nodes, one cut off for {seconds:.0f} s", series, [Goal("s", series[0].median, 2)])


def everywhere(router: Router, block: str, owner: int = 1) -> dict[str, set[bytes]]:
    """Every node but the owner holds this block."""
    return {machine.name: {address(block)} for machine in router.fabric.machines if machine.name != f"n{owner}"}


def cut(router: Router, ears: Ears, seconds: float) -> tuple[list[Series], float]:
    """Cut the last node off for that long: when the others knew; and how long after it all news was everywhere."""
    last = len(router.fabric.machines)
    ground = router.fabric.ground
    began, wall = time.perf_counter(), time.time()
    ground.run("ip", "link", "set", f"e{last}", "nomaster")
    time.sleep(NOTICE_S)
    noticed = []
    if isinstance(router, Birdpy):
        when = [lost_at(machine.log(), f"172.20.0.{last}") - wall for machine in router.fabric.machines[:-1]]
        noticed = [Series(f"{router.name}: cut to noticed, each other node", "s", tuple(when))]
    router.claim("10.65.200.0/26")
    router.claim("10.65.201.0/26", last)
    time.sleep(max(0.0, began + seconds - time.perf_counter()))
    ears.drain()
    wanted = everywhere(router, "10.65.201.0/26", last) | {f"n{last}": {address("10.65.200.0/26")}}
    mended = time.perf_counter()
    ground.run("ip", "link", "set", f"e{last}", "master", "br0")
    return noticed, ears.until(wanted, RTM_NEWROUTE) - mended


def lost_at(log: str, neighbour: str) -> float:
    """When a router last logged that this neighbour was lost, in Unix seconds; RuntimeError when it did not."""
    lines = [json.loads(line) for line in log.splitlines() if '"neighbour lost"' in line]
    times = [line["timestamp"] for line in lines if line["address"] == neighbour]
    if not times:
        raise RuntimeError(f"{neighbour} was not missed within {NOTICE_S:.0f} s")
    return datetime.fromisoformat(times[-1]).timestamp()


def restart(bench: Bench) -> Row:
    """kill -9 of one router among ten, a block claimed while it is away, and its start."""
    series: list[Series] = []
    goals: list[Goal] = []
    for kind in (Birdpy, Bird2):
        with nodes(bench, kind, 4 if bench.quick else 10) as (router, ears):
            started(router, ears)
            time.sleep(8 if kind is Bird2 else 3)  # BIRD's sessions of the first seconds settle
            n2 = router.fabric.machines[1]
            ears.drain()
            pings = lost(n2, "10.65.2.1", "10.65.1.1", 900)
            time.sleep(0.5)
            router.kill(1)
            router.claim("10.65.210.0/26")
            time.sleep(DOWN_S)
            events = ears.count(besides="n1")
            began = time.perf_counter()
            router.start_one(1)
            took = ears.until(everywhere(router, "10.65.210.0/26"), RTM_NEWROUTE) - began
            missing = lost_of(pings)
        series.append(Series(f"{router.name}: start to the new block everywhere", "s", (took,)))
        series.append(Series(f"{router.name}: pings lost of 900", "pings", (float(missing),)))
        series.append(Series(f"{router.name}: route events elsewhere until then", "events", (float(events),)))
        if kind is Birdpy:
            goals = [Goal("new block, s", took, 2), Goal("pings lost", missing, 0), Goal("route events", events, 0)]
    return Row("kill -9 of one router of ten", series, goals)


def counted(run: Callable[..., str]) -> int:
    """Frames in and out of eth1."""
    (shown,) = json.loads(run("ip", "-j", "-s", "link", "show", "eth1"))
    return int(shown["stats64"]["rx"]["packets"]) + int(shown["stats64"]["tx"]["packets"])


def cpu_s(pid: int) -> float:
    """What a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def watching(bench: Bench) -> Row:
    """What it costs that neighbours are asked: frames at one of ten nodes, and its router's processor."""
    seconds = 5 if bench.quick else 10
    series = []
    count = 4 if bench.quick else 10
    for watch in (True, False):
        with nodes(bench, Birdpy, count) as (router, ears):
            n1 = router.fabric.machines[0]
            for machine in router.fabric.machines:
                machine.extra["BIRDPY_WATCH_NEIGHBOURS"] = str(watch)
            started(router, ears)
            time.sleep(5)
            assert n1.process is not None
            frames, spent = counted(n1.namespace.run), cpu_s(n1.process.pid)
            time.sleep(seconds)
            each = (counted(n1.namespace.run) - frames) / seconds / (count - 1) / 2
            share = (cpu_s(n1.process.pid) - spent) / seconds * 100
        how = "watched" if watch else "not watched"
        series.append(Series(f"{how}: frames a second for each neighbour and family", "frames/s", (each,)))
        series.append(Series(f"{how}: birdpy's processor", "% of a core", (share,)))
        (bench.scratch / "Birdpy").rename(bench.scratch / how)
    return Row(f"{count} nodes at rest, each neighbour asked by ARP and ND", series)
