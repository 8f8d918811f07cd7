"""Writing and reading 100,000 /32 routes: ours, a C program that batches, BIRD 2, in turns.

BIRD has a namespace of its own: it listens to all routes, and even idle would nearly double the others' time.
"""

import asyncio
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path

from felixpy.kernel.routes import KernelRoutes
from felixpy.model.routes import Device, Route, RouteKey, RouteKind
from felixpy.reconcile.plan import Plan, diff
from tests.bench import bird
from tests.bench.bird import Took
from tests.bench.table import Bench, Goal, Row, Series, ratio
from tests.namespaces import Namespace, in_new_namespace

V0 = Device("v0")
FIRST = 0x0A800000  # 10.128.0.0, as in routes.c
PROTOCOL = 80
LINES = "link add v0 index 100 type veth peer name v1\nlink set v0 up\nlink set v1 up\n"
VOID_US = 6.0  # a C program that needs more tells of a busy machine, not of the kernel


def wanted(count: int) -> dict[RouteKey, Route]:
    keys = [RouteKey(IPv4Network((FIRST + number, 32))) for number in range(count)]
    return {key: Route(key, RouteKind.LOCAL, V0) for key in keys}


@contextmanager
def ground() -> Iterator[Namespace]:
    """A namespace of its own with a veth pair that is up."""
    with contextmanager(in_new_namespace)() as namespace:
        namespace.run("ip", "-batch", "-", given=LINES)
        yield namespace


def compiled(scratch: Path) -> Path:
    program = scratch / "routes"
    source = Path(__file__).with_name("routes.c")
    subprocess.run(["cc", "-O2", "-o", str(program), str(source)], check=True)
    return program


def in_c(program: Path, what: str, count: int) -> Took:
    command = [str(program), what, str(count), "100", str(PROTOCOL)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Took(*map(float, done.stdout.split()))


async def applied(table: KernelRoutes, plan: Plan[RouteKey, Route]) -> Took:
    began, worked = time.perf_counter(), time.process_time()
    refused = await table.apply(plan)
    took = Took(time.perf_counter() - began, time.process_time() - worked)
    assert not refused
    return took


def ours() -> KernelRoutes:
    return KernelRoutes(PROTOCOL, [0], lambda _key, _route: True)


def installed(namespace: Namespace) -> int:
    return sum(1 for line in namespace.run("ip", "route", "show", "table", "main").splitlines() if "v0" in line)


async def _ours_in_turn(count: int) -> tuple[Took, Took]:
    """Writing and erasing; each time as an agent does at its start: read, then write."""
    table, rows = ours(), wanted(count)
    await table.read()
    write = await applied(table, Plan(rows))
    assert await table.read() == rows
    return write, await applied(table, Plan({}, frozenset(rows)))


def _in_turns(bench: Bench, count: int) -> dict[str, list[tuple[Took, Took]]]:
    """Each writer's adding and erasing, round by round."""
    took: dict[str, list[tuple[Took, Took]]] = {"C": [], "felixpy": [], "BIRD 2": []}
    with ground() as namespace:
        program = compiled(bench.scratch)
        lines = [f'route {key.prefix} via "v0";' for key in wanted(count)]
        apart = namespace.another()
        apart.run("ip", "-batch", "-", given=LINES)
        with bird.running(apart, bench.scratch, lines) as other:
            for _ in range(bench.rounds):
                took["C"].append((in_c(program, "add", count), in_c(program, "del", count)))
                took["felixpy"].append(asyncio.run(_ours_in_turn(count)))
                added = other.timed("enable fib")
                assert installed(apart) == count
                took["BIRD 2"].append((added, other.timed("disable fib")))
                assert installed(apart) == 0
    return took


def write(bench: Bench) -> Row:
    """Write and erase the routes; microseconds a route."""
    count = 10_000 if bench.quick else 100_000
    took = _in_turns(bench, count)
    series = [
        Series(f"{name}, {verb}", unit, tuple(pair[nth][of] / count * 1e6 for pair in took[name]), base=name == "C")
        for nth, verb in enumerate(("writing", "erasing"))
        for of, unit in enumerate(("us a route", "us of processor a route"))
        for name in took
    ]
    c, own, peer = series[:3]
    goals = [
        Goal("felixpy : C", ratio(own, c), 1.3),
        Goal("BIRD 2 : felixpy", ratio(peer, own), 1.5, at_least=True),
    ]
    void = f"C itself took {c.median:.1f} us a route" if c.median > VOID_US else ""
    notes = {"C": "tests/bench/routes.c, cc -O2: 256 messages a send, ACK on the last", "BIRD": bird.configuration()}
    return Row(f"write {count} /32 routes", series, goals, notes, void)


def resync(bench: Bench) -> Row:
    """Read all routes back and find that nothing is to be done; milliseconds."""
    count = 10_000 if bench.quick else 100_000
    in_c_ms: list[float] = []
    ours_ms: list[float] = []
    changed_ms: list[float] = []

    async def run(program: Path) -> None:
        table, rows = ours(), wanted(count)
        await table.apply(Plan(rows))
        await table.read()
        key, other = next(iter(rows)), RouteKey(IPv4Network("192.0.2.1/32"))
        for _ in range(bench.rounds):
            in_c_ms.append(in_c(program, "dump", count).wall * 1e3)
            began = time.perf_counter()
            plan = diff(rows, await table.read(), may_erase=True)
            ours_ms.append((time.perf_counter() - began) * 1e3)
            assert not plan
            await ours().apply(Plan({other: Route(other, RouteKind.LOCAL, V0)}, frozenset([key])))
            began = time.perf_counter()
            plan = diff(rows, await table.read(), may_erase=True)
            changed_ms.append((time.perf_counter() - began) * 1e3)
            assert set(plan.write) == {key}
            assert plan.erase == {other}
            assert not await table.apply(plan)
            await table.read()

    with ground():
        asyncio.run(run(compiled(bench.scratch)))
    c = Series("C dump", "ms", tuple(in_c_ms), base=True)
    own = Series("felixpy, nothing changed", "ms", tuple(ours_ms))
    changed = Series("felixpy, one gone and one stray", "ms", tuple(changed_ms))
    return Row(f"resync {count} routes", [c, own, changed], [Goal("felixpy : C dump", ratio(own, c), 2.5)])


def one_more(bench: Bench) -> Row:
    """One route more while many are held must cost its own work, not the table's; microseconds."""
    count = 10_000 if bench.quick else 100_000
    key = RouteKey(IPv4Network("192.0.2.1/32"))
    route = Route(key, RouteKind.LOCAL, V0)

    async def times(table: KernelRoutes) -> tuple[float, ...]:
        found = []
        for _ in range(bench.rounds * 20):
            found.append((await applied(table, Plan({key: route}))).wall * 1e6)
            await applied(table, Plan({}, frozenset([key])))
        return tuple(found)

    async def run() -> tuple[tuple[float, ...], tuple[float, ...]]:
        table = ours()
        await table.read()
        few = await times(table)
        await table.apply(Plan(wanted(count)))
        await table.read()
        return few, await times(table)

    with ground():
        few, many = asyncio.run(run())
    alone = Series("0 held", "us", few, base=True)
    crowded = Series(f"{count} held", "us", many)
    return Row("one more route", [alone, crowded], [Goal(f"{count} held : 0 held", ratio(crowded, alone), 3)])
