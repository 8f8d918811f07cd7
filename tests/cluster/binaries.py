"""Where the programs of a real cluster are, or what is missing for one."""

import functools
import os
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
BUILD = HERE / "build.sh"
SERVER = {"etcd": "etcd-server", "openssl": "openssl"}  # program -> Debian package
NODE = {
    "containerd": "containerd", "runc": "runc", "iptables": "iptables", "conntrack": "conntrack",
    "nsenter": "util-linux", "busybox": "busybox-static",
}  # fmt: skip


@functools.cache
def folder() -> Path | None:
    """The folder with kube-apiserver and the others, when `tests/cluster/build.sh` has made it."""
    done = subprocess.run([str(BUILD), "--cached"], capture_output=True, text=True, timeout=30, check=False)
    return Path(done.stdout.strip()) if done.returncode == 0 else None


def program(name: str) -> str:
    """The path of a program: ours, else the system's. FileNotFoundError when there is none."""
    own = folder()
    if own is not None and (own / name).exists():
        return str(own / name)
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        raise FileNotFoundError(name)
    return found


def missing_for_server() -> str | None:
    """Why no etcd and API server can run here; None when they can."""
    if folder() is None:
        return "needs Kubernetes' binaries: tests/cluster/build.sh makes them once"
    return _missing(SERVER)


def missing_for_cluster() -> str | None:
    """Why no cluster can run here; None when one can."""
    if os.geteuid() != 0:
        return "needs root: makes nodes of a cluster"
    return missing_for_server() or _missing(NODE)


def _missing(programs: dict[str, str]) -> str | None:
    for name, package in programs.items():
        try:
            program(name)
        except FileNotFoundError:
            return f"needs {name}: apt-get install {package}"
    return None
