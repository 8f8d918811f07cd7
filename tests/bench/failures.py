"""A next hop that 10,000 routes share fails: how soon the kernel's last route is another one.

One node with two uplinks, a switch behind each, both announcing the same routes. The clock starts when the kernel
says that the neighbour failed (RTM_NEWNEIGH), or when the peer's process is killed, and stops at the kernel's last
word about a route. Plain gateways and `--kernel-nexthops` in turn.
"""

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from felixpy.kernel.link_message import NUD_FAILED, decode_neighbour
from felixpy.kernel.rtnetlink import RTM_DELROUTE, RTM_NEWNEIGH, RTM_NEWROUTE, messages
from felixpy.model.addresses import Asn
from felixpy.model.resources import BGPPeer, Metadata, Node, NodeBGP, Resource
from tests.bench.hearing import Hearing
from tests.bench.load import LIMIT, SO_RCVBUFFORCE, prefix
from tests.bench.table import Bench, Goal, Row, Series
from tests.namespaces import CLONE_NEWNET, LIBC, Namespace, in_new_namespace
from tests.netns.fabric import Fabric, Machine, eventually, lost_of
from tests.speakers import Bird, bird

TARGET = "203.0.113.0/24"  # the traffic that is watched goes here
ROUTE, NEIGHBOUR = 0x40, 0x4
QUIET_S = 1.5  # without a route event: it is over
PATIENCE_S = 30.0
PING_MS = 2
SWITCHES = {8: ("172.20.0.8", "172.20.0.1"), 9: ("172.21.0.9", "172.21.0.1")}  # its address, and ours towards it
SWITCH = """
router id 172.20.0.{number};
log stderr all;
protocol device {{}}
protocol static many {{ ipv4;
include "{routes}";
}}
protocol bgp to_n1 {{ local {address} as 65009; neighbor 172.20.0.1 as 64512; multihop; graceful restart {graceful};
  connect delay time 1; connect retry time 1; ipv4 {{ import none; export all; next hop self; }}; }}
"""


@dataclass(slots=True)
class Witness:
    """What one kernel says of neighbours and of our routes, with the moment at which it was heard."""

    namespace: Namespace
    failed: dict[str, float] = field(default_factory=dict)
    last_route: float = 0.0
    routes: int = 0
    _end: bool = False

    def _listen(self) -> None:
        with self.namespace.socket() as heard:
            heard.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 256 << 20)
            heard.bind((0, ROUTE | NEIGHBOUR))
            hearing = Hearing(heard.fileno())
            while not self._end:
                if not select.select([heard], [], [], 0.1)[0]:
                    continue
                while data := hearing.now():
                    self._take(data, time.perf_counter())

    def _take(self, data: list[bytes], now: float) -> None:
        for each in data:  # notifications: one message each
            if each[4] in (RTM_NEWROUTE, RTM_DELROUTE):
                self.last_route, self.routes = now, self.routes + 1
            elif each[4] == RTM_NEWNEIGH:
                entry = decode_neighbour(next(messages(each)).body)
                if entry is not None and entry.state & NUD_FAILED:
                    self.failed.setdefault(str(entry.address), now)

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Hear from now on."""
        thread = threading.Thread(target=self._listen)
        thread.start()
        time.sleep(0.3)
        self.failed.clear()
        self.last_route, self.routes = 0.0, 0
        try:
            yield
        finally:
            self._end = True
            thread.join()
            self._end = False

    def settle(self) -> None:
        """Wait until nothing has been said about routes for a while."""
        end = time.perf_counter() + PATIENCE_S
        while time.perf_counter() < max(self.last_route + QUIET_S, 0) or not self.routes:
            if time.perf_counter() > end:
                raise RuntimeError("no route changed" if not self.routes else "the routes do not come to rest")
            time.sleep(0.02)


@dataclass(frozen=True, slots=True)
class Site:
    """The node and its two switches."""

    fabric: Fabric
    node: Machine
    switches: dict[int, Namespace]
    birds: dict[int, Bird]
    count: int

    def cut(self, number: int) -> None:
        """Take a switch off its segment: no link goes down."""
        self.fabric.ground.run("ip", "link", "set", f"s{number}", "nomaster")

    def mend(self, number: int) -> None:
        """Put it back."""
        self.fabric.ground.run("ip", "link", "set", f"s{number}", "master", f"seg{number}")

    def wait(self, number: int) -> None:
        """Until all routes lead through this switch."""
        eventually(lambda: self.through(number) == self.count, 60, 0.3)

    def through(self, number: int) -> int:
        """How many routes lead through this switch."""
        shown = self.node.namespace.run("ip", "route", "show", "proto", "bird")
        return shown.count(f" via {SWITCHES[number][0]} ")


def wire(fabric: Fabric, node: Machine) -> dict[int, Namespace]:
    """The node's two uplinks, each a segment with a switch on it, which answers for the target."""
    made = {}
    for number, (address, ours) in SWITCHES.items():
        switch = made[number] = fabric.ground.another()
        fabric.ground.run("ip", "link", "add", f"seg{number}", "type", "bridge")
        fabric.ground.run("ip", "link", "set", f"seg{number}", "up")
        for end, namespace, own in ((f"n{number}", node.namespace, ours), (f"s{number}", switch, address)):
            device = f"up{number}"
            fabric.ground.run("ip", "link", "add", end, "type", "veth", "peer", "name", f"{end}p")
            fabric.ground.run("ip", "link", "set", end, "master", f"seg{number}", "up")
            fabric.ground.run("ip", "link", "set", f"{end}p", "netns", f"/proc/{os.getpid()}/fd/{namespace.fd}")
            namespace.run("ip", "link", "set", f"{end}p", "name", device, "up")
            namespace.run("ip", "address", "add", f"{own}/24", "dev", device)
        switch.run("ip", "route", "replace", "default", "via", ours)
        switch.run("ip", "route", "add", "local", TARGET, "dev", "lo")
    node.namespace.run("ip", "address", "add", "10.65.1.1/32", "dev", "lo")
    node.namespace.run("sysctl", "-qw", "net.ipv4.conf.all.ignore_routes_with_linkdown=1")
    return made


@contextlib.contextmanager
def entered(namespace: Namespace) -> Iterator[None]:
    """This thread in `namespace`, and what it starts; then back."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    assert LIBC.setns(namespace.fd, CLONE_NEWNET) == 0
    try:
        yield
    finally:
        assert LIBC.setns(before, CLONE_NEWNET) == 0
        os.close(before)


@contextlib.contextmanager
def site(bench: Bench, *, shared: bool, graceful: bool = False, round_: int = 0) -> Iterator[Site]:
    """The node with all routes over both switches."""
    count = 1000 if bench.quick else 10_000
    for ground in in_new_namespace():
        folder = bench.scratch / f"{shared:d}{graceful:d}{round_}"
        folder.mkdir()
        fabric = Fabric(ground, folder)
        node = fabric.machine("n1")
        node.extra["BIRDPY_KERNEL_NEXTHOPS"] = str(shared)
        fabric.write([Resource(Metadata(name="n1"), Node(bgp=NodeBGP(ipv4_address="172.20.0.1/24")))])
        switches = wire(fabric, node)
        routes = folder / "routes"
        every = [TARGET, *(prefix(i) for i in range(count))]
        routes.write_text("".join(f"route {each} blackhole;\n" for each in every))
        with contextlib.ExitStack() as stack:
            stack.callback(fabric.close)
            birds = {}
            for number, (address, _) in SWITCHES.items():
                peer = BGPPeer(node="n1", peer_ip=address, as_number=Asn(65009))
                fabric.write([Resource(Metadata(name=f"s{number}", annotations=LIMIT), peer)])
                config = SWITCH.format(
                    number=number, address=address, routes=routes, graceful="on" if graceful else "off"
                )
                with entered(switches[number]):
                    birds[number] = stack.enter_context(bird(folder / f"bird{number}", config))
            node.start()
            made = Site(fabric, node, switches, birds, count + 1)
            made.wait(8)
            made.wait(9)
            time.sleep(2)
            yield made


def flow_over(made: Site, number: int) -> str:
    """An address behind both switches whose packets go to this one: the kernel spreads flows, not packets."""
    for last in range(1, 200):
        target = TARGET.replace(".0/24", f".{last}")
        shown = made.node.namespace.run("ip", "route", "get", target, "from", "10.65.1.1")
        if f" via {SWITCHES[number][0]} " in shown:
            return target
    raise RuntimeError(f"no flow goes to switch {number}")


def by_carrier(bench: Bench) -> Row:
    """The carrier of an uplink is lost: packets of a flow over it that nobody answers, 500 a second."""
    series = []
    for shared in (False, True):
        with site(bench, shared=shared) as made:
            command = ("ping", "-q", "-i", "0.002", "-c", "1500", "-W", "1", "-I", "10.65.1.1", flow_over(made, 9))
            pings = made.node.namespace.start(*command)
            time.sleep(1)
            made.fabric.ground.run("ip", "link", "set", "n9", "down")
            series.append(Series(name_of(shared=shared), "ms lost", (float(lost_of(pings) * PING_MS),)))
    return Row("an uplink of two loses its carrier", series)


def by_neighbour(bench: Bench) -> Row:
    """From RTM_NEWNEIGH FAILED to the last route that does not lead there any more."""
    series = []
    for shared in (False, True):
        took = []
        with site(bench, shared=shared) as made:
            witness = Witness(made.node.namespace)
            for _ in range(2 if bench.quick else 3):
                with witness.listening():
                    made.cut(9)
                    witness.settle()
                took.append((witness.last_route - witness.failed[SWITCHES[9][0]]) * 1000)
                assert made.through(9) == 0
                made.mend(9)
                made.wait(9)
                time.sleep(2)
        series.append(Series(name_of(shared=shared), "ms", tuple(took)))
    return Row("10,000 routes, their shared next hop fails", series, goals(series))


def by_session(bench: Bench) -> Row:
    """From the kill of a peer without graceful restart to the last route that does not lead there any more."""
    series = []
    for shared in (False, True):
        took = []
        for at in range(2 if bench.quick else 3):
            with site(bench, shared=shared, round_=at) as made:
                witness = Witness(made.node.namespace)
                with witness.listening():
                    began = time.perf_counter()
                    made.birds[9].process.kill()
                    witness.settle()
                took.append((witness.last_route - began) * 1000)
                assert made.through(9) == 0
        series.append(Series(name_of(shared=shared), "ms", tuple(took)))
    with site(bench, shared=False, graceful=True) as made:
        witness = Witness(made.node.namespace)
        with witness.listening():
            made.birds[9].process.kill()
            time.sleep(3)
        series.append(Series("killed with graceful restart", "route events", (float(witness.routes),)))
    return Row("10,000 routes, the session of their shared next hop closes", series, goals(series))


def name_of(*, shared: bool) -> str:
    return "--kernel-nexthops" if shared else "plain gateways"


def goals(series: list[Series]) -> list[Goal]:
    """The limits of both manners."""
    found = [
        Goal(f"{series[0].name}, ms", series[0].median, 150),
        Goal(f"{series[1].name}, ms", series[1].median, 20),
    ]
    return found + [Goal(each.name, each.median, 0) for each in series[2:]]
