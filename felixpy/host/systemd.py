"""felixpy and birdpy as services of a host without Kubernetes: what is written, and what systemd is told. Join."""

import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import felixpy
from felixpy.host.files import File, Machine
from felixpy.host.units import DAEMONS, ENVIRONMENT, ENVIRONMENT_FILE, NETWORKD, is_ours, unit
from felixpy.model.errors import Trouble

UNITS = Path("/etc/systemd/system")
NETWORKD_FILE = Path("/etc/systemd/networkd.conf.d/felixpy.conf")
COMMAND_S = 120
START = ("enable", "--now")
STOP = ("disable", "--now")


@dataclass(frozen=True, slots=True)
class Host:
    """What the services are told: the node's name and its datastore."""

    node: str
    datastore: str

    @property
    def writable(self) -> tuple[str, ...]:
        """Folders beyond felixpy's own that the daemons write to: a files store elsewhere."""
        scheme, _, folder = self.datastore.partition(":")
        elsewhere = scheme == "files" and not Path(folder).is_relative_to("/var/lib/felixpy")
        return (folder,) if elsewhere else ()


def files(host: Host) -> list[File]:
    """The environment, the drop-in of networkd, the two units."""
    environment = ENVIRONMENT.format(node=host.node, datastore=host.datastore)
    written = [
        File(Path(ENVIRONMENT_FILE), environment.encode(), users=True),
        File(NETWORKD_FILE, NETWORKD.encode(), ours=is_ours),
    ]
    for daemon in DAEMONS:
        text = unit(daemon, sys.executable, host.writable)
        written.append(File(UNITS / daemon.unit, text.encode(), ours=is_ours))
    return written


def check_reachable(paths: Sequence[Path] | None = None) -> None:
    """Trouble when root without its usual powers cannot reach our programs: in a home folder of mode 0700, say."""
    for path in paths or [Path(sys.executable), Path(felixpy.__file__)]:
        for folder in (*path.parents, *path.resolve().parents):
            seen = folder.stat()
            if seen.st_uid != 0 and not seen.st_mode & stat.S_IXOTH:
                raise Trouble(
                    f"{folder} belongs to uid {seen.st_uid} and is closed to others: a service without "
                    f"CAP_DAC_OVERRIDE cannot start {path}; install felixpy where everybody may read, as in /opt"
                )


def systemd_runs(machine: Machine) -> bool:
    """Whether this machine's systemd can be told anything (sd_booted(3)); never for a tree that is being prepared."""
    return (
        machine.root == Path("/") and Path("/run/systemd/system").is_dir() and shutil.which("systemctl") is not None
    )


def orders(action: Sequence[str]) -> list[list[str]]:
    """What systemd is told after the units have come, or before they go."""
    reload = ["systemctl", "daemon-reload"]
    change = ["systemctl", *action, *(daemon.unit for daemon in DAEMONS)]
    return [reload, change] if action == START else [change]


def tell(order: Sequence[str]) -> None:
    """Run one command. Trouble with its own words."""
    try:
        done = subprocess.run(order, check=False, capture_output=True, text=True, timeout=COMMAND_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Trouble(f"{' '.join(order)}: {error}") from error
    if done.returncode:
        raise Trouble(f"{' '.join(order)}: {done.stderr.strip() or done.stdout.strip()}")
