"""Attaching and detaching pods by the real agent: what a plugin waits for between its message and the answer.

That is everything but the plugin's own start: journal, address, veth, pod's side, route read back by the agent,
endpoint, each object written with fsync. The client sends what the plugin would, on the agent's own socket.
"""

import json
import os
import selectors
import socket
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from felixpy.cni import wire
from felixpy.daemon.unix import short_address
from tests.bench.table import Bench, Goal, Row, Series
from tests.namespaces import Namespace, in_new_namespace
from tests.netns.agent_process import Node, node
from tests.netns.cni_plugin import apply, document, trouble

ATTACH_MS, BURST_S, DETACH_MS = 6.0, 1.5, 8.0
VOID_LOAD = 1.5  # a processor
VOID_MS = 2.0  # a disk that needs more for one object tells of others' work, or of spinning metal
CONFIG = json.dumps({"cniVersion": "1.1.0", "name": "k8s-pod-network", "type": "felixpy"}).encode()


@dataclass
class Pod:
    """A namespace to attach, with what its plugin would lend."""

    number: int
    inside: Namespace
    netlink: socket.socket

    def message(self, command: str) -> bytes:
        env = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": f"{self.number:064x}",
            "CNI_NETNS": "/run/netns/bench",
            "CNI_IFNAME": "eth0",
            "CNI_ARGS": f"K8S_POD_NAMESPACE=bench;K8S_POD_NAME=pod-{self.number}",
        }
        return wire.request(env, CONFIG)


@contextmanager
def ground(scratch: Path) -> Iterator[tuple[Node, Namespace]]:
    """A node with an address, a pool, and its agent."""
    with contextmanager(in_new_namespace)() as netns, node(scratch) as made:
        netns.run("ip", "address", "add", "10.0.0.1/32", "dev", "lo")
        strict = document("IPAMConfig", "default", strictAffinity=True)
        apply(made, document("Node", "n1"), document("IPPool", "p", cidr="10.65.0.0/16"), strict)
        made.start()
        yield made, netns


def pods(netns: Namespace, count: int, first: int = 0) -> list[Pod]:
    made = []
    for number in range(first, first + count):
        inside = netns.another()
        made.append(Pod(number, inside, inside.socket()))
    return made


def asked(made: Node, pod: Pod, command: str) -> socket.socket:
    agent = socket.socket(socket.AF_UNIX)
    with short_address(made.folder / "run" / "cni.sock") as where:
        agent.connect(where)
    socket.send_fds(agent, [pod.message(command)], [pod.inside.fd, pod.netlink.fileno()])
    return agent


def answered(agent: socket.socket) -> None:
    answer = b"".join(iter(lambda: agent.recv(1 << 16), b""))
    agent.close()
    assert answer.startswith(b"exit 0 "), answer.decode()


def one_by_one(made: Node, group: Sequence[Pod], command: str) -> list[float]:
    """Milliseconds of each call."""
    times = []
    for pod in group:
        began = time.perf_counter()
        answered(asked(made, pod, command))
        times.append((time.perf_counter() - began) * 1e3)
    return times


def at_once(made: Node, group: Sequence[Pod], command: str) -> float:
    """Seconds until the last of all calls is answered."""
    began = time.perf_counter()
    waiting = selectors.DefaultSelector()
    for pod in group:
        waiting.register(asked(made, pod, command), selectors.EVENT_READ)
    while waiting.get_map():
        for key, _ in waiting.select(30):
            waiting.unregister(key.fileobj)
            answered(key.fileobj)  # type: ignore[arg-type]
    return time.perf_counter() - began


def attach(bench: Bench) -> Row:
    """ADD and DEL one by one, and 100 at once."""
    count, burst = (20, 30) if bench.quick else (60, 100)
    disk_ms = disk(bench.scratch)
    void = f"the disk needs {disk_ms:.1f} ms for one object: it is busy" if disk_ms > VOID_MS else ""
    cpus, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    if load > VOID_LOAD * cpus:
        void = f"{load:.1f} others want the {cpus} processors: an attach hands work over six times and waits for each"
    add: list[float] = []
    delete: list[float] = []
    together: list[float] = []
    away: list[float] = []
    with ground(bench.scratch) as (made, netns):
        single, many = pods(netns, count), pods(netns, burst, count)
        one_by_one(made, single[:5], "ADD")  # the first block, folders and imports
        one_by_one(made, single[:5], "DEL")
        for _ in range(bench.rounds):
            add += one_by_one(made, single, "ADD")
            delete += one_by_one(made, single, "DEL")
            time.sleep(0.5)  # interfaces are deleted in the background
            together.append(at_once(made, many, "ADD"))
            away.append(at_once(made, many, "DEL"))
            time.sleep(0.5)
        assert trouble(made) == []
    attach_ms = Series("attach", "ms", tuple(add), base=True)
    detach_ms = Series("detach", "ms", tuple(delete))
    burst_s = Series(f"attach {burst} at once", "s", tuple(together))
    away_s = Series(f"detach {burst} at once", "s", tuple(away))
    return Row(
        "Pods attached and detached by the agent, every object written with fsync",
        [attach_ms, detach_ms, burst_s, away_s],
        [
            Goal("attach p50, ms", attach_ms.median, ATTACH_MS),
            Goal("detach p50, ms", detach_ms.median, DETACH_MS),
            Goal(f"{burst} pods at once, s", burst_s.median, BURST_S),
        ],
        notes={"disk": f"write, fsync, rename, fsync of the folder: p50 {disk_ms:.2f} ms; an attach waits for two"},
        void=void,
    )


def disk(folder: Path) -> float:
    """Milliseconds that the disk needs to keep one object of 3 KB: what no allocator can be faster than."""
    times = []
    for number in range(30):
        began = time.perf_counter()
        fresh = folder / f".fsync-{number % 3}"
        with fresh.open("wb") as file:
            file.write(bytes(3000))
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(folder / f"fsync-{number % 3}")
        handle = os.open(folder, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
        times.append((time.perf_counter() - began) * 1e3)
    return statistics.median(times)
