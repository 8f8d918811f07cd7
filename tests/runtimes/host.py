"""A machine for one container runtime: what `felixpy cni install` and the runtimes write is in overlays of its own.

with host() as made:                          # mount, process, control group and network namespaces; an uplink, eth0
    made.run("felixpy", "cni", "install")     # with every default path, as on a real machine
    made.start("containerd")                  # left running; whatever runs in there ends with the machine
    made.client("wget", ...)                  # a program at the other end of the uplink

Its processes are killed by the kernel when their first one is (PID namespace), and no mount, interface or control
group outlives them.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tests.cluster import cgroups

T = TypeVar("T")
NODE, UPLINK, OUTSIDE, POOL = "n1", "10.0.0.1", "10.0.0.2", "10.65.0.0/24"
STORE = "files:/var/lib/felixpy/store"
PLUGINS = Path("/usr/lib/cni")  # where Debian puts those of containernetworking-plugins

# $1 is an empty folder, $2 the interpreter.
SETUP = """
set -e
mount -t tmpfs -o mode=755 t $1
for d in etc opt var; do
  mkdir -p $1/$d/u $1/$d/w; mount -t overlay -o lowerdir=/$d,upperdir=$1/$d/u,workdir=$1/$d/w o /$d
done
mount -t sysfs s /sys
CONTROL_GROUPS
mkdir -p /var/lib/containerd /var/lib/containers /var/lib/cni /opt/cni/bin
for d in containerd containers cni; do mount -t tmpfs t /var/lib/$d; done
mount -t tmpfs -o mode=755 r /run; mkdir /run/lock /run/netns
rm -rf /etc/cni /etc/containers /etc/containerd /var/lib/felixpy
mkdir -p /etc/cni/net.d /etc/containers /etc/containerd
for p in portmap bandwidth loopback; do [ ! -x /usr/lib/cni/$p ] || ln -s /usr/lib/cni/$p /opt/cni/bin/$p; done
ip link set lo up; ip netns add outside
ip link add eth0 type veth peer name eth0 netns outside
ip address add 10.0.0.1/24 dev eth0; ip link set eth0 up
ip -n outside address add 10.0.0.2/24 dev eth0; ip -n outside link set eth0 up; ip -n outside link set lo up
ip -n outside route add 10.65.0.0/24 via 10.0.0.1
exec "$2" -c "
import signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # those whose parents are gone are reaped
print('ready', flush=True)
while True:
    signal.pause()
"
"""


@dataclass
class Host:
    """The machine. `process` is its first one, as seen from outside; `group` is where runtimes put control groups."""

    process: int
    folder: Path
    group: str
    started: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    def command(self, *words: str) -> list[str]:
        """How a program is run in there: `felixpy` is ours."""
        ours = [sys.executable, "-m", "felixpy"] if words[0] == "felixpy" else [words[0]]
        return ["nsenter", f"--target={self.process}", "--mount", "--pid", "--net", "--", *ours, *words[1:]]

    @property
    def env(self) -> dict[str, str]:
        """Nothing of felixpy's, so that every default is used."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("FELIXPY_", "BIRDPY_"))}
        return {**kept, "FELIXPY_NODE": NODE, "FELIXPY_DATASTORE": STORE}

    def try_run(self, *words: str, given: str = "") -> "subprocess.CompletedProcess[str]":
        """A program to its end."""
        return subprocess.run(
            self.command(*words), env=self.env, input=given, check=False, capture_output=True, text=True, timeout=90
        )

    def load(self, *words: str, file: Path) -> None:
        """A program that reads a file of ours."""
        with file.open("rb") as given:
            done = subprocess.run(
                self.command(*words), env=self.env, stdin=given, check=False, capture_output=True, timeout=90
            )
        assert done.returncode == 0, done.stderr

    def run(self, *words: str, given: str = "") -> str:
        """What a program prints that must succeed."""
        done = self.try_run(*words, given=given)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stdout}{done.stderr}{self.logs()}"
        return done.stdout

    def client(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """A program at the other end of the uplink."""
        return self.try_run("ip", "netns", "exec", "outside", *words)

    def start(self, *words: str) -> "subprocess.Popen[bytes]":
        """A program left running in there; its output in a log."""
        with (self.folder / f"{words[0]}.log").open("ab") as log:
            self.started.append(
                subprocess.Popen(self.command(*words), env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            )
        return self.started[-1]

    def write(self, path: str, text: str) -> None:
        """A file in there."""
        self.run("sh", "-c", 'cat > "$0"', path, given=text)

    def pids(self, name: str) -> list[int]:
        """The processes of that name in there, as this machine counts them; only these may be killed."""
        namespace = Path(f"/proc/{self.process}/ns/pid").readlink()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (process / "comm").read_text() == name[:15] + "\n" and (
                    process / "ns/pid"
                ).readlink() == namespace:
                    found.append(int(process.name))
        return found

    def kill(self, name: str) -> int:
        """SIGKILL for every process of that name in there; how many there were."""
        found = self.pids(name)
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        return len(found)

    def logs(self) -> str:
        """The ends of the logs."""
        return "".join(f"\n--- {log.name}\n{log.read_text()[-2000:]}" for log in self.folder.glob("*.log"))

    def listed(self, kind: str) -> list[dict[str, Any]]:
        """The objects of the store."""
        return list(json.loads(self.run("felixpy", "get", kind, "-o", "json"))["items"])

    def left(self) -> dict[str, Any]:
        """What pods left behind; empty when nothing."""
        links = [link["ifname"] for link in json.loads(self.run("ip", "-j", "link", "show"))]
        checked = self.try_run("felixpy", "ipam", "check")
        used = sum(row["used"] for row in json.loads(self.run("felixpy", "ipam", "show", "-o", "json"))["usage"])
        found: dict[str, Any] = {
            "interfaces": [name for name in links if name not in ("lo", "eth0")],
            "routes": self.run("ip", "route", "show", "proto", "80").splitlines(),
            "neighbours": self.run("ip", "neighbour", "show", "nud", "permanent").splitlines(),
            "endpoints": [item["metadata"]["name"] for item in self.listed("workloadendpoints")],
            "addresses": used,
            "check": "" if checked.returncode == 0 else checked.stdout + checked.stderr,
            "journal": self.run("sh", "-c", "ls /var/lib/felixpy/cni/journal").split(),
            "netns": [name for name in self.run("ls", "/run/netns").split() if name != "outside"],
        }
        return {what: value for what, value in found.items() if value}


def until(claim: Callable[[], T], within_s: float = 60.0) -> T:
    """The first true answer of `claim`."""
    end = time.monotonic() + within_s
    while not (answer := claim()):
        assert time.monotonic() < end, f"still {answer!r} after {within_s} s"
        time.sleep(0.1)
    return answer


@contextlib.contextmanager
def host(folder: Path) -> Iterator[Host]:
    """A machine with an agent of its own, its store and the CNI files installed."""
    group = f"/felixpy-runtimes-{os.getpid()}"
    cgroups.make(group)
    script = SETUP.replace("CONTROL_GROUPS", cgroups.mount_script())
    (folder / "machine").mkdir()
    unshare = ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc"]
    holder = subprocess.Popen(
        [*unshare, "sh", "-c", script, "sh", str(folder / "machine"), sys.executable],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    made = None
    try:
        assert holder.stdout is not None
        assert (said := holder.stdout.readline()) == "ready\n", said + holder.stdout.read()
        children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()
        made = Host(int(children[0]), folder, group)
        serve(made)
        yield made
    finally:
        holder.kill()
        holder.wait(10)
        for process in made.started if made else []:
            process.kill()
            process.wait(10)
        if holder.stdout is not None:
            holder.stdout.close()
        cgroups.remove(group)
        for left in sorted(Path("/sys/fs/cgroup/unified").glob(f"{group[1:]}/**"), reverse=True):
            with contextlib.suppress(OSError):
                left.rmdir()  # runc's, in the one hierarchy that has no controllers


def serve(made: Host) -> None:
    """The store, the agent, and the CNI files."""
    kinds = {
        "Node": (NODE, {"bgp": {"ipv4Address": f"{UPLINK}/24"}}),
        "IPPool": ("pods", {"cidr": POOL, "blockSize": 26}),
    }
    items = [
        {"apiVersion": "projectcalico.org/v3", "kind": kind, "metadata": {"name": name}, "spec": spec}
        for kind, (name, spec) in kinds.items()
    ]
    made.run("mkdir", "-p", "/var/lib/felixpy/store")
    made.run("felixpy", "apply", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    made.start("felixpy", "run")
    made.run("felixpy", "cni", "install")


def missing(*programs: str) -> str:
    """Why these tests cannot run here; empty when they can."""
    if os.geteuid() != 0:
        return "needs root: makes namespaces and control groups"
    absent = [name for name in programs if shutil.which(name) is None]
    absent += [str(PLUGINS / name) for name in ("portmap", "bandwidth") if not (PLUGINS / name).exists()]
    return f"not installed: {', '.join(absent)} (containerlab/install.sh --tests)" if absent else ""
