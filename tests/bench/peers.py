"""The systems that are compared in N nodes: birdpy, BIRD 2 and FRR, each with its own timers and with fast ones.

All run on the same nodes: one bridge, IPv4 sessions only, in a full mesh or with the last node as the reflector of
all others. Each block is a static blackhole of its node, as Calico has it.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path

from felixpy.model.resources import BGPConfiguration, BGPPeer, BlockAffinity, Metadata, Node, NodeBGP, Resource
from tests.bench.apart import descendants
from tests.bench.routers import Bird2, Birdpy, Ears, Router
from tests.bench.table import Bench
from tests.namespaces import in_new_namespace
from tests.netns.fabric import Fabric, Machine
from tests.speakers import eventually

FRR_BIN = Path("/usr/lib/frr")
BIRD_FAST = "hold time 9; keepalive time 3; connect delay time 1; connect retry time 1; error wait time 1, 5;"
FRR_GRACEFUL = " bgp graceful-restart\n bgp graceful-restart preserve-fw-state\n"
FRR_FAST = " timers bgp 3 9\n"  # with graceful restart the paths of a lost peer would stay for minutes all the same
FRR = """\
ip route 10.65.{n}.0/26 blackhole
router bgp 64512
 bgp router-id 172.20.0.{n}
 no bgp ebgp-requires-policy
 no bgp network import-check
{timers}{peers} address-family ipv4 unicast
  redistribute static
{clients} exit-address-family
"""


class Frr:
    """The nodes with zebra, staticd and bgpd each; a claim is a configuration command at staticd."""

    def __init__(self, fabric: Fabric, *, reflected: bool = False, fast: bool = False) -> None:
        self.fabric, self.reflected, self.fast = fabric, reflected, fast
        self.name = "FRR"
        self.numbers = range(1, len(fabric.machines) + 1)
        self.base = Path(tempfile.mkdtemp(prefix="frr-"))  # zebra insists on the user that it was built for
        shutil.chown(self.base, "frr", "frr")
        self.processes: dict[int, list[subprocess.Popen[str]]] = {}

    def start(self) -> None:
        for number in self.numbers:
            self._begin(number, "zebra")
        for number in self.numbers:
            eventually((self._folder(number) / "zserv").exists, 30)
            self._begin(number, "staticd")
            self._begin(number, "bgpd")

    def start_one(self, number: int) -> None:
        self._begin(number, "zebra")
        eventually((self._folder(number) / "zserv").exists, 30)
        self._begin(number, "staticd")
        self._begin(number, "bgpd")

    def _begin(self, number: int, daemon: str) -> None:
        folder = self._folder(number)
        static, _, bgp = self._config(number).partition("router bgp")
        text = {"zebra": "", "staticd": static, "bgpd": f"router bgp{bgp}"}[daemon]
        (folder / f"{daemon}.conf").write_text(text)
        common = ("--vty_socket", str(folder), "-z", f"{folder}/zserv", "-i", f"{folder}/{daemon}.pid")
        command = (str(FRR_BIN / daemon), "-f", f"{folder}/{daemon}.conf", *common)
        process = self.fabric.machines[number - 1].namespace.start(*command, *(("-S",) if daemon == "bgpd" else ()))
        self.processes.setdefault(number, []).append(process)

    def _folder(self, number: int) -> Path:
        made = self.base / str(number)
        if not made.exists():
            made.mkdir()
            shutil.chown(made, "frr", "frr")
        return made

    def _config(self, number: int) -> str:
        others = neighbours(number, len(self.numbers), reflected=self.reflected)
        peers = "".join(
            f" neighbor 172.20.0.{other} remote-as 64512\n"
            + (f" neighbor 172.20.0.{other} timers connect 1\n" if self.fast else "")
            for other in others
        )
        hub = self.reflected and number == len(self.numbers)
        clients = "".join(f"  neighbor 172.20.0.{other} route-reflector-client\n" for other in others if hub)
        return FRR.format(n=number, timers=FRR_FAST if self.fast else FRR_GRACEFUL, peers=peers, clients=clients)

    def kill(self, number: int) -> None:
        for process in self.processes.pop(number, []):
            process.kill()
            process.communicate(timeout=10)

    def stop(self) -> None:
        for number in list(self.processes):
            self.kill(number)
        shutil.rmtree(self.base, ignore_errors=True)

    def pids(self, number: int) -> list[int]:
        return [process.pid for process in self.processes.get(number, [])]

    def claim(self, block: str, number: int = 1) -> None:
        self._tell(number, f"ip route {block} blackhole")

    def release(self, block: str) -> None:
        self._tell(1, f"no ip route {block} blackhole")

    def _tell(self, number: int, line: str) -> None:
        """One configuration command, as vtysh would give it; each is answered with three zeros and its result."""
        with socket.socket(socket.AF_UNIX) as vty:
            vty.settimeout(10)
            vty.connect(str(self._folder(number) / "staticd.vty"))
            for word in ("enable", "configure terminal", line):
                vty.sendall(word.encode() + b"\0")
                answer = b""
                while b"\0\0\0" not in answer[:-1]:
                    answer += vty.recv(4096)
                if answer[-1]:
                    raise RuntimeError(f"staticd refuses {word!r}: {answer!r}")


def neighbours(number: int, count: int, *, reflected: bool) -> list[int]:
    """Whom a node peers with: everybody, or the last node alone, which peers with everybody."""
    if reflected and number != count:
        return [count]
    return [other for other in range(1, count + 1) if other != number]


System = Router | Frr


@dataclass(frozen=True, slots=True)
class Kind:
    """A system and its timers."""

    name: str
    make: Callable[[Fabric, bool], System]  # the fabric, and whether the last node reflects


def _birdpy(fast: bool) -> Callable[[Fabric, bool], System]:
    def make(fabric: Fabric, reflected: bool) -> System:
        for machine in fabric.machines:
            machine.extra.update({"BIRDPY_HOLD_TIME_S": "9"} if fast else {})
        if reflected:
            _reflect(fabric)
        return Birdpy(fabric)

    return make


def _reflect(fabric: Fabric) -> None:
    """No mesh: every node peers with the last one, which reflects."""
    last = len(fabric.machines)
    bgp = NodeBGP(ipv4_address=f"172.20.0.{last}/24", route_reflector_cluster_id=ip_address("244.0.0.1"))
    meta = Metadata(name=f"n{last}", labels={"route-reflector": "true"})
    fabric.change(Resource(meta, Node(bgp=bgp)))
    fabric.change(Resource(Metadata(name="default"), BGPConfiguration(node_to_node_mesh_enabled=False)))
    peer = BGPPeer(node_selector="all()", peer_selector="route-reflector == 'true'")
    fabric.write([Resource(Metadata(name="reflectors"), peer)])


BIRDPY = Kind("birdpy", _birdpy(fast=False))
BIRDPY_FAST = Kind("birdpy, hold 9 s", _birdpy(fast=True))
BIRD = Kind("BIRD 2, Calico's timers", lambda fabric, reflected: Bird2(fabric, reflected=reflected))
BIRD_TUNED = Kind(
    "BIRD 2, fast timers", lambda fabric, reflected: Bird2(fabric, reflected=reflected, timers=BIRD_FAST)
)
BIRD_BFD = Kind(
    "BIRD 2, fast timers and BFD",
    lambda fabric, reflected: Bird2(fabric, reflected=reflected, timers=f"{BIRD_FAST} bfd on;"),
)
FRR_DEFAULT = Kind("FRR, its own timers", lambda fabric, reflected: Frr(fabric, reflected=reflected))
FRR_TUNED = Kind(
    "FRR, fast, no graceful restart", lambda fabric, reflected: Frr(fabric, reflected=reflected, fast=True)
)


@contextlib.contextmanager
def running_on(bench: Bench, kind: Kind, count: int, *, reflected: bool = False) -> Iterator[tuple[System, Ears]]:
    """Nodes with nothing running yet, and ears in the kernels of all; everything is ended afterwards."""
    for ground in in_new_namespace():
        with tempfile.TemporaryDirectory(dir=bench.scratch, prefix="nodes-") as folder:
            fabric = Fabric(ground, Path(folder))
            for number in range(1, count + 1):
                _node(fabric, number)
            ears, system = Ears.at(fabric.machines), kind.make(fabric, reflected)
            try:
                yield system, ears
            finally:
                system.stop()
                ears.close()


def _node(fabric: Fabric, number: int) -> Machine:
    """A node whose sessions are of IPv4 alone, as the others have them."""
    made = fabric.machine(f"n{number}")
    fabric.plug(number, made.namespace)
    bgp = NodeBGP(ipv4_address=f"172.20.0.{number}/24")
    cidr = ip_network(f"10.65.{number}.0/26")
    fabric.write(
        [
            Resource(Metadata(name=made.name), Node(bgp=bgp)),
            Resource(
                Metadata(name=f"{made.name}-first"), BlockAffinity(cidr=cidr, node=made.name, state="confirmed")
            ),
        ]
    )
    return made


def cpu_s(system: System) -> float:
    """Seconds of processor that all daemons of all nodes have used, with those of their children that have ended."""
    found = 0.0
    for number in range(1, len(system.fabric.machines) + 1):
        for first in pids(system, number):
            found += sum(_used(pid) for pid in (first, *descendants(first)))
    return found


def pids(system: System, number: int) -> list[int]:
    """The daemons that were started on a node."""
    if isinstance(system, Frr):
        return system.pids(number)
    if isinstance(system, Bird2):
        return [system.processes[number].pid] if number in system.processes else []
    process = system.fabric.machines[number - 1].process
    return [process.pid] if process is not None else []


def _used(pid: int) -> float:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        ended = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[13:15]
        threads = sum(
            int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()
        )
        return threads / 1e9 + sum(map(int, ended)) / os.sysconf("SC_CLK_TCK")
    return 0.0
