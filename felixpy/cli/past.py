"""Join: a node's past, wherever the node is: its files when it is this one, else the same command run there."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from felixpy.daemon.paths import state_dir
from felixpy.daemon.status import record
from felixpy.history.reading import DAEMONS, DaemonLog
from felixpy.history.recorder import FOLDER
from felixpy.history.telling import Subject, past_routes
from felixpy.model.addresses import Prefix, host_prefix, parse_address, parse_prefix
from felixpy.model.errors import Trouble, Unreachable, Usage
from felixpy.model.past import HistoryStatus, PastRoutes
from felixpy.model.status import Record
from felixpy.show.target import Target

PATIENCE_S = 20.0  # for a command inside a lab's node
FLUSH_S = 3.0  # for a daemon to write what waits
R = TypeVar("R", bound=Record)


def logs_of(target: Target) -> dict[str, DaemonLog]:
    """The logs of this machine's daemons; one that runs says where its log is, and writes what waits."""
    logs = {}
    for daemon in DAEMONS:
        folder = state_dir() / FOLDER / daemon
        try:
            status = target.asked(daemon, "history", HistoryStatus, FLUSH_S)
        except Trouble:  # it does not run: its files are enough
            status = None
        if status is not None and (status.on or not folder.exists()):
            folder = Path(status.folder)
        logs[daemon] = DaemonLog(folder)
    return logs


def routes_then(target: Target, at: float, within: Prefix | None = None) -> PastRoutes:
    """A node's routes and sessions at a moment; Trouble when its log does not reach back so far."""
    if target.here:
        return past_routes(target.node, logs_of(target), at, within)
    prefix = [str(within)] if within is not None else []
    argv = ("felixpy", "routes", *prefix, "--node", target.node, "--at", f"{at:.6f}", "-o", "json")
    return asked_there(target, argv, PastRoutes)


def asked_there(target: Target, argv: Sequence[str], kind: type[R]) -> R:
    """What `argv` answers on a node that is not this machine: a lab's, or a cluster's."""
    said = _in_cluster(target, argv) if target.cluster else _in_lab(target, argv)
    try:
        return record(msgspec.json.decode(said), kind)
    except msgspec.DecodeError as error:
        raise Unreachable(f"node {target.node} answered nothing that can be read") from error


def _in_cluster(target: Target, argv: Sequence[str]) -> bytes:
    from felixpy.show.remote import run_on

    return run_on(target.cluster, target.node, "felixpy", argv)


def _in_lab(target: Target, argv: Sequence[str]) -> bytes:
    from felixpy.lab.enter import run_in
    from felixpy.lab.registry import find_lab

    try:
        done = run_in(find_lab(target.lab), target.node, argv, timeout=PATIENCE_S)
    except (OSError, subprocess.SubprocessError) as error:
        raise Unreachable(f"node {target.node}: {error}") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise Trouble(lines[-1].removeprefix("felixpy: "))
    return done.stdout.encode()


def subject(text: str | None) -> Subject:
    """What a user asks for: a prefix, an address (of a pod, or a peer's), a session's name; None is everything."""
    if not text:
        return Subject()
    try:
        if "/" in text:
            return Subject(parse_prefix(text))
        return Subject(host_prefix(parse_address(text)), text)
    except ValueError as error:
        if "/" in text or ":" in text or text[0].isdigit():
            raise Usage(f"{text!r} is no prefix, no address and no session's name: {error}") from None
        return Subject(name=text)
