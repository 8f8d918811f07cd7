"""Making a lab: nodes all at once, links in one batch, programs, then what `exec` says. Join.

Order matters for a kill at any moment: the registry first, then whatever could outlive us.
"""

import contextlib
import json
import select
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import felixpy
from felixpy.daemon import paths
from felixpy.lab import control, destroy, enter, furnish, links, names, registry, rootless
from felixpy.lab.registry import Lab
from felixpy.lab.topology import Topology
from felixpy.model.errors import Trouble

Say = Callable[[str], None]
PATIENCE = 20.0  # seconds for a node's process 1 to report
EXEC_TIMEOUT = 120.0  # seconds for one `exec` line
START = "import sys; sys.path.insert(0, sys.argv[1]); from felixpy.lab.init import main; main(sys.argv[2])"


def deploy(topology: Topology, say: Say, *, reconfigure: bool = False) -> Lab | None:
    """Make a lab and return it; None when it runs already. Trouble leaves nothing behind."""
    rootless.become_root_of_our_own()
    with registry.locked(topology.name):
        lab = registry.read(paths.labs_dir() / topology.name)
        if lab.state == "running" and lab.alive and not reconfigure:
            return None
        if lab.folder.exists():
            say("removing it first, as asked" if reconfigure else "removing what an unfinished deployment left")
            (lab.folder / "lab.json").unlink(missing_ok=True)
            destroy.remove(lab)
        try:
            return _make(topology, lab.folder, say)
        except BaseException:  # Ctrl-C too: half a lab helps nobody
            (lab.folder / "lab.json").unlink(missing_ok=True)
            destroy.remove(registry.read(lab.folder))
            names.clean()
            raise


def _make(topology: Topology, folder: Path, say: Say) -> Lab:
    site = furnish.Site(folder, rootless=rootless.is_root_of_its_own())
    specs = furnish.specs(topology, site)
    if not site.rootless:
        furnish.refuse_taken(topology)
    _check_inotify(topology)
    _write_folders(topology, folder, specs)
    began = time.monotonic()
    _start_nodes(folder, specs)
    lab = registry.read(folder)
    if not site.rootless:
        names.prepare()
        for node in lab.nodes.values():
            names.give(node.netns, node.pid, lab.node_folder(node.name))
    say(f"{len(specs)} nodes stand after {time.monotonic() - began:.1f} s")
    links.make(topology, {node.name: node.pid for node in lab.nodes.values()})
    say(f"{len(topology.links)} links connect them after {time.monotonic() - began:.1f} s")
    _run_nodes(topology, lab, say)
    done = Lab(lab.name, str(topology.file.absolute()), folder, "running", lab.nodes)
    registry.write(done)
    say(f"programs run and exec lines are done after {time.monotonic() - began:.1f} s")
    return done


def _check_inotify(topology: Topology) -> None:
    """Each daemon of a felixpy node watches the store with one inotify instance."""
    limit = int(Path("/proc/sys/fs/inotify/max_user_instances").read_text())
    needed = 2 * sum(1 for node in topology.nodes.values() if node.program == "felixpy")
    if needed > limit:
        raise Trouble(
            f"lab {topology.name}: its daemons need {needed} inotify instances, this machine allows {limit}; "
            f"sysctl -w fs.inotify.max_user_instances={needed + 128}"
        )


def _write_folders(topology: Topology, folder: Path, specs: Mapping[str, dict[str, Any]]) -> None:
    """The registry's entry, before anything else is made."""
    for part in ("nodes", "store", "clab"):
        (folder / part).mkdir(parents=True)
    for name, spec in specs.items():
        place = folder / "nodes" / name
        for part in ("run", "state", "log", "root"):
            (place / part).mkdir(parents=True)
        (place / "run").chmod(0o700)
        (folder / "clab" / name).mkdir()
        (place / "spec.json").write_text(json.dumps(spec, indent=1))
    empty = registry.read(folder)
    registry.write(Lab(empty.name, str(topology.file.absolute()), folder, "deploying", empty.nodes))


def _start_nodes(folder: Path, specs: Mapping[str, dict[str, Any]]) -> None:
    """Start process 1 of every node at once and wait until each says `ready`."""
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


def _answer(process: subprocess.Popen[bytes], give_up: float) -> str:
    """The one line that a starting node says; empty when it says none in time."""
    assert process.stdout is not None
    with process.stdout as stream:
        ready, _, _ = select.select([stream], [], [], max(0.0, give_up - time.monotonic()))
        said = stream.readline().decode(errors="replace").strip() if ready else "no answer in time"
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)
    return said


def _run_nodes(topology: Topology, lab: Lab, say: Say) -> None:
    """Start every node's programs, then its `exec` lines in order; nodes side by side."""
    with ThreadPoolExecutor(max_workers=min(16, len(lab.nodes) or 1)) as pool:
        for said in pool.map(lambda name: _run_node(topology, lab, name), lab.nodes):
            for line in said:
                say(line)


def _run_node(topology: Topology, lab: Lab, name: str) -> list[str]:
    node = topology.nodes[name]
    if node.startup_delay:
        time.sleep(node.startup_delay)
    control.ask(lab.node_folder(name), "start")
    said = []
    for line in node.exec:
        argv = shlex.split(line)
        if not argv:
            continue
        try:
            done = enter.run_in(lab, name, argv, timeout=EXEC_TIMEOUT)
        except subprocess.TimeoutExpired:
            said.append(f"{name}: {line}: not done after {EXEC_TIMEOUT:.0f} s, left")
            continue
        if done.returncode != 0:
            reason = (done.stderr or done.stdout).strip().splitlines()
            said.append(f"{name}: {line}: exit {done.returncode}: {reason[-1] if reason else ''}")
    return said
