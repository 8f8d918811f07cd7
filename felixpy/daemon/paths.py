"""Where things are on a node: one folder for what lives until reboot, one for what survives. Pure but for env.

Every folder can be moved by an environment variable; flags of the commands win over both. An empty variable is none,
as the XDG base directory specification has it; a relative path is one of the current folder, made absolute because
what is started from here may have another.
"""

import os
from pathlib import Path


def run_dir() -> Path:
    """Sockets, pid files, labs: `FELIXPY_RUN_DIR`, else /run/felixpy."""
    return _named("FELIXPY_RUN_DIR") or Path("/run/felixpy")


def state_dir() -> Path:
    """Files store, journal, saved routes: `FELIXPY_STATE_DIR`, else /var/lib/felixpy."""
    return _named("FELIXPY_STATE_DIR") or Path("/var/lib/felixpy")


def sysctl_dir() -> Path:
    """Where /proc/sys is writable: `FELIXPY_SYSCTL_DIR`, else itself; unprivileged containers have net/ elsewhere."""
    return _named("FELIXPY_SYSCTL_DIR") or Path("/proc/sys")


def labs_dir() -> Path:
    """The registry of running labs: `FELIXPY_LABS_DIR`, else `labs` in the run folder, or, for a user who may
    not write there, in `XDG_RUNTIME_DIR`.
    """
    if named := _named("FELIXPY_LABS_DIR"):
        return named
    if os.geteuid() != 0 and (own := _named("XDG_RUNTIME_DIR")):
        return own / "felixpy" / "labs"
    return run_dir() / "labs"


def status_socket(daemon: str, folder: Path | None = None) -> Path:
    """The status socket of `felixpy` or `birdpy`: `<run folder>/<daemon>.sock`."""
    return (folder or run_dir()) / f"{daemon}.sock"


def control_socket(daemon: str, folder: Path | None = None) -> Path:
    """The socket that takes orders which change something: `<run folder>/<daemon>-control.sock`."""
    return (folder or run_dir()) / f"{daemon}-control.sock"


def _named(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value).absolute() if value else None
