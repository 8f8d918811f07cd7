"""What a packet pays from pod to pod: TCP throughput and the round trip of one echo at a time, each way in turn.

Every round measures each way once, so that a busy moment of the machine meets all of them. Everything runs on this
machine's processors: sender, both nodes' forwarding and receiver share them.
"""

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tests.bench.table import Bench, Goal, Row, Series, ratio
from tests.bench.ways import BY_HAND, Way, ours, reaches
from tests.namespaces import Namespace, in_new_namespace

PORT = "5201"
TCP_TIMES, ECHO_TIMES = 0.95, 1.1
Samples = dict[str, tuple[list[float], list[float]]]  # by name: Gbit/s, us

# What is changed for one measurement, and how it is put back: for both nodes (their devices), and for the pods.
SETTINGS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "GRO on nodes' devices": (("ethtool -K DEV gro on",), ("ethtool -K DEV gro off",)),
    "GRO list forwarding on nodes' devices": (
        ("ethtool -K DEV gro on rx-gro-list on rx-udp-gro-forwarding on",),
        ("ethtool -K DEV rx-gro-list off rx-udp-gro-forwarding off gro off",),
    ),
    "nodes' segmentation offload off": (("ethtool -K DEV tso off gso off",), ("ethtool -K DEV tso on gso on",)),
    "nodes' checksum offload off": (("ethtool -K DEV tx off",), ("ethtool -K DEV tx on tso on",)),
    "pods' segmentation offload off": (
        ("pod ethtool -K eth0 tso off gso off",),
        ("pod ethtool -K eth0 tso on gso on",),
    ),
    "rp_filter 0 on nodes' devices": (
        ("sysctl -qw net.ipv4.conf.all.rp_filter=0", "sysctl -qw net.ipv4.conf.DEV.rp_filter=0"),
        (),
    ),
    "rp_filter 1 on nodes' devices": (("sysctl -qw net.ipv4.conf.DEV.rp_filter=1",), ()),
    "ip_early_demux 0 on nodes": (
        ("sysctl -qw net.ipv4.ip_early_demux=0",),
        ("sysctl -qw net.ipv4.ip_early_demux=1",),
    ),
}


def across(bench: Bench) -> Row:
    """TCP throughput and echo round trip from pod to pod across two nodes, for ours and four other ways."""
    with contextlib.ExitStack() as stack:
        ground = stack.enter_context(contextlib.contextmanager(in_new_namespace)())
        ways = [BY_HAND[name](ground) for name in ("bridge", "masquerade", "vxlan", "bare")]
        ways.insert(1, stack.enter_context(ours(bench)))
        return _row("pod to pod across nodes", _in_turns(bench, {way.name: way for way in ways}, "b"))


def within(bench: Bench) -> Row:
    """TCP throughput and echo round trip between two pods of one node, for ours, a bridge and one veth."""
    with contextlib.ExitStack() as stack:
        ground = stack.enter_context(contextlib.contextmanager(in_new_namespace)())
        ways = [BY_HAND["bridge"](ground), stack.enter_context(ours(bench)), BY_HAND["bare"](ground)]
        return _row("pod to pod on one node", _in_turns(bench, {way.name: way for way in ways}, "c"))


def _in_turns(bench: Bench, ways: Mapping[str, Way], to: str) -> Samples:
    program, found = compiled(bench.scratch), {name: (list[float](), list[float]()) for name in ways}
    for way in ways.values():
        reaches(way, to)
    for _ in range(3 if bench.quick else 9):
        for name, way in ways.items():
            tcp, echo = once(way, to, program, bench)
            found[name][0].append(tcp)
            found[name][1].append(echo)
    return found


def once(way: Way, to: str, program: Path, bench: Bench) -> tuple[float, float]:
    """Gbit/s and us from pod a to this pod."""
    count = "5000" if bench.quick else "20000"
    with serving(way.pods[to]):
        said = way.pods["a"].run("iperf3", "-c", way.addresses[to], "-p", PORT, "-t", "1", "-J")
    tcp = json.loads(said)["end"]["sum_received"]["bits_per_second"] / 1e9
    return tcp, float(way.pods["a"].run(str(program), way.addresses[to], count))


@contextlib.contextmanager
def serving(pod: Namespace) -> Iterator[None]:
    """The receiver, for one connection."""
    server = pod.start("iperf3", "-s", "-1", "-p", PORT)
    try:
        _listens(pod)
        yield
    finally:
        server.kill()
        server.communicate(timeout=10)


def _listens(pod: Namespace) -> None:
    for _ in range(500):
        if pod.run("ss", "-Hltn", "sport", "=", PORT):
            return
    raise RuntimeError("iperf3 does not listen")


def compiled(scratch: Path) -> Path:
    """The program that sends echoes."""
    if not shutil.which("iperf3"):
        raise RuntimeError("iperf3 is missing: containerlab/install.sh --tests")
    program = scratch / "echo"
    source = Path(__file__).with_name("echo.c")
    subprocess.run(["cc", "-O2", "-o", str(program), str(source)], check=True, timeout=60)
    return program


def _row(title: str, found: Samples) -> Row:
    tcp = {
        name: Series(f"TCP, {name}", "Gbit/s", tuple(both[0]), base=at == 0)
        for at, (name, both) in enumerate(found.items())
    }
    echo = {
        name: Series(f"echo, {name}", "us", tuple(both[1]), base=at == 0)
        for at, (name, both) in enumerate(found.items())
    }
    bridge, own = list(found)[:2]
    goals = [
        Goal("throughput by the bridge's", ratio(tcp[own], tcp[bridge]), TCP_TIMES, at_least=True),
        Goal("round trip by the bridge's", ratio(echo[own], echo[bridge]), ECHO_TIMES),
    ]
    return Row(title, [*tcp.values(), *echo.values()], goals)


def settings(bench: Bench) -> Row:
    """Our way across two nodes with one kernel setting changed at a time: does it move throughput or round trip."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.contextmanager(in_new_namespace)())
        way, program = stack.enter_context(ours(bench)), compiled(bench.scratch)
        reaches(way, "b")
        plain = "as it is"
        found: Samples = {name: ([], []) for name in (plain, *SETTINGS)}
        for _ in range(2 if bench.quick else 4):
            for name in found:
                changes, back = SETTINGS.get(name, ((), ()))
                before = _filters(way)
                _do(way, changes)
                tcp, echo = once(way, "b", program, bench)
                _do(way, back)
                _restore(way, before)
                found[name][0].append(tcp)
                found[name][1].append(echo)
    series = [
        Series(f"{what}, {name}", unit, tuple(both[nth]), base=name == plain)
        for nth, (what, unit) in enumerate((("TCP", "Gbit/s"), ("echo", "us")))
        for name, both in found.items()
    ]
    return Row("kernel settings, one changed at a time", series)


def devices(node: Namespace) -> list[str]:
    """Its uplink and its pods' interfaces."""
    names = [link["ifname"] for link in json.loads(node.run("ip", "-j", "link"))]
    return [name for name in names if name == "eth1" or name.startswith("cali")]


def _do(way: Way, lines: Iterable[str]) -> None:
    for line in lines:
        words = line.split()
        if words[0] == "pod":
            for pod in way.pods.values():
                pod.run(*words[1:])
            continue
        for node in way.nodes:
            for device in devices(node) if "DEV" in line else ("",):
                node.run(*(word.replace("DEV", device) for word in words))


def _filters(way: Way) -> list[dict[str, str]]:
    """Every rp_filter of both nodes."""
    return [
        dict(line.split(" = ") for line in node.run("sysctl", "-a", "-r", r"ipv4\.conf\..*\.rp_filter").splitlines())
        for node in way.nodes
    ]


def _restore(way: Way, before: list[dict[str, str]]) -> None:
    for node, values in zip(way.nodes, before, strict=True):
        now = dict(
            line.split(" = ") for line in node.run("sysctl", "-a", "-r", r"ipv4\.conf\..*\.rp_filter").splitlines()
        )
        for name, value in values.items():
            if now.get(name) != value:
                node.run("sysctl", "-qw", f"{name}={value}")
