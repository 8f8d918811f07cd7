"""The steps that bring nodes to life, for a new lab and for nodes added to a running one. Edge."""

import contextlib
import json
import select
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import felixpy
from felixpy.lab import control, enter, names, registry
from felixpy.lab.registry import Lab
from felixpy.lab.topology import Topology
from felixpy.model.errors import Trouble

PATIENCE = 20.0  # seconds for a node's process 1 to report
EXEC_TIMEOUT = 120.0  # seconds for one `exec` line
START = "import sys; sys.path.insert(0, sys.argv[1]); from felixpy.lab.init import main; main(sys.argv[2])"

Specs = Mapping[str, dict[str, Any]]


def write(folder: Path, specs: Specs) -> None:
    """The nodes' part of the registry, before anything else of them is made."""
    for name, spec in specs.items():
        place = folder / "nodes" / name
        for part in ("run", "state", "log", "root"):
            (place / part).mkdir(parents=True)
        (place / "run").chmod(0o700)
        (folder / "clab" / name).mkdir()
        (place / "spec.json").write_text(json.dumps(spec, indent=1))


def nodes(folder: Path, specs: Specs, *, named: bool) -> Lab:
    """Start process 1 of every node at once, wait until each says `ready`, and name them for `ip netns list`."""
    source = str(Path(felixpy.__file__).parent.parent)
    started = {
        name: subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", START, source, str(folder / "nodes" / name / "spec.json")],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=(folder / "nodes" / name / "log" / "init.log").open("a"), start_new_session=True,
        )
        for name in specs
    }  # fmt: skip
    give_up = time.monotonic() + PATIENCE
    answers = {name: _answer(process, give_up) for name, process in started.items()}
    for name, answer in answers.items():
        if answer != "ready":
            log = (folder / "nodes" / name / "log" / "init.log").read_text().strip()
            raise Trouble(f"node {name} did not start: {answer or log or 'its process ended'}")
    lab = registry.read(folder)
    if named:
        names.prepare()
        for name in specs:
            names.give(lab.nodes[name].netns, lab.nodes[name].pid, lab.node_folder(name))
    return lab


def _answer(process: subprocess.Popen[bytes], give_up: float) -> str:
    """The one line that a starting node says; empty when it says none in time."""
    assert process.stdout is not None
    with process.stdout as stream:
        ready, _, _ = select.select([stream], [], [], max(0.0, give_up - time.monotonic()))
        said = stream.readline().decode(errors="replace").strip() if ready else "no answer in time"
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)
    return said


def run(topology: Topology, lab: Lab, which: Iterable[str]) -> Iterator[str]:
    """Start the programs of these nodes, then their `exec` lines in order; nodes side by side. What went wrong."""
    chosen = list(which)
    with ThreadPoolExecutor(max_workers=min(16, len(chosen) or 1)) as pool:
        for said in pool.map(lambda name: _run_node(topology, lab, name), chosen):
            yield from said


def _run_node(topology: Topology, lab: Lab, name: str) -> list[str]:
    node = topology.nodes[name]
    if node.startup_delay:
        time.sleep(node.startup_delay)
    control.ask(lab.node_folder(name), "start")
    return list(lines(lab, name, node.exec))


def lines(lab: Lab, name: str, wanted: Iterable[str]) -> Iterator[str]:
    """Run `exec` lines in a node, one after the other; a sentence for each that failed: the others still run."""
    for line in wanted:
        argv = shlex.split(line)
        if not argv:
            continue
        try:
            done = enter.run_in(lab, name, argv, timeout=EXEC_TIMEOUT)
        except subprocess.TimeoutExpired:
            yield f"{name}: {line}: not done after {EXEC_TIMEOUT:.0f} s, left"
            continue
        if done.returncode != 0:
            reason = (done.stderr or done.stdout).strip().splitlines()
            yield f"{name}: {line}: exit {done.returncode}: {reason[-1] if reason else ''}"
