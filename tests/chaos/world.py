"""The lab that faults are made in: containerlab/dual-tor, with a store on a disk of its own that can run full.

Everything is done from a mount namespace of our own, so that no mount stays when this process is killed; what else
could stay is in the registry of labs, and `felixpy lab destroy` removes it.
"""

import contextlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import yaml

from felixpy.daemon import paths, status
from felixpy.kernel.netlink import Netlink
from felixpy.lab import control, deploy, destroy, enter, names, namespaces, registry, topology
from felixpy.lab.registry import Lab
from felixpy.model.errors import Trouble
from tests.chaos.kernels import netlink_of

ROOT = Path(__file__).parents[2]
DISK = "/var/lib/chaos"  # not below /var/lib/felixpy, which every node has for itself
DISK_BYTES = 8 << 20
CLOCKED = "n4"  # the node whose processes have a clock of their own
STRANGER = "stranger"  # a host beside n1, which speaks BGP as it likes
NODES = ("n1", "n2", "n3", "n4", "n5")
FRR = ("tor1", "tor2", "out")
PODS = {"n1": "a", "n2": "b", "n3": "c", "n4": "d", "n5": "e"}
OUTSIDE = "198.51.100.10"


def hide_mounts(folder: Path) -> None:
    """A mount namespace of our own, with a disk for the store; no copy of anybody's namespaces is kept in it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that whoever ends us leaves nothing behind
    namespaces.unshare(namespaces.CLONE_NEWNS)
    namespaces.mount("none", "/", flags=namespaces.MS_REC | namespaces.MS_PRIVATE)
    for point, kind in reversed(namespaces.mounts()):
        if kind == "nsfs":
            namespaces.unmount(point)
    names.NETNS.mkdir(mode=0o755, parents=True, exist_ok=True)
    namespaces.mount("tmpfs", str(names.NETNS), "tmpfs")
    disk = folder / "c" / "dual-tor" / "disk"
    disk.mkdir(parents=True)
    namespaces.mount("tmpfs", str(disk), "tmpfs", 0, f"size={DISK_BYTES}")


@dataclass(slots=True)
class Program:
    """A process of a node: its id as the node's own PID namespace counts."""

    node: str
    name: str
    pid: int


@dataclass
class World:
    """The running lab."""

    folder: Path
    name: str
    say: Callable[[str], None]
    pods: dict[str, str] = field(default_factory=dict)  # pod -> its address
    off: set[str] = field(default_factory=set)  # nodes that are switched off: nothing may hold their namespaces
    _sockets: dict[str, tuple[int, Netlink]] = field(default_factory=dict)

    @property
    def disk(self) -> Path:
        """The store's folder, as this process sees it."""
        return self.folder / "c" / "dual-tor" / "disk"

    @cached_property
    def topology(self) -> topology.Topology:
        """What the lab is made of; written out first."""
        source = ROOT / "containerlab"
        shutil.copytree(source, self.folder / "c", ignore=shutil.ignore_patterns("store"), dirs_exist_ok=True)
        (self.folder / "c" / "dual-tor" / "store").mkdir()
        document: dict[str, Any] = yaml.safe_load((source / "dual-tor.clab.yml").read_text())
        document["name"] = self.name
        group = document["topology"]["groups"]["node"]
        group["env"]["FELIXPY_DATASTORE"] = f"files:{DISK}"
        group["binds"].append(f"dual-tor/disk:{DISK}")
        furnish(self.folder / "c", document)
        file = self.folder / "c" / "chaos.clab.yml"
        file.write_text(yaml.safe_dump(document, sort_keys=False))
        return topology.load(file)

    @property
    def lab(self) -> Lab:
        """The registry as it is now: a rebooted node has another process 1."""
        return registry.read(paths.labs_dir() / self.name)

    def make(self) -> None:
        """Deploy it; AssertionError with what was said when anything went wrong."""
        said: list[str] = []
        deploy.deploy(self.topology, said.append)
        assert not any("exit" in line for line in said), said
        for node, pod in PODS.items():
            self.pods[pod] = self.address_of(node, pod)

    def destroy(self) -> None:
        """Remove it."""
        destroy.destroy(self.name)
        namespaces.unmount(str(self.disk))

    def run(self, node: str, *argv: str, pod: str | None = None, timeout: float = 60.0) -> str:
        """The output of a command in a node; AssertionError when it failed."""
        done = enter.run_in(self.lab, node, argv, pod, timeout=timeout)
        assert done.returncode == 0, f"{node}: {' '.join(argv)}: {done.stdout}{done.stderr}"
        return done.stdout

    def tried(self, node: str, *argv: str) -> int:
        """The exit code of a command in a node."""
        return enter.run_in(self.lab, node, argv).returncode

    def felixpy(self, *argv: str, given: str | None = None) -> str:
        """`felixpy` about the lab's store, from outside; AssertionError when it failed."""
        done = subprocess.run(
            [sys.executable, "-m", "felixpy", *argv, "--datastore", f"files:{self.disk}"],
            capture_output=True, text=True, timeout=60, check=False, input=given, cwd=self.folder,
        )  # fmt: skip
        assert done.returncode == 0, f"felixpy {' '.join(argv)}: {done.stdout}{done.stderr}"
        return done.stdout

    def address_of(self, node: str, pod: str) -> str:
        """A pod's address, as its own interface has it."""
        shown = self.run(node, "ip", "-4", "-brief", "address", "show", "dev", "eth0", pod=pod)
        return shown.split()[2].partition("/")[0]

    def netns_of(self, pod: str) -> str:
        """A pod's network namespace, as a path that this process can open."""
        node = next(node for node, name in PODS.items() if name == pod)
        return f"/proc/{self.lab.node(node).pid}/root/run/netns/{pod}"

    def homes(self) -> dict[int, str]:
        """The node of each pod by address."""
        held = {pod: node for node, pod in PODS.items()}
        return {int(IPv4Address(address)): held[pod] for pod, address in self.pods.items()}

    def sockets(self) -> dict[str, Netlink]:
        """A netlink socket in each node that is there; for the thread that asks only."""
        lab = self.lab
        for name, node in lab.nodes.items():
            there = node.alive and name not in self.off and name != STRANGER
            if not there or self._sockets.get(name, (0,))[0] != node.pid:
                self._sockets.pop(name, None)
                if there:
                    self._sockets[name] = (node.pid, netlink_of(node.pid))
        for name in self._sockets.keys() - lab.nodes.keys():
            del self._sockets[name]
        return {name: each for name, (_, each) in self._sockets.items()}

    def programs(self, node: str) -> list[Program]:
        """The programs that process 1 of a node keeps running."""
        told = control.ask(self.lab.node_folder(node), "list")
        return [Program(node, one["name"], one["pid"]) for one in told if one["pid"]]

    def exabgp(self, node: str) -> Program | None:
        """The ExaBGP of a node: the child of its birdpy."""
        router = next((one.pid for one in self.programs(node) if one.name == "birdpy"), 0)
        proc = Path(f"/proc/{self.lab.node(node).pid}/root/proc")
        for stat in proc.glob("[0-9]*/stat"):
            try:
                text = stat.read_text()
            except OSError:
                continue
            if int(text[text.rindex(")") + 2 :].split()[1]) == router:
                return Program(node, "exabgp", int(stat.parent.name))
        return None

    def signal(self, programs: Iterable[Program], number: int) -> None:
        """Send a signal to processes of one node."""
        by_node: dict[str, list[str]] = {}
        for one in programs:
            by_node.setdefault(one.node, []).append(str(one.pid))
        for node, pids in by_node.items():
            enter.run_in(self.lab, node, ["kill", f"-{number}", *pids])

    def link(self, node: str, device: str, state: str) -> None:
        """An interface of a node up or down."""
        self.run(node, "ip", "link", "set", device, state)

    def unready(self) -> list[str]:
        """Sessions that should be up and are not, daemons that do not answer."""
        found = []
        lab = self.lab
        for name, node in lab.nodes.items():
            if node.program != "felixpy" or not node.alive:
                continue
            run = lab.node_folder(name) / "run"
            try:
                peers = status.ask(run / "birdpy.sock", "peers", 2.0)["peers"]
                status.ask(run / "felixpy.sock", "health", 2.0)
            except Trouble as error:
                found.append(f"{name}: {error}")
                continue
            found += [
                f"{name}: {peer['name']} is {peer['state']}" for peer in peers if peer["state"] != "established"
            ]
        return found

    def _questions(self, node: str) -> dict[str, list[str]]:
        """What to ask a node at the end of a failed run: file -> command."""
        found = {"routes.txt": ["ip", "route", "show", "table", "all"], "links.txt": ["ip", "-s", "address"]}
        if node in FRR:
            shows = ("show bgp ipv4 unicast", "show bgp summary", "show bgp neighbors", "show ip route")
            return found | {"bgp.txt": ["vtysh", *(word for show in shows for word in ("-c", show))]}
        return found | {"peers.txt": ["birdpy", "peers"], "rib.txt": ["birdpy", "rib"]}

    def keep_logs(self, place: Path) -> None:
        """Copy what all daemons said, and the store as it is."""
        place.mkdir(parents=True, exist_ok=True)
        lab = self.lab
        for name in lab.nodes:
            shutil.copytree(lab.node_folder(name) / "log", place / name, dirs_exist_ok=True)
            for file, argv in self._questions(name).items():
                with contextlib.suppress(OSError, subprocess.SubprocessError, Trouble):
                    (place / name / file).write_text(enter.run_in(lab, name, argv, timeout=10).stdout)
        shutil.copytree(self.disk, place / "store", dirs_exist_ok=True, ignore=shutil.ignore_patterns("ballast"))


def furnish(place: Path, document: dict[str, Any]) -> None:
    """What faults need beside the topology as shipped: a clock, a stranger, and ToRs that expect a sixth node."""
    own = place / "dual-tor"
    (own / "clock").write_bytes(bytes(8))
    source = Path(__file__).with_name("clock.c")
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-O2", "-o", str(own / "clock.so"), str(source)], check=True, timeout=60
    )
    (own / "preload").write_text("/etc/chaos-clock.so\n")
    binds = {"clock": "/etc/chaos-clock", "clock.so": "/etc/chaos-clock.so", "preload": "/etc/ld.so.preload"}
    nodes, links = document["topology"]["nodes"], document["topology"]["links"]
    nodes[CLOCKED]["binds"] = [f"dual-tor/{name}:{target}:ro" for name, target in binds.items()]
    nodes[STRANGER] = {"kind": "linux", "image": "ghcr.io/srl-labs/network-multitool:latest"}
    links.append({"endpoints": [f"{STRANGER}:eth1", "n1:eth9"], "ipv4": ["10.9.9.0/31", "10.9.9.1/31"], "mtu": 1500})
    for number in (1, 2):
        config = own / f"tor{number}.conf"
        text = config.read_text().replace("!\nrouter", f"ip route 10.0.0.16/32 10.{number}.0.13\n!\nrouter", 1)
        config.write_text(text.replace("  maximum-paths", "  network 10.0.0.16/32\n  maximum-paths", 1))
