"""What the log of routes costs: a load of 100,000 routes and a convergence of three nodes, with it and without."""

import contextlib
import time
from collections.abc import Iterator

from tests.bench.load import MANY, Received, Site, by_birdpy, received, site, write_routes
from tests.bench.table import Bench, Goal, Row, Series
from tests.speakers import eventually

COSTS_AT_MOST = 1.05
WORDS = {True: "with the log", False: "without"}


@contextlib.contextmanager
def without(at: Site) -> Iterator[dict[str, int]]:
    """birdpy that writes no log."""
    at.machine.extra["BIRDPY_HISTORY_MB"] = "0"
    with by_birdpy(at) as pids:
        yield pids


def load(bench: Bench) -> Row:
    """100,000 routes from one peer, in turn with the log and without."""
    routes = bench.scratch / "routes.conf"
    write_routes(routes, MANY, own=False)
    found: dict[bool, list[Received]] = {True: [], False: []}
    for at in range(2 if bench.quick else 7):
        for logged in (False, True):
            by = by_birdpy if logged else without
            found[logged].append(received(bench.scratch / f"{logged}{at}", by, routes, MANY))
    series, cpu = [], {}
    for logged in (False, True):
        taken = found[logged]
        used = tuple(each.cpu_s["birdpy"] for each in taken)
        cpu[logged] = Series(f"CPU of birdpy {WORDS[logged]}", "s", used, base=not logged)
        series.append(Series(WORDS[logged], "s", tuple(each.seconds for each in taken), base=not logged))
    ratios = [cpu[True].median / cpu[False].median, min(series[1].samples) / min(series[0].samples)]
    goals = [
        Goal("CPU until converged, times without", ratios[0], COSTS_AT_MOST),
        Goal("fastest of each, times without", ratios[1], COSTS_AT_MOST),
    ]
    return Row(f"{MANY:,} routes with and without the log", [*series, *cpu.values()], goals)


def blocks(bench: Bench) -> Row:
    """Three nodes from nothing until each kernel has the others' blocks, in turn with the log and without."""
    samples: dict[bool, list[float]] = {True: [], False: []}
    for at in range(3 if bench.quick else 15):
        for logged in (False, True):
            samples[logged].append(_converged(bench, f"{logged}{at}", logged=logged))
    series = [Series(WORDS[it], "s", tuple(samples[it]), base=not it) for it in (False, True)]
    goal = Goal("median, times without", series[1].median / series[0].median, COSTS_AT_MOST)
    return Row("three nodes from nothing to all routes, with and without the log", series, [goal])


def _converged(bench: Bench, name: str, *, logged: bool) -> float:
    with site(bench.scratch / name) as at:
        machines = [at.machine, at.fabric.node("n2", 2), at.fabric.node("n3", 3)]
        for machine in machines:
            machine.extra["BIRDPY_HISTORY_MB"] = "32" if logged else "0"
        began = time.perf_counter()
        for machine in machines:
            machine.start()
        wanted = {f"10.65.{number}.0/26" for number in (1, 2, 3)}
        eventually(lambda: all(wanted <= machine.routes().keys() for machine in machines), 60, 0.01)
        return time.perf_counter() - began
