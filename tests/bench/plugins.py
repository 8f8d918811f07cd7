"""The CNI plugin as a runtime runs it, whole process, against Debian's `ptp` with `host-local` in the same run.

Every pod is a new namespace; calls take turns between the plugins, so that a busy moment of the machine meets all of
them. What they do is not the same: ours keeps every object on disk (fsync) and answers when the agent has read the
route back; `ptp` keeps one unsynced file.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.attach import CONFIG, VOID_LOAD, ground
from tests.bench.table import Bench, Goal, Row, Series, ratio
from tests.namespaces import Namespace

PTP = Path("/usr/lib/cni/ptp")  # Debian: containernetworking-plugins
SHIM = Path(__file__).parents[2] / "felixpy" / "cni" / "felixpy-cni"
ADD_TIMES, TWIN_TIMES, DEL_TIMES = 1.0, 2.5, 0.5


@dataclass(frozen=True)
class Plugin:
    """One program and its configuration."""

    name: str
    command: Sequence[str]
    config: bytes
    env: Mapping[str, str]

    def start(self, verb: str, number: int, netns: Namespace) -> "subprocess.Popen[bytes]":
        env = {
            **self.env,
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": f"{self.name}-{number:056x}",
            "CNI_NETNS": f"/proc/{os.getpid()}/fd/{netns.fd}",
            "CNI_IFNAME": "eth0",
            "CNI_PATH": str(PTP.parent),
            "CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_NAMESPACE=bench;K8S_POD_NAME={self.name}-{number}",
        }
        child = subprocess.Popen(
            self.command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert child.stdin is not None
        child.stdin.write(self.config)
        child.stdin.close()
        child.stdin = None
        return child

    def call(self, verb: str, number: int, netns: Namespace) -> float:
        """Milliseconds from the start of the program to its end."""
        began = time.perf_counter()
        self.ended(self.start(verb, number, netns))
        return (time.perf_counter() - began) * 1e3

    @staticmethod
    def ended(child: "subprocess.Popen[bytes]") -> None:
        output, _ = child.communicate(timeout=60)
        assert child.returncode == 0, output.decode()


def plugins(environment: Mapping[str, str], scratch: Path) -> tuple[Plugin, Plugin, Plugin]:
    """ptp, the C plugin, its Python twin."""
    ipam = {"type": "host-local", "subnet": "10.99.0.0/16", "dataDir": str(scratch / "host-local")}
    theirs = json.dumps(
        {"cniVersion": "1.0.0", "name": "theirs", "type": "ptp", "ipMasq": False, "mtu": 1500, "ipam": ipam}
    ).encode()
    twin = (sys.executable, "-I", "-S", str(SHIM.with_name("__main__.py")))
    return (
        Plugin("ptp", (str(PTP),), theirs, environment),
        Plugin("c", (str(SHIM),), CONFIG, environment),
        Plugin("twin", twin, CONFIG, environment),
    )


def one_by_one(each: Sequence[Plugin], count: int, netns: Namespace) -> dict[tuple[str, str], list[float]]:
    """Milliseconds of ADD and DEL by plugin, one call at a time, in turns."""
    times: dict[tuple[str, str], list[float]] = {(p.name, v): [] for p in each for v in ("ADD", "DEL")}
    for number in range(count):
        for plugin in each:
            inside = netns.another()
            for verb in ("ADD", "DEL"):
                times[plugin.name, verb].append(plugin.call(verb, number, inside))
            netns.others.remove(inside)
            inside.close()
    return times


def at_once(plugin: Plugin, count: int, netns: Namespace) -> float:
    """ADDs a second when all are started at once; the pods are taken away again."""
    pods = [netns.another() for _ in range(count)]
    began = time.perf_counter()
    for child in [plugin.start("ADD", number, inside) for number, inside in enumerate(pods, 10_000)]:
        plugin.ended(child)
    took = time.perf_counter() - began
    for child in [plugin.start("DEL", number, inside) for number, inside in enumerate(pods, 10_000)]:
        plugin.ended(child)
    for inside in pods:
        netns.others.remove(inside)
        inside.close()
    return count / took


def compare(bench: Bench) -> Row:
    """ADD and DEL one by one, and 200 ADDs started at once."""
    if not PTP.exists():
        return Row("CNI plugins", [], void=f"{PTP} is missing: containerlab/install.sh --tests")
    subprocess.run(["make", "cni"], cwd=SHIM.parents[2], check=True, capture_output=True, timeout=60)
    cpus, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    void = f"{load:.1f} others want the {cpus} processors" if load > VOID_LOAD * cpus else ""
    count, burst = (10, 50) if bench.quick else (40, 200)
    with ground(bench.scratch) as (made, netns):
        each = plugins(made.environment, bench.scratch)
        one_by_one(each, 3, netns)
        times = one_by_one(each, count, netns)
        rates = {
            plugin.name: tuple(at_once(plugin, burst, netns) for _ in range(bench.rounds)) for plugin in each[:2]
        }
    adds = {
        name: Series(f"{name} ADD", "ms", tuple(times[name, "ADD"]), base=name == "ptp") for name, _ in rows(each)
    }
    dels = {
        name: Series(f"{name} DEL", "ms", tuple(times[name, "DEL"]), base=name == "ptp") for name, _ in rows(each)
    }
    many = [
        Series(f"{name}, {burst} ADDs at once", "a second", found, base=name == "ptp")
        for name, found in rates.items()
    ]
    return Row(
        "CNI plugins, whole process",
        [*adds.values(), *dels.values(), *many],
        [
            Goal("ADD p50, C plugin by ptp", ratio(adds["c"], adds["ptp"]), ADD_TIMES),
            Goal("ADD p50, Python twin by ptp", ratio(adds["twin"], adds["ptp"]), TWIN_TIMES),
            Goal("DEL p50, C plugin by ptp", ratio(dels["c"], dels["ptp"]), DEL_TIMES),
            Goal(f"{burst} ADDs at once, by ptp's", ratio(many[1], many[0]), 1.0, at_least=True),
        ],
        void=void,
    )


def rows(each: Sequence[Plugin]) -> list[tuple[str, Plugin]]:
    return [(plugin.name, plugin) for plugin in each]
