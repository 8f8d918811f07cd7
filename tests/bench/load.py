"""Many routes from one BIRD into one kernel, by way of birdpy, BIRD 2 and FRR in turn; and one more with many held.

The clock starts when the peer's routes begin to exist (`birdc enable` of its static protocol, the session being up)
and stops at the last RTM_NEWROUTE of the receiver's kernel.
"""

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from felixpy.kernel.rtnetlink import RTM_NEWROUTE
from felixpy.model.addresses import Asn
from felixpy.model.resources import BGPPeer, Metadata, Resource
from tests.bench.table import Bench, Goal, Row, Series
from tests.namespaces import Namespace, in_new_namespace
from tests.netns.fabric import Fabric, Machine
from tests.speakers import Bird, RawSpeaker, attribute, bird, eventually, raw

PATIENCE_S = 60.0
SO_RCVBUFFORCE = 33
MANY = 100_000
LIMIT = {"felixpy.io/max-prefix": "1000000"}

SENDER = """
router id 172.20.0.9;
log stderr all;
protocol device {{}}
protocol static many {{ disabled; ipv4;
include "{routes}";
}}
protocol bgp to_n1 {{ local 172.20.0.9 as 65009; neighbor 172.20.0.1 as 64512; multihop;
  connect delay time 1; connect retry time 1; ipv4 {{ import none; export all; next hop self; }}; }}
"""
RECEIVER = """
router id 172.20.0.1;
log stderr all;
protocol device {}
protocol kernel { ipv4 { export where source = RTS_BGP; }; }
protocol bgp feed { local 172.20.0.1 as 64512; neighbor 172.20.0.9 as 65009; multihop;
  connect delay time 1; connect retry time 1; ipv4 { import all; export none; gateway recursive; }; }
"""
FRR = """
router bgp 64512
 bgp router-id 172.20.0.1
 no bgp ebgp-requires-policy
 neighbor 172.20.0.9 remote-as 65009
 neighbor 172.20.0.9 ebgp-multihop 2
 neighbor 172.20.0.9 timers connect 1
"""


def prefix(number: int) -> str:
    """The prefix with that number: 20.0.0.0/24 and on."""
    return f"{20 + (number >> 16)}.{number >> 8 & 255}.{number & 255}.0/24"


def write_routes(path: Path, count: int, *, own: bool) -> None:
    """What the sender has: equal attributes, or a community of its own for each route."""
    more = "blackhole {{ bgp_community.add((65009, {})); }};\n" if own else "blackhole;\n"
    path.write_text("".join(f"route {prefix(i)} {more.format(i)}" for i in range(count)))


class Counter:
    """Counts the new routes of one kernel."""

    def __init__(self, namespace: Namespace) -> None:
        self.socket = namespace.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 256 << 20)
        self.socket.bind((0, 0x40))
        self.socket.setblocking(False)

    def drain(self) -> int:
        """How many have come since the last call."""
        found = 0
        with contextlib.suppress(BlockingIOError):
            while data := self.socket.recv(1 << 16):
                found += data[4] == RTM_NEWROUTE  # one message each: they are notifications
        return found

    def until(self, count: int, poke: Callable[[], object]) -> float:
        """When `count` have come; `poke` is done four times a second (a BIRD that sends pauses for 3 s at times)."""
        began = poked = time.perf_counter()
        while count > 0:
            time.sleep(0.002)
            count -= self.drain()
            now = time.perf_counter()
            if now - began > PATIENCE_S:
                raise RuntimeError(f"{count} routes are still missing after {PATIENCE_S:.0f} s")
            if now - poked > 0.25:
                poke()
                poked = now
        return time.perf_counter()


@dataclass(frozen=True, slots=True)
class Received:
    """What one receiver took for one load."""

    seconds: float
    cpu_s: dict[str, float]  # by process, while it took
    rss_mb: float  # at the end, of the first process


@dataclass(frozen=True, slots=True)
class Site:
    """The receiver's node at 172.20.0.1, and the sender beside it at 172.20.0.9."""

    fabric: Fabric
    machine: Machine
    counter: Counter


Receiver = Callable[[Site], "contextlib.AbstractContextManager[dict[str, int]]"]  # its processes by name


@contextlib.contextmanager
def by_birdpy(site: Site) -> Iterator[dict[str, int]]:
    """birdpy, with no limit in the way."""
    peer = BGPPeer(node="n1", peer_ip="172.20.0.9", as_number=Asn(65009))
    site.fabric.write([Resource(Metadata(name="sender", annotations=LIMIT), peer)])
    site.machine.start()
    try:
        eventually(lambda: site.machine.ask("health"), 20)
        assert site.machine.process is not None
        yield {"birdpy": site.machine.process.pid, "ExaBGP": site.machine.exabgp()}
    finally:
        site.machine.kill()


@contextlib.contextmanager
def started(namespace: Namespace, *commands: tuple[str, ...]) -> "Iterator[list[subprocess.Popen[str]]]":
    """Programs in `namespace`, killed at the end."""
    processes = [namespace.start(*command) for command in commands]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate(timeout=10)


@contextlib.contextmanager
def by_bird(site: Site) -> Iterator[dict[str, int]]:
    """BIRD 2."""
    config = site.machine.folder / "bird.conf"
    config.write_text(RECEIVER)
    command = ("bird", "-f", "-c", str(config), "-s", str(config.with_suffix(".ctl")))
    with started(site.machine.namespace, command) as (process,):
        yield {"BIRD 2": process.pid}


@contextlib.contextmanager
def by_frr(site: Site) -> Iterator[dict[str, int]]:
    """FRR: zebra, which insists on the user that it was built for, and bgpd."""
    with tempfile.TemporaryDirectory() as name:
        shutil.chown(name, "frr")
        folder = Path(name)
        (folder / "bgpd.conf").write_text(FRR)
        (folder / "zebra.conf").write_text("")
        api = folder / "zserv"
        common = ("--vty_socket", name, "-z", str(api))
        zebra = ("/usr/lib/frr/zebra", "-f", f"{name}/zebra.conf", "-i", f"{name}/zebra.pid", *common)
        bgpd = ("/usr/lib/frr/bgpd", "-f", f"{name}/bgpd.conf", "-i", f"{name}/bgpd.pid", "-S", *common)
        with started(site.machine.namespace, zebra) as (first,):
            eventually(api.exists)
            with started(site.machine.namespace, bgpd) as (second,):
                yield {"bgpd": second.pid, "zebra": first.pid}


RECEIVERS: dict[str, Receiver] = {"birdpy": by_birdpy, "BIRD 2": by_bird, "FRR": by_frr}


@contextlib.contextmanager
def site(folder: Path) -> Iterator[Site]:
    """A node without anything running on it."""
    folder.mkdir()
    for ground in in_new_namespace():
        fabric = Fabric(ground, folder)
        machine = fabric.node("n1", 1)
        counter = Counter(machine.namespace)
        try:
            yield Site(fabric, machine, counter)
        finally:
            counter.socket.close()
            fabric.close()


def cpu_s(pid: int) -> float:
    """Seconds of processor time that all threads of a process have used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    threads = Path(f"/proc/{pid}/task").iterdir()
    exact = sum(int((each / "schedstat").read_text().split()[0]) for each in threads) / 1e9
    return max(exact, (int(fields[11]) + int(fields[12])) / 100 - 0.02)


def rss_mb(pid: int) -> float:
    """Resident memory."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("\nVmRSS:")[2].split()[0]) / 1024


@contextlib.contextmanager
def sending(at: Site, routes: Path, config: str = SENDER) -> Iterator[Bird]:
    """The sender, its session with the receiver up and its routes not there yet. All of 172.30.0.0/16 is its own."""
    with at.fabric.beside(9) as beside, contextlib.ExitStack() as stack:
        beside.run("ip", "address", "add", "172.30.255.9/16", "dev", "eth1")
        beside.run("ip", "route", "add", "local", "172.30.0.0/17", "dev", "lo")
        sender = stack.enter_context(bird(routes.parent / "sender", config.format(routes=routes)))
        eventually(lambda: sender.is_up("to_n1"), PATIENCE_S)
        time.sleep(1.5)  # what else the receiver has to do at the start of a session is done
        yield sender


def received(folder: Path, by: Receiver, routes: Path, count: int) -> Received:
    """One load by one receiver."""
    with site(folder) as at, by(at) as pids, sending(at, routes) as sender:
        at.counter.drain()
        before = {name: cpu_s(pid) for name, pid in pids.items()}
        began = time.perf_counter()
        sender.ask("enable", "many")
        ended = at.counter.until(count, lambda: sender.ask("show", "status"))
        used = {name: cpu_s(pid) - before[name] for name, pid in pids.items()}
        return Received(ended - began, used, rss_mb(next(iter(pids.values()))))


def _load(bench: Bench, count: int, names: tuple[str, ...], *, own: bool = False) -> dict[str, list[Received]]:
    routes = bench.scratch / "routes.conf"
    write_routes(routes, count, own=own)
    found: dict[str, list[Received]] = {name: [] for name in names}
    for at in range(min(bench.rounds, 3)):
        for name in names:
            found[name].append(
                received(bench.scratch / f"{name}{at}".replace(" ", ""), RECEIVERS[name], routes, count)
            )
    return found


def _series(found: dict[str, list[Received]]) -> list[Series]:
    series = []
    for name in sorted(found, key=lambda each: each != "BIRD 2"):
        used = ", ".join(f"{of} {value:.2f} s" for of, value in found[name][-1].cpu_s.items())
        remark = f"CPU: {used}; {found[name][-1].rss_mb:.0f} MB"
        series.append(
            Series(name, "s", tuple(each.seconds for each in found[name]), base=name == "BIRD 2", remark=remark)
        )
    return series


def equal(bench: Bench) -> Row:
    """10,000 prefixes with equal attributes."""
    series = _series(_load(bench, 10_000, ("birdpy", "BIRD 2", "FRR")))
    times = {each.name: each.median for each in series}
    goal = Goal("by birdpy, times BIRD 2", times["birdpy"] / times["BIRD 2"], 4)
    return Row("10,000 equal routes from a BIRD until all are in the kernel", series, [goal])


def each_its_own(bench: Bench) -> Row:
    """5,000 prefixes, each with attributes of its own."""
    series = _series(_load(bench, 5000, ("birdpy", "BIRD 2"), own=True))
    times = {each.name: each.median for each in series}
    return Row("5,000 routes, each with its own attributes", series, [Goal("by birdpy, s", times["birdpy"], 1.5)])


def packed(bench: Bench) -> Row:
    """100,000 prefixes with equal attributes."""
    found = _load(bench, MANY, ("birdpy", "BIRD 2", "FRR"))
    series = _series(found)
    times = {each.name: each.median for each in series}
    most = max(each.rss_mb for each in found["birdpy"])
    goals = [Goal("by birdpy, s", times["birdpy"], 3), Goal("RSS of birdpy, MB", most, 250)]
    return Row(f"{MANY:,} equal routes from a BIRD until all are in the kernel", series, goals)


def one_more(bench: Bench) -> Row:
    """One more announcement while 100,000 routes are held, by a second peer."""
    routes = bench.scratch / "routes.conf"
    write_routes(routes, MANY, own=False)
    peer = BGPPeer(node="n1", peer_ip="172.20.0.8", as_number=Asn(65008))
    with site(bench.scratch / "site") as at:
        at.fabric.write([Resource(Metadata(name="second"), peer)])
        with by_birdpy(at) as pids, sending(at, routes) as sender:
            sender.ask("enable", "many")
            at.counter.until(MANY, lambda: sender.ask("show", "status"))
            time.sleep(3)
            with at.fabric.beside(8), raw("172.20.0.8") as listening:
                speaker = RawSpeaker(listening.accept()[0], 65008)
                speaker.establish("172.20.0.8")
                eventually(lambda: at.machine.up("172.20.0.8"))
                time.sleep(3)
                waits, used = _announce(speaker, at.counter, pids["birdpy"], 20 if bench.quick else 60)
    series = [Series("UPDATE to the kernel's notification", "ms", waits), Series("CPU of birdpy", "ms", used)]
    goals = [Goal("p50, ms", series[0].median, 20), Goal("CPU of birdpy, ms", series[1].median, 5)]
    return Row(f"one more announcement with {MANY:,} routes held", series, goals)


def _announce(speaker: RawSpeaker, counter: Counter, pid: int, rounds: int) -> tuple[tuple[float, ...], ...]:
    attributes = attribute(1, b"\0") + attribute(2, bytes([2, 1, 0xFD, 0xF0])) + attribute(3, bytes([172, 20, 0, 8]))
    waits, used = [], []
    for at in range(rounds):
        counter.drain()
        before, began = cpu_s(pid), time.perf_counter()
        speaker.update(attributes, bytes([24, 198, 51, at]))
        counter.until(1, lambda: None)
        waits.append((time.perf_counter() - began) * 1000)
        time.sleep(0.1)
        used.append((cpu_s(pid) - before) * 1000)
    return tuple(waits), tuple(used)
