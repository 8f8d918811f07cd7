"""Routers on one segment: a block from its claim into every other kernel, and from nothing to all routes.

birdpy and BIRD 2, configured as Calico's confd does it, take turns on the same nodes. The moments are those at
which the kernels of the other nodes say so (RTM_NEWROUTE, RTM_DELROUTE), seen on sockets that are open all the time.
"""

import select
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

from felixpy.kernel.rtnetlink import RTM_DELROUTE, RTM_NEWROUTE, messages
from felixpy.model.resources import BlockAffinity
from tests.bench.table import Bench, Goal, Row, Series
from tests.namespaces import in_new_namespace
from tests.netns.fabric import Fabric, Machine

PATIENCE_S = 60.0
PAUSE_S = 0.12  # between two blocks, so that each is measured alone
ROUTE_GROUPS = 0x40 | 0x400

BIRD = """\
router id 172.20.0.{n};
log stderr all;
protocol device {{ scan time 2; }}
protocol direct {{ ipv4; interface -"cali*", -"kube-ipvs*", "*"; }}
protocol kernel {{ learn; persist; scan time 2; graceful restart; merge paths on;
  ipv4 {{ import all; export all; }}; }}
protocol static blocks {{ ipv4;
include "{folder}/blocks.conf";
}}
protocol bfd {{ multihop {{ interval 300 ms; multiplier 3; }}; }}
template bgp mesh {{ local 172.20.0.{n} as 64512; multihop; graceful restart;
  {timers}
  ipv4 {{ import all; export where source ~ [{sources}]; add paths on; }}; }}
{peers}
"""
CALICO = "hold time 240; connect delay time 2; connect retry time 5; error wait time 5, 30;"


@dataclass(slots=True)
class Ears:
    """Hears of routes in the kernels of some nodes."""

    sockets: dict[str, socket.socket]

    @classmethod
    def at(cls, machines: list[Machine]) -> "Ears":
        """Listen in these nodes from now on."""
        found = {machine.name: machine.namespace.socket() for machine in machines}
        for sock in found.values():
            sock.bind((0, ROUTE_GROUPS))
            sock.setblocking(False)
        return cls(found)

    def until(self, wanted: dict[str, set[bytes]], kind: int) -> float:
        """When each node has said `kind` of all addresses wanted of it; TimeoutError when one does not."""
        left = {name: set(addresses) for name, addresses in wanted.items()}
        by_socket = {sock: name for name, sock in self.sockets.items()}
        end = time.perf_counter() + PATIENCE_S
        while any(left.values()):
            ready, _, _ = select.select(list(by_socket), [], [], max(0.0, end - time.perf_counter()))
            if not ready:
                raise TimeoutError(f"not seen within {PATIENCE_S:.0f} s: {left}")
            for sock in ready:
                for message in messages(sock.recv(1 << 16)):
                    if message.kind == kind:
                        gone = {address for address in left.get(by_socket[sock], ()) if address in message.body}
                        left.get(by_socket[sock], set()).difference_update(gone)
        return time.perf_counter()

    def drain(self) -> None:
        """Forget what was said so far."""
        self.count("")

    def count(self, besides: str) -> int:
        """How many datagrams about routes have come since, but for one node's; they are forgotten."""
        found = 0
        for name, sock in self.sockets.items():
            with suppress(BlockingIOError):
                while sock.recv(1 << 16):
                    found += name != besides
        return found

    def close(self) -> None:
        """Stop listening."""
        for sock in self.sockets.values():
            sock.close()


class Birdpy:
    """The nodes with a birdpy each; a claim is a BlockAffinity in their store."""

    name = "birdpy"

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric

    def start(self) -> None:
        for machine in self.fabric.machines:
            machine.start()

    def stop(self) -> None:
        for machine in self.fabric.machines:
            machine.kill()

    def claim(self, block: str, number: int = 1) -> None:
        self.fabric.claim(f"n{number}", block)

    def kill(self, number: int) -> None:
        self.fabric.machines[number - 1].kill()

    def start_one(self, number: int) -> None:
        self.fabric.machines[number - 1].start()

    def release(self, block: str) -> None:
        self.fabric.remove(BlockAffinity, f"n1-{block.replace('.', '-').replace('/', '-')}")


class Bird2:
    """The nodes with a BIRD each; a claim is an edited file and `birdc configure`, as confd does it."""

    name = "BIRD 2 as Calico runs it"

    def __init__(self, fabric: Fabric, *, reflected: bool = False, timers: str = CALICO) -> None:
        self.fabric, self.reflected, self.timers = fabric, reflected, timers
        self.processes: dict[int, subprocess.Popen[str]] = {}
        self.numbers = range(1, len(fabric.machines) + 1)
        self.blocks = {number: [f"10.65.{number}.0/26"] for number in self.numbers}

    def folder(self, number: int) -> Path:
        made = self.fabric.folder / f"bird{number}"
        made.mkdir(exist_ok=True)
        return made

    def write(self, number: int) -> None:
        text = "".join(f"route {block} blackhole;\n" for block in self.blocks[number])
        (self.folder(number) / "blocks.conf").write_text(text)

    def start(self) -> None:
        for number in self.numbers:
            self.start_one(number)

    def start_one(self, number: int) -> None:
        self.write(number)
        folder = self.folder(number)
        sources = "RTS_STATIC, RTS_BGP" if self._reflects(number) else "RTS_STATIC"
        peers = self.peers(number)
        config = BIRD.format(n=number, folder=folder, peers=peers, timers=self.timers, sources=sources)
        (folder / "bird.conf").write_text(config)
        command = ("bird", "-f", "-R", "-c", f"{folder}/bird.conf", "-s", f"{folder}/ctl")
        self.processes[number] = self.fabric.machines[number - 1].namespace.start(*command)

    def kill(self, number: int) -> None:
        process = self.processes.pop(number)
        process.kill()
        process.communicate(timeout=10)

    def _reflects(self, number: int) -> bool:
        return self.reflected and number == len(self.numbers)

    def peers(self, number: int) -> str:
        client = f" rr client; rr cluster id 172.20.0.{number};" if self._reflects(number) else ""
        return "".join(
            f"protocol bgp m{other} from mesh {{ neighbor 172.20.0.{other} as 64512;"
            f"{' passive on;' if other > number else ''}{client} }}\n"
            for other in self.numbers
            if other != number and (not self.reflected or len(self.numbers) in (other, number))
        )

    def stop(self) -> None:
        for number in list(self.processes):
            self.kill(number)

    def configure(self, number: int) -> None:
        self.write(number)
        command = ["birdc", "-s", str(self.folder(number) / "ctl"), "configure"]
        if number in self.processes:
            subprocess.run(command, check=True, capture_output=True, timeout=10)

    def claim(self, block: str, number: int = 1) -> None:
        self.blocks[number].append(block)
        self.configure(number)

    def release(self, block: str) -> None:
        self.blocks[1].remove(block)
        self.configure(1)


Router = Birdpy | Bird2


def address(block: str) -> bytes:
    """The network's address as it stands in a route message."""
    return ip_network(block).network_address.packed


@contextmanager
def nodes(bench: Bench, kind: Callable[[Fabric], Router], count: int = 3) -> Iterator[tuple[Router, Ears]]:
    """Nodes with nothing running, and ears in the kernels of all."""
    for ground in in_new_namespace():
        folder = bench.scratch / kind.__name__
        folder.mkdir()
        fabric = Fabric(ground, folder)
        for number in range(1, count + 1):
            fabric.node(f"n{number}", number)
        ears, router = Ears.at(fabric.machines), kind(fabric)
        try:
            yield router, ears
        finally:
            router.stop()
            ears.close()


def started(router: Router, ears: Ears) -> float:
    """Seconds from starting every daemon until every kernel has every other node's block."""
    for machine in router.fabric.machines:
        machine.namespace.run("ip", "route", "flush", "proto", "bird")
        machine.namespace.run("ip", "-6", "route", "flush", "proto", "bird")
    ears.drain()
    began = time.perf_counter()
    router.start()
    numbers = range(1, len(router.fabric.machines) + 1)
    wanted = {
        f"n{number}": {address(f"10.65.{other}.0/26") for other in numbers if other != number} for number in numbers
    }
    return ears.until(wanted, RTM_NEWROUTE) - began


def start(bench: Bench) -> Row:
    """From starting all daemons of three nodes to all blocks in all kernels."""
    series = []
    for kind in (Birdpy, Bird2):
        with nodes(bench, kind) as (router, ears):
            samples = []
            for _ in range(bench.rounds):
                samples.append(started(router, ears))
                router.stop()
        series.append(Series(router.name, "s", tuple(samples), base=kind is Bird2))
    goal = Goal("start to all routes, s", series[0].median, 1.5)
    return Row("three nodes from nothing to all routes", series, [goal], {"BIRD 2": BIRD})


def blocks(bench: Bench) -> Row:
    """From a block's confirmation to the route in every other kernel, and from its release to the route's end.

    The clock starts before the write: with birdpy one object in the store, with fsync of file and folder; with BIRD
    an edited file and `birdc configure`. So the figure holds a little more than the goal asks for.
    """
    count = 10 if bench.quick else 40
    series, medians = [], {}
    for kind in (Birdpy, Bird2):
        with nodes(bench, kind) as (router, ears):
            started(router, ears)
            time.sleep(2)
            for what, act, kernel in (
                ("claim", router.claim, RTM_NEWROUTE),
                ("release", router.release, RTM_DELROUTE),
            ):
                whole = []
                for at in range(count):
                    block = f"10.65.{100 + at // 4}.{at % 4 * 64}/26"
                    ears.drain()
                    began = time.perf_counter()
                    act(block)
                    seen = ears.until({name: {address(block)} for name in ("n2", "n3")}, kernel)
                    whole.append((seen - began) * 1000)
                    time.sleep(PAUSE_S)
                one = Series(f"{router.name}: {what}", "ms", tuple(whole), remark=f"p99 {p99(whole):.1f} ms")
                series.append(one)
                medians[one.name] = one.median
    goal = Goal("claim to every other kernel, p50 ms", medians["birdpy: claim"], 25)
    return Row("a block into every other kernel of three nodes", series, [goal], {"BIRD 2": BIRD})


def p99(samples: list[float]) -> float:
    """The 99th percentile; of few samples the greatest."""
    return sorted(samples)[min(len(samples) - 1, int(len(samples) * 0.99))]
