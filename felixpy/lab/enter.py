"""The way into a lab node, and into a pod in it. Edge.

`nsenter` joins user, mount, UTS, IPC, PID and network namespaces of the node's holder; a pod only changes the network
namespace (not through `ip netns exec`, which would mount /sys anew).
"""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from felixpy.lab.registry import Lab
from felixpy.lab.rootless import join_options
from felixpy.model.errors import Trouble

NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid")
POD_NETNS = "/run/netns"


def command(lab: Lab, node: str, argv: Sequence[str], pod: str | None = None) -> list[str]:
    """The argument list that runs `argv` in a node, or in the network namespace of a pod in it."""
    entry = lab.node(node)
    if not entry.alive:
        raise Trouble(f"lab {lab.name}: node {node} is not running; felixpy lab deploy --reconfigure makes it anew")
    within = ["nsenter", f"--target={entry.pid}", *join_options(entry.pid), *NAMESPACES, "--"]
    if pod is not None:
        if not _has_pod(entry.pid, pod):
            raise Trouble(
                f"node {node} of lab {lab.name} has no pod {pod!r}; felixpy pod list --node {node} shows them"
            )
        within += ["nsenter", f"--net={POD_NETNS}/{pod}", "--"]
    return [*within, *argv]


def _has_pod(pid: int, pod: str) -> bool:
    """Whether a node has a namespace of that name; True when we may not look: nsenter says what is wrong then."""
    try:
        return (Path(f"/proc/{pid}/root{POD_NETNS}") / pod).exists()
    except PermissionError:
        return True


def environment(lab: Lab, node: str) -> dict[str, str]:
    """The environment that the node's own programs have."""
    try:
        spec = json.loads((lab.node_folder(node) / "spec.json").read_text())
    except (OSError, ValueError) as error:
        raise Trouble(f"lab {lab.name}: the spec of node {node} cannot be read: {error}") from error
    return {**spec["env"], "TERM": os.environ.get("TERM", "dumb")}


def run_in(
    lab: Lab, node: str, argv: Sequence[str], pod: str | None = None, *, timeout: float = 60.0
) -> subprocess.CompletedProcess[str]:
    """Run a command in a node, or in a pod's network namespace there, with its output captured; any exit code."""
    return subprocess.run(
        command(lab, node, argv, pod), env=environment(lab, node), capture_output=True, text=True, timeout=timeout,
        check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def start_in(
    lab: Lab, node: str, argv: Sequence[str], pod: str | None = None, *, stdout: IO[str] | int = subprocess.PIPE
) -> subprocess.Popen[str]:
    """Start a command in a node, or in a pod there, and return at once."""
    return subprocess.Popen(
        command(lab, node, argv, pod), env=environment(lab, node), stdin=subprocess.DEVNULL, stdout=stdout,
        stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


def stop(process: subprocess.Popen[str]) -> str:
    """End what `start_in` started, also when nsenter had to fork for it; what it had printed and nobody read yet."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        return process.communicate(timeout=5)[0] or ""
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()[0] or ""


def become(lab: Lab, node: str, argv: Sequence[str], pod: str | None = None) -> None:
    """Replace this process by a command in a node: terminal, signals and exit code are the command's own."""
    line = command(lab, node, argv, pod)
    try:
        os.execvpe(line[0], line, environment(lab, node))  # noqa: S606 - an argument list, no shell
    except OSError as error:
        raise Trouble(f"{line[0]}: {error.strerror}; it is part of Debian's util-linux") from error
