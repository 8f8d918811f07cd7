"""A link that goes down and a node that dies, among ten in a mesh: when do the others know.

The last node's port of the bridge is taken away: no carrier is lost at anybody else's, so each system finds out by
what it sends. BIRD and FRR then take the routes out of the kernel, which is the moment that counts. birdpy demotes
the next hop and keeps the route as the last resort while there is no other, so its moment is its log's `neighbour
lost`.
"""

import json
import time
from collections.abc import Callable
from datetime import datetime

from felixpy.kernel.rtnetlink import RTM_DELROUTE, RTM_NEWROUTE
from tests.bench.curves import NEVER
from tests.bench.peers import (
    BIRD,
    BIRD_BFD,
    BIRDPY,
    BIRDPY_FAST,
    FRR_DEFAULT,
    FRR_TUNED,
    System,
    pids,
    running_on,
)
from tests.bench.routers import Birdpy, Ears, address
from tests.bench.sizes import heard
from tests.bench.table import PATIENCE_S, Bench, Goal, Row, Series

KINDS = (BIRD, BIRDPY, BIRD_BFD, FRR_TUNED, BIRDPY_FAST, FRR_DEFAULT)
WHAT = ("link down, all others know", "link up, a block of meanwhile is everywhere", "node dead, all others know")
GOALS_S = (3.0, 2.0, 3.0)
SETTLE_S = 8.0  # the sessions of the first seconds have ended, or come up


def ten_nodes(bench: Bench) -> Row:
    """Ten nodes: a link goes down and up again, then a node dies: seconds until all others know."""
    found: dict[str, tuple[float, ...]] = {}
    row = Row("one of ten nodes is lost", [])
    for kind in KINDS:
        with running_on(bench, kind, 4 if bench.quick else 10) as (system, ears):
            found[kind.name] = one(system, ears)
        row = Row("one of ten nodes is lost", _series(found), _goals(found))
        bench.keep(row)
    return row


def one(system: System, ears: Ears) -> tuple[float, ...]:
    """Seconds of the three."""
    count = len(system.fabric.machines)
    numbers = range(1, count + 1)
    all_routes = {f"n{n}": {address(f"10.65.{other}.0/26") for other in numbers if other != n} for n in numbers}
    began = time.perf_counter()
    ears.drain()
    system.start()
    if heard(ears, all_routes, RTM_NEWROUTE, began) == NEVER:
        return ()
    time.sleep(SETTLE_S)
    down = _known(system, ears, lambda: _port(system, "down"))
    back = _back(system, ears)
    if back == NEVER:
        return (down, back)
    time.sleep(SETTLE_S)
    return (down, back, _known(system, ears, lambda: _die(system)))


def _port(system: System, state: str) -> None:
    """The last node loses or gains its carrier, and nobody else does."""
    system.fabric.ground.run("ip", "link", "set", f"e{len(system.fabric.machines)}", state)


def _die(system: System) -> None:
    last = len(system.fabric.machines)
    _port(system, "down")
    assert pids(system, last)
    system.kill(last)


def _known(system: System, ears: Ears, act: Callable[[], None]) -> float:
    """Seconds until all others know that the last node is away."""
    last = len(system.fabric.machines)
    ears.drain()
    began, wall = time.perf_counter(), time.time()
    act()
    if isinstance(system, Birdpy):
        return max(_noticed(machine.log, f"172.20.0.{last}", wall) for machine in system.fabric.machines[:-1])
    gone = {address(f"10.65.{last}.0/26")}
    return heard(ears, {f"n{n}": gone for n in range(1, last)}, RTM_DELROUTE, began)


def _noticed(log: Callable[[], str], neighbour: str, since: float) -> float:
    """Seconds until a router has logged that this neighbour is lost."""
    while time.time() < since + PATIENCE_S:
        for line in reversed(log().splitlines()):
            if '"neighbour lost"' not in line:
                continue
            entry = json.loads(line)
            at = datetime.fromisoformat(entry["timestamp"]).timestamp()
            if entry["address"] == neighbour and at >= since:
                return at - since
        time.sleep(0.1)
    return NEVER


def _back(system: System, ears: Ears) -> float:
    """Seconds from the link's return until what the lost node and the first one claimed meanwhile is everywhere."""
    last = len(system.fabric.machines)
    system.claim("10.65.200.0/26")
    system.claim("10.65.201.0/26", last)
    wanted = {f"n{n}": {address("10.65.201.0/26")} for n in range(1, last)} | {
        f"n{last}": {address("10.65.200.0/26")}
    }
    time.sleep(2)
    ears.drain()
    began = time.perf_counter()
    _port(system, "up")
    return heard(ears, wanted, RTM_NEWROUTE, began)


def _series(found: dict[str, tuple[float, ...]]) -> list[Series]:
    base = next(iter(found))
    return [
        Series(f"{what}: {name}", "s", (values[nth],), name == base)
        for nth, what in enumerate(WHAT)
        for name, values in found.items()
        if nth < len(values)
    ]


def _goals(found: dict[str, tuple[float, ...]]) -> list[Goal]:
    own = found.get(BIRDPY.name, ())
    return [Goal(f"{what}, s", value, limit) for what, value, limit in zip(WHAT, own, GOALS_S, strict=False)]
