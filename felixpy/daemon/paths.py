"""Where things are on a node: one folder for what lives until reboot, one for what survives. Pure but for env.

Every folder can be moved by an environment variable; flags of the commands win over both.
"""

import os
from pathlib import Path


def run_dir() -> Path:
    """Sockets, pid files, labs: `FELIXPY_RUN_DIR`, else /run/felixpy."""
    return Path(os.environ.get("FELIXPY_RUN_DIR", "/run/felixpy"))


def state_dir() -> Path:
    """Files store, journal, saved routes: `FELIXPY_STATE_DIR`, else /var/lib/felixpy."""
    return Path(os.environ.get("FELIXPY_STATE_DIR", "/var/lib/felixpy"))


def labs_dir() -> Path:
    """The registry of running labs: `FELIXPY_LABS_DIR`, else `labs` in the run folder, or, for a user who may
    not write there, in `XDG_RUNTIME_DIR`.
    """
    if "FELIXPY_LABS_DIR" in os.environ:
        return Path(os.environ["FELIXPY_LABS_DIR"])
    if os.geteuid() != 0 and "XDG_RUNTIME_DIR" in os.environ:
        return Path(os.environ["XDG_RUNTIME_DIR"]) / "felixpy" / "labs"
    return run_dir() / "labs"


def status_socket(daemon: str, folder: Path | None = None) -> Path:
    """The status socket of `felixpy` or `birdpy`: `<run folder>/<daemon>.sock`."""
    return (folder or run_dir()) / f"{daemon}.sock"
