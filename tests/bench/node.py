"""What a node costs when nothing happens: memory and CPU of its daemons in the running quickstart lab, and imports.

Measured from outside, on processes that run as a user runs them: PSS from smaps_rollup (a page that several share
is counted once), CPU from schedstat (nanoseconds on a core, not ticks).
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.bench.table import Bench, Goal, Row, Series

ROOT = Path(__file__).parents[2]
QUIET_S = 60.0


@contextmanager
def quickstart(folder: Path, verb: str) -> Iterator[tuple[Path, str]]:
    """The quickstart lab as `felixpy lab VERB` makes it, name and registry its own; its folder, and what was said."""
    name = f"bench{os.getpid()}"
    topology = ROOT / "containerlab" / f".{name}.clab.yml"
    env = {**os.environ, "FELIXPY_LABS_DIR": str(folder)}

    def felixpy(*args: str) -> str:
        command = [sys.executable, "-m", "felixpy", "lab", *args]
        done = subprocess.run(command, env=env, check=True, capture_output=True, text=True, timeout=120)
        return done.stdout + done.stderr

    topology.write_text(
        (ROOT / "containerlab/quickstart.clab.yml").read_text().replace("name: quickstart", f"name: {name}")
    )
    try:
        said = felixpy(verb, "-t", str(topology))
        yield folder / name, said
    finally:
        felixpy("destroy", "--all")
        topology.unlink()


def deployment(bench: Bench) -> Row:
    """`make lab` after the installation: until every ping is answered, and until everything has been shown."""
    answered, whole = [], []
    for number in range(bench.rounds):
        began = time.monotonic()
        with quickstart(bench.scratch / str(number), "tour") as (_, said):
            whole.append(time.monotonic() - began)
            found = re.search(r"every ping is answered ([0-9.]+) s", said)
            assert found is not None, said
            answered.append(float(found[1]))
    first = Series("parse to every ping answered", "s", tuple(answered))
    last = Series("all of `make lab` after the installation", "s", tuple(whole))
    goals = (Goal("pings, s", first.median, 10), Goal("all, s", last.median, 30))
    return Row("the quickstart lab", [first, last], goals)


def daemons(lab: Path, node: str) -> dict[int, str]:
    """The processes below a node's holder, which itself is the lab's and not counted: pid -> which one it is."""
    holder = int((lab / "nodes" / node / "holder").read_text().split()[0])
    found: dict[int, str] = {}
    todo = [(holder, "")]
    while todo:
        pid, above = todo.pop()
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                words = Path(f"/proc/{child}/cmdline").read_bytes().decode().split("\0")
                name = next((w for w in ("felixpy", "birdpy") if w in words), "")
                name = name or {"birdpy": "exabgp", "exabgp": "bridge"}.get(above, above)
                found[child] = name
                todo.append((child, name))
    return found


def pss_mb(pid: int | str) -> float:
    """Proportional set size in MB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def cpu_s(pid: int) -> float:
    """Seconds on a core so far, all threads."""
    return sum(int((t / "schedstat").read_text().split()[0]) for t in Path(f"/proc/{pid}/task").iterdir()) / 1e9


def summed(values: Mapping[int, float], names: Mapping[int, str]) -> dict[str, float]:
    """By daemon instead of by process."""
    totals: dict[str, float] = {}
    for pid, value in values.items():
        totals[names[pid]] = totals.get(names[pid], 0.0) + value
    return totals


def idle(bench: Bench) -> Row:
    """Memory and CPU of all daemons of each node of the quickstart lab, when nothing happens."""
    quiet = 5.0 if bench.quick else QUIET_S
    series: list[Series] = []
    with quickstart(bench.scratch / "labs", "deploy") as (lab, _):
        time.sleep(quiet)
        names = {node: daemons(lab, node) for node in ("n1", "n2", "n3")}
        before = {node: {pid: cpu_s(pid) for pid in pids} for node, pids in names.items()}
        began = time.monotonic()
        time.sleep(quiet)
        span = time.monotonic() - began
        cpu = {
            node: summed({pid: (cpu_s(pid) - before[node][pid]) / span * 100 for pid in pids}, pids)
            for node, pids in names.items()
        }
        pss = {node: summed({pid: pss_mb(pid) for pid in pids}, pids) for node, pids in names.items()}
    for name in ("felixpy", "birdpy", "exabgp", "bridge"):
        series.append(Series(f"{name}, PSS", "MB", tuple(pss[node][name] for node in names)))
        series.append(Series(f"{name}, CPU", "% of a core", tuple(cpu[node][name] for node in names)))
    memory = Series("all daemons of a node, PSS", "MB", tuple(sum(p.values()) for p in pss.values()))
    busy = Series("all daemons of a node, CPU", "% of a core", tuple(sum(c.values()) for c in cpu.values()))
    goals = (Goal("summed PSS, MB", memory.median, 120), Goal("summed CPU, % of a core", busy.median, 1))
    return Row(f"a quiet node, {quiet:.0f} s after {quiet:.0f} s", [memory, busy, *series], goals)


def imports(bench: Bench) -> Row:
    """What importing alone costs, in a process that does nothing else; and the time to the first help text."""
    program = "import {module}; print(next(l for l in open('/proc/self/smaps_rollup') if l.startswith('Pss:')))"
    series = []
    for what, module in {
        "bare Python": "sys",
        "felixpy's agent": "felixpy.agent, felixpy.process",
        "birdpy's router": "birdpy.router, birdpy.daemon",
    }.items():
        samples = []
        for _ in range(bench.rounds):
            done = subprocess.run(
                [sys.executable, "-c", program.format(module=module)], capture_output=True, text=True, check=True
            )
            samples.append(int(done.stdout.split()[1]) / 1024)
        series.append(Series(f"{what}, imports alone", "MB", tuple(samples)))
    helps = [
        Series(f"{name} --help", "ms", tuple(help_ms(name) for _ in range(bench.rounds * 2)))
        for name in ("felixpy", "birdpy")
    ]
    goals = tuple(Goal(f"{one.name}, ms", one.median, 150) for one in helps)
    return Row("imports", [*series, *helps], goals)


def help_ms(program: str) -> float:
    """Milliseconds until `--help` has been printed, whole process."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", program, "--help"], capture_output=True, check=True)
    return (time.perf_counter() - began) * 1e3
