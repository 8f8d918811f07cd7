"""How it grows: with routes in the kernel, with routes and nodes through BGP, with pods on a node.

Each size starts anew but for pods, which are added to one agent. The exponent is that of the straight line through
the logarithms: 1 is linear; below it a fixed cost shows at the small sizes; above it something grows faster than
what it works on.
"""

import asyncio
import resource
import time

from felixpy.reconcile.plan import Plan, diff
from tests.bench import load
from tests.bench.attach import ground as node_ground
from tests.bench.attach import one_by_one, pods
from tests.bench.bird import Took
from tests.bench.curves import Curve
from tests.bench.load import RECEIVERS, Received, Site, by_birdpy, cpu_s, rss_mb, write_routes
from tests.bench.node import pss_mb
from tests.bench.routes import applied, compiled, ground, in_c, ours, wanted
from tests.bench.table import Bench, Goal, Row, Series

Points = dict[tuple[str, str], list[tuple[float, float]]]  # (name, unit) -> (size, value)
LINEAR = 1.15  # what measures a little more than linear on a machine with other work, and is
BLOCKS_A_NODE = 4
KERNEL = ("felixpy writes", "felixpy resyncs", "felixpy erases")
NODES = ("10", "30", "100", "250", "500")
NODE_ROUTE = "route {} blackhole {{ bgp_next_hop = 172.30.{}.{}; }};\n"
MANY_NEXT_HOPS = """
router id 172.20.0.9;
log stderr all;
protocol device {{}}
protocol direct {{ ipv4; }}
protocol static many {{ disabled; ipv4;
include "{routes}";
}}
protocol bgp to_n1 {{ local 172.20.0.9 as 65009; neighbor 172.20.0.1 as 64512; multihop;
  connect delay time 1; connect retry time 1;
  ipv4 {{ import none; export where source = RTS_STATIC; next hop keep; }}; }}
"""


def _row(title: str, size: str, found: Points, goals: tuple[str, ...]) -> Row:
    """Curves, the value at the greatest size as series, and the goal that these grow no faster than linearly."""
    curves = [Curve(name, unit, size, tuple(points)) for (name, unit), points in found.items()]
    series = [
        Series(f"{each.name}, {each.points[-1][0]:,.0f} {size}", each.unit, (each.points[-1][1],),
               remark=f"grows as {size} ^ {each.exponent:.2f}")
        for each in curves
    ]  # fmt: skip
    wanted_of = [Goal(f"{c.name}: exponent", c.exponent, LINEAR) for c in curves if c.name in goals]
    return Row(title, series, wanted_of, curves=curves)


def routes(bench: Bench) -> Row:
    """1,000 to 1,000,000 /32 routes in one kernel: written by felixpy and by C, read back and compared."""
    sizes = (1_000, 10_000) if bench.quick else (1_000, 10_000, 100_000, 1_000_000)
    found: Points = {}
    title = "routes in one kernel"
    for count in sizes:
        with ground():
            program = compiled(bench.scratch)
            for verb, name in (("add", "C writes"), ("del", "C erases")):
                _took(found, name, count, in_c(program, verb, count))
            for name, took in zip(KERNEL, asyncio.run(_kernel(count)), strict=True):
                _took(found, name, count, took)
        bench.keep(_row(title, "routes", found, ()))
    return _row(title, "routes", found, tuple(f"{name}, processor" for name in KERNEL))


def _took(found: Points, name: str, size: int, took: Took) -> None:
    """By the clock, and of the processor: the second hardly depends on what else the machine does."""
    found.setdefault((name, "s"), []).append((size, took.wall))
    found.setdefault((f"{name}, processor", "s"), []).append((size, took.cpu))


async def _kernel(count: int) -> tuple[Took, ...]:
    table, rows = ours(), wanted(count)
    await table.read()
    written = await applied(table, Plan(rows))
    began, worked = time.perf_counter(), time.process_time()
    plan = diff(rows, await table.read(), may_erase=True)
    resynced = Took(time.perf_counter() - began, time.process_time() - worked)
    assert not plan
    return written, resynced, await applied(table, Plan({}, frozenset(rows)))


def announced(bench: Bench) -> Row:
    """1,000 to 100,000 routes from one BIRD until all are in the kernel, by way of birdpy and of BIRD 2."""
    sizes = (1_000, 3_000) if bench.quick else (1_000, 3_000, 10_000, 30_000, 100_000)
    found: Points = {}
    title = "routes through BGP into one kernel"
    file = bench.scratch / "routes.conf"
    for count in sizes:
        write_routes(file, count, own=False)
        for name in ("birdpy", "BIRD 2"):
            took = load.received(bench.scratch / f"{name}{count}".replace(" ", ""), RECEIVERS[name], file, count)
            _note(found, name, count, took)
        bench.keep(_row(title, "routes", found, ()))
    return _row(title, "routes", found, ("birdpy: CPU", "birdpy: memory"))


def _note(found: Points, name: str, size: int, took: Received) -> None:
    found.setdefault((name, "s"), []).append((size, took.seconds))
    found.setdefault((f"{name}: CPU", "s"), []).append((size, sum(took.cpu_s.values())))
    found.setdefault((f"{name}: memory", "MB"), []).append((size, took.rss_mb))


def nodes(bench: Bench) -> Row:
    """10 to 500 nodes' worth of routes from one reflector, four blocks a node with a next hop of its own each."""
    found: Points = {}
    title = f"{BLOCKS_A_NODE} blocks each of many nodes, told by one reflector"
    for count in map(int, NODES[:2] if bench.quick else NODES):
        _told(bench, count, found)
        bench.keep(_row(title, "nodes", found, ()))
    return _row(title, "nodes", found, ("all in the kernel", "CPU until then", "CPU at rest", "memory"))


def _told(bench: Bench, count: int, found: Points) -> None:
    """One size. Every next hop is an address of the sender: they answer when they are asked whether they live."""
    file = bench.scratch / f"nodes{count}.conf"
    lines = (
        NODE_ROUTE.format(load.prefix(node * BLOCKS_A_NODE + at), node >> 8, node & 255)
        for node in range(1, count + 1)
        for at in range(BLOCKS_A_NODE)
    )
    file.write_text("".join(lines))
    with load.site(bench.scratch / f"site{count}") as at:
        at.machine.namespace.run("ip", "address", "add", "172.30.255.1/16", "dev", "eth1")
        with by_birdpy(at) as pids, load.sending(at, file, MANY_NEXT_HOPS) as sender:
            before = {name: cpu_s(pid) for name, pid in pids.items()}
            at.counter.drain()
            began = time.perf_counter()
            sender.ask("enable", "many")
            ended = at.counter.until(count * BLOCKS_A_NODE, lambda: sender.ask("show", "status"))
            used = sum(cpu_s(pid) - before[name] for name, pid in pids.items())
            time.sleep(3)
            quiet, rest = 3.0 if bench.quick else 8.0, sum(map(cpu_s, pids.values()))
            time.sleep(quiet)
            rest = (sum(map(cpu_s, pids.values())) - rest) / quiet * 100
            _kept(at, count)
            for name, unit, value in (
                ("all in the kernel", "s", ended - began), ("CPU until then", "s", used),
                ("CPU at rest", "% of a core", rest), ("memory", "MB", sum(map(rss_mb, pids.values()))),
            ):  # fmt: skip
                found.setdefault((name, unit), []).append((count, value))


def _kept(at: Site, count: int) -> None:
    shown = at.machine.namespace.run("ip", "route", "show", "proto", "bird")
    led = shown.count(" via 172.30.")
    assert led == count * BLOCKS_A_NODE, (
        f"{led} of {count * BLOCKS_A_NODE} routes lead to their nodes:\n{shown[:400]}"
    )


def pods_on_a_node(bench: Bench) -> Row:
    """10 to 1,000 pods on one node: what one more costs, all of them in a row, and the agent's memory."""
    sizes = (10, 30) if bench.quick else (10, 30, 100, 300, 1000)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, most), most))  # each pod is two descriptors here
    found: Points = {}
    title, held, whole = "pods on one node", 0, 0.0
    with node_ground(bench.scratch) as (made, netns):
        one_by_one(made, pods(netns, 1, 5000), "ADD")  # the first block, folders and imports
        for count in sizes:
            before = cpu_s(made.agents[-1].pid)
            times = one_by_one(made, pods(netns, count - held, held), "ADD")
            used = (cpu_s(made.agents[-1].pid) - before) / (count - held) * 1000
            memory = pss_mb(made.agents[-1].pid)
            held, whole, last = count, whole + sum(times) / 1000, sorted(times[-10:])
            for name, unit, value in (
                ("one more pod", "ms", last[len(last) // 2]), ("CPU of the agent for one", "ms", used),
                ("all of them, one by one", "s", whole), ("memory of the agent (PSS)", "MB", memory),
            ):  # fmt: skip
                found.setdefault((name, unit), []).append((count, value))
            bench.keep(_row(title, "pods", found, ()))
    row = _row(title, "pods", found, ("all of them, one by one", "memory of the agent (PSS)"))
    flat = [Goal(f"{c.name}: exponent", c.exponent, LINEAR - 1) for c in row.curves if c.name == "one more pod"]
    return Row(row.title, row.series, [*row.goals, *flat], curves=row.curves)
