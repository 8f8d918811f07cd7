"""The CNI files on a machine: the program first, the configuration last and only when the agent answers. Join.

A runtime that finds the configuration calls the program at once, and a kubelet calls its node ready: so the
configuration is the last file to come and the first to go.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from felixpy.daemon.paths import status_socket
from felixpy.daemon.status import ask
from felixpy.host import plugin
from felixpy.host.conflist import CAPABILITIES, FILE_NAME, PLUGIN, SUFFIXES, Network, conflist, is_ours, others
from felixpy.host.files import File, Machine
from felixpy.model.errors import Trouble, Unreachable

RETRY_S = 0.2


@dataclass(frozen=True, slots=True)
class Folders:
    """Where runtimes look, as the machine sees it."""

    programs: Path = Path("/opt/cni/bin")
    configurations: Path = Path("/etc/cni/net.d")

    @property
    def program(self) -> Path:
        """The plugin's path."""
        return self.programs / PLUGIN

    @property
    def configuration(self) -> Path:
        """The path of our configuration."""
        return self.configurations / FILE_NAME


def program_file(folders: Folders, kind: str) -> tuple[File, str]:
    """The plugin as a file, and what it is, for people."""
    content, what = plugin.program(kind)
    return File(folders.program, content, mode=0o755, ours=plugin.is_ours), what


def configuration_file(folders: Folders, network: Network) -> File:
    """Our configuration as a file."""
    return File(folders.configuration, conflist(network), ours=is_ours)


def chainable(machine: Machine, folders: Folders) -> tuple[str, ...]:
    """The plugins that can be chained after ours because they are installed beside it."""
    there = machine.at(folders.programs)
    return tuple(name for name in CAPABILITIES if os.access(there / name, os.X_OK))


def check_alone(machine: Machine, folders: Folders, *, take_over: bool) -> None:
    """Trouble, naming them, when other networks are configured here: two would each attach some of the pods.

    With `take_over` ours comes first by name and the others stay as they are; one that comes before ours is refused
    all the same, because runtimes would go on using it.
    """
    there = machine.at(folders.configurations)
    found = others(dict(_contents(there)))
    before = [name for name in found if name < FILE_NAME]
    if before:
        raise Trouble(f"{there}: runtimes would go on using {', '.join(before)}, which comes before {FILE_NAME}")
    if found and not take_over:
        raise Trouble(f"{there}: another network is configured: {', '.join(found)}; --take-over puts ours before it")


def _contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    try:
        names = sorted(path for path in folder.iterdir() if path.name.endswith(SUFFIXES))
    except FileNotFoundError:
        return
    except OSError as error:
        raise Trouble(f"{folder}: {error.strerror}") from error
    for path in names:
        if path.is_file():
            yield path.name, path.read_bytes()


def wait_for_agent(run_dir: Path, patience_s: float) -> None:
    """Return when the agent of `run_dir` has read its datastore in full. Trouble when it has not in time."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            health = ask(status_socket("felixpy", run_dir), "health")
            reason = "it has not read its datastore in full yet"
            if health.get("in_sync") and (run_dir / "cni.sock").is_socket():
                return
        except Unreachable as error:
            reason = str(error)
        if time.monotonic() >= deadline:
            raise Trouble(
                f"the agent is not ready after {patience_s:g} s: {reason}; "
                "the CNI configuration was not written: start the agent and repeat this command"
            )
        time.sleep(RETRY_S)


def attached(prefix: str = "cali", folder: Path = Path("/sys/class/net")) -> list[str]:
    """The interfaces of pods in this network namespace."""
    try:
        return sorted(path.name for path in folder.iterdir() if path.name.startswith(prefix))
    except OSError:
        return []
