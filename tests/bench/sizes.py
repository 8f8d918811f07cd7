"""Three, ten, twenty and forty nodes, in a mesh and with a reflector: how long news takes to reach every kernel.

Each system has the machine to itself: it is started, told blocks and told their end, and stopped before the next.
The moments are those at which the kernels say so. CPU is that of all daemons of a node with their children.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from felixpy.kernel.rtnetlink import RTM_DELROUTE, RTM_NEWROUTE
from tests.bench.curves import NEVER
from tests.bench.peers import BIRD, BIRD_TUNED, BIRDPY, FRR_DEFAULT, FRR_TUNED, System, cpu_s, running_on
from tests.bench.routers import PAUSE_S, Ears, address, p99
from tests.bench.table import Bench, Goal, Row, Series

KINDS = (BIRD, BIRDPY, FRR_DEFAULT, BIRD_TUNED, FRR_TUNED)
CLAIM_MS = {3: 10.0, 10: 20.0, 20: 40.0}
START_S = {3: 1.0}
SETTLE_S = 3.0  # sessions that came up twice have ended once


@dataclass(slots=True)
class Found:
    """What one system showed."""

    start_s: list[float] = field(default_factory=list)
    start_cpu_ms: list[float] = field(default_factory=list)  # of one node
    claim_ms: list[float] = field(default_factory=list)
    release_ms: list[float] = field(default_factory=list)
    change_cpu_ms: list[float] = field(default_factory=list)  # of one node, for one block's claim and release


def mesh_3(bench: Bench) -> Row:
    """Three nodes in a mesh: start of all to all routes in all kernels, a new block and its end to every kernel."""
    return _row(bench, 3, reflected=False)


def mesh_10(bench: Bench) -> Row:
    """Ten nodes in a mesh: start of all to all routes in all kernels, a new block and its end to every kernel."""
    return _row(bench, 10, reflected=False)


def mesh_20(bench: Bench) -> Row:
    """Twenty nodes in a mesh: start of all to all routes in all kernels, a new block and its end to every kernel."""
    return _row(bench, 20, reflected=False)


def mesh_40(bench: Bench) -> Row:
    """Forty nodes in a mesh: start of all to all routes in all kernels, a new block and its end to every kernel."""
    return _row(bench, 40, reflected=False)


def reflected_3(bench: Bench) -> Row:
    """Three nodes, the last one the reflector of the others: start, a new block, its end."""
    return _row(bench, 3, reflected=True)


def reflected_10(bench: Bench) -> Row:
    """Ten nodes, the last one the reflector of the others: start, a new block, its end."""
    return _row(bench, 10, reflected=True)


def reflected_20(bench: Bench) -> Row:
    """Twenty nodes, the last one the reflector of the others: start, a new block, its end."""
    return _row(bench, 20, reflected=True)


def reflected_40(bench: Bench) -> Row:
    """Forty nodes, the last one the reflector of the others: start, a new block, its end."""
    return _row(bench, 40, reflected=True)


def _row(bench: Bench, count: int, *, reflected: bool) -> Row:
    title = f"{count} nodes, " + ("the last reflects" if reflected else "a mesh")
    found: dict[str, Found] = {}
    row = Row(title, [])
    rounds = 2 if count == 3 and not bench.quick else 1
    kinds = KINDS[:3] if bench.quick or count > 20 else KINDS  # forty of each: those as they come
    for _ in range(rounds):
        for kind in kinds:
            with running_on(bench, kind, count, reflected=reflected) as (system, ears):
                one(system, ears, found.setdefault(kind.name, Found()), 5 if bench.quick else 20)
            row = Row(title, _series(found), _goals(found, 0 if reflected else count))
            bench.keep(row)
    return row


def one(system: System, ears: Ears, found: Found, blocks: int) -> None:
    """Start, claims, releases. A system that has not started in time is not asked for more."""
    count = len(system.fabric.machines)
    ears.drain()
    began = time.perf_counter()
    system.start()
    numbers = range(1, count + 1)
    wanted = {f"n{n}": {address(f"10.65.{other}.0/26") for other in numbers if other != n} for n in numbers}
    found.start_s.append(heard(ears, wanted, RTM_NEWROUTE, began))
    found.start_cpu_ms.append(cpu_s(system) / count * 1000)
    if found.start_s[-1] == NEVER:
        return
    time.sleep(SETTLE_S)
    before = cpu_s(system)
    for act, kernel, took in (
        (system.claim, RTM_NEWROUTE, found.claim_ms), (system.release, RTM_DELROUTE, found.release_ms),
    ):  # fmt: skip
        for at in range(blocks):
            took.append(news(system, ears, act, (f"10.65.{100 + at // 4}.{at % 4 * 64}/26", kernel)) * 1000)
            if took[-1] == NEVER:
                break
    found.change_cpu_ms.append((cpu_s(system) - before) / count / blocks * 1000)


def news(system: System, ears: Ears, act: Callable[[str], None], what: tuple[str, int]) -> float:
    """Seconds until every other kernel has said this of the block that the first node gains or loses."""
    block, kernel = what
    ears.drain()
    began = time.perf_counter()
    act(block)
    others = {machine.name: {address(block)} for machine in system.fabric.machines[1:]}
    took = heard(ears, others, kernel, began)
    time.sleep(PAUSE_S)
    return took


def heard(ears: Ears, wanted: dict[str, set[bytes]], kernel: int, began: float) -> float:
    """Seconds from `began` until all of it was heard; NEVER when it was not in time."""
    try:
        return ears.until(wanted, kernel) - began
    except TimeoutError:
        return NEVER


def _series(found: dict[str, Found]) -> list[Series]:
    base = next(iter(found))
    series = []
    for what, unit, values in (
        ("start to all routes", "s", {name: each.start_s for name, each in found.items()}),
        ("CPU of a node until then", "ms", {name: each.start_cpu_ms for name, each in found.items()}),
        ("a new block in every other kernel", "ms", {name: each.claim_ms for name, each in found.items()}),
        ("a block gone from every other kernel", "ms", {name: each.release_ms for name, each in found.items()}),
        ("CPU of a node for both", "ms", {name: each.change_cpu_ms for name, each in found.items()}),
    ):
        for name, samples in values.items():
            remark = f"p99 {p99(samples):.1f} ms" if "block" in what and samples and NEVER not in samples else ""
            if samples:
                series.append(Series(f"{what}: {name}", unit, tuple(samples), name == base, remark))
    return series


def _goals(found: dict[str, Found], count: int) -> list[Goal]:
    own = Series("", "", tuple(found[BIRDPY.name].claim_ms)) if BIRDPY.name in found else None
    goals = []
    if own is not None and own.samples and count in CLAIM_MS:
        goals.append(Goal("block to every kernel, p50 ms", own.median, CLAIM_MS[count]))
    if own is not None and count in START_S:
        goals.append(Goal("start, s", Series("", "", tuple(found[BIRDPY.name].start_s)).median, START_S[count]))
    return goals
