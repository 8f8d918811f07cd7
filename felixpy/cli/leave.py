"""Join: `felixpy leave`: a Kubernetes node gives up our network, step by step, before the DaemonSets are deleted."""

import asyncio
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import click

from felixpy.daemon.paths import control_socket, run_dir, state_dir
from felixpy.daemon.pidfile import claim
from felixpy.datastore.open import open_datastore
from felixpy.datastore.source import Datastore
from felixpy.host.cni import attached
from felixpy.host.files import Machine, take
from felixpy.model.errors import Conflict, Trouble
from felixpy.model.resources import Node, Resource
from felixpy.show.options import complete_node, datastore_options
from felixpy.show.target import this_node

LABEL = "felixpy.io/uninstall"  # both DaemonSets keep away from nodes that have it
LOOK_S = 0.5
ATTEMPTS = 5
STEP_S = 120.0  # for one command of ours


@click.command("leave")
@click.option(
    "--node",
    default="",
    shell_complete=complete_node,
    help="This node. Default: $FELIXPY_NODE, else the host's name.",
)
@click.option("--wait", default=300.0, show_default=True, help="Seconds for pods, and then for the daemons, to go.")
@click.option("--force", is_flag=True, help="Also while pods are attached: they lose their network.")
@click.option("--stay", is_flag=True, help="Do nothing but wait for a signal: the pod of a DaemonSet must not end.")
@datastore_options
def leave(*, node: str, wait: float, force: bool, stay: bool, datastore: str | None, lab: str | None) -> None:
    """Take this node out of felixpy's network. Each step that is done already is passed over.

    Attached pods are waited for, the CNI configuration goes (no new pods), peers are told, both daemons are made to
    go by the label felixpy.io/uninstall of the Node, what they left in the kernel is removed, and the plugin.

    \b
    Examples:
      felixpy leave --node n1
      kubectl apply -k manifests/uninstall
    """
    if stay:
        _until_told()
        return
    name = node or this_node()
    machine = Machine(Path("/"), state_dir())
    for said in _steps(machine, name, wait, force=force, where=(datastore, lab)):
        click.echo(f"{name}: {said}")


def _until_told() -> None:
    """Wait for a signal. Blocked first: the kernel drops what a namespace's first process does not handle."""
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    signal.sigwait(ends)


def _steps(
    machine: Machine, node: str, wait: float, *, force: bool, where: tuple[str | None, str | None]
) -> Iterator[str]:
    """Do each step and say so. Trouble stops: the next start goes on from there."""
    # As long as the configuration is there runtimes can detach pods: without it they leave them half deleted.
    if not force and (pods := attached()):
        yield f"waits for {len(pods)} attached pods: delete or move them, or give --force"
        _wait(attached, wait, "pods are still attached")
    for path, outcome in take(machine, [path for path in _installed(machine) if path.suffix == ".conflist"]):
        yield f"CNI configuration {path}: {outcome.value}"
    if control_socket("birdpy", run_dir()).is_socket() and not _free("birdpy"):
        _ours("birdpy", "drain", "--node", node)
        yield "birdpy: peers were told, nothing is announced any more"
    asyncio.run(_mark(open_datastore(*where), node))
    _wait(lambda: [name for name in ("felixpy", "birdpy") if not _free(name)], wait, "still running")
    yield "felixpy and birdpy: stopped"
    for program in ("birdpy", "felixpy"):
        lines = _ours(program, "cleanup", *(["--datastore", where[0]] if where[0] else []))
        yield f"{program} cleanup: {len(lines)} removed from the kernel" + "".join(f"\n  {line}" for line in lines)
    for path, outcome in take(machine):
        yield f"{path}: {outcome.value}"
    for folder in (run_dir(), state_dir()):
        _empty(folder)
    yield "done: nothing of felixpy is left here"


def _installed(machine: Machine) -> list[Path]:
    return [Path(name) for name in machine.receipt().files]


def _free(daemon: str) -> bool:
    """Whether no `daemon` runs in our run folder."""
    try:
        claim(run_dir() / f"{daemon}.pid", daemon).release()
    except Trouble:
        return False
    return True


def _wait(left: Callable[[], Sequence[str]], seconds: float, reason: str) -> None:
    """Return when `left()` is empty. Trouble with what is left when that takes too long."""
    give_up = time.monotonic() + seconds
    while found := left():
        if time.monotonic() > give_up:
            raise Trouble(f"{', '.join(found[:5])}{' ...' if len(found) > 5 else ''}: {reason}")
        time.sleep(LOOK_S)


async def _mark(datastore: Datastore, node: str) -> None:
    """Label the Node. A node that the cluster does not have any more needs no label."""
    try:
        for _ in range(ATTEMPTS):
            stored = await datastore.get(Node, node)
            if stored is None or stored.meta.labels.get(LABEL) == "true":
                return
            meta = replace(stored.meta, labels=stored.meta.labels | {LABEL: "true"})
            try:
                await datastore.update(Resource(meta, stored.spec, stored.digest, stored.unknown))
            except Conflict:
                continue
            return
        raise Trouble(f"Node {node}: others change it faster than it can be labelled")
    finally:
        await datastore.close()


def _ours(program: str, *arguments: str) -> list[str]:
    """The lines that one of our commands printed; Trouble in its words when it failed."""
    done = subprocess.run(
        [sys.executable, "-m", program, *arguments], capture_output=True, text=True, timeout=STEP_S, check=False
    )
    if done.returncode:
        raise Trouble(f"{program} {' '.join(arguments)}: {done.stderr.strip() or f'exit {done.returncode}'}")
    return done.stdout.splitlines()


def _empty(folder: Path) -> None:
    for entry in folder.iterdir() if folder.is_dir() else ():
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink(missing_ok=True)
