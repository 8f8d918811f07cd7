"""The units' own command lines under exactly the units' capabilities: enough for everything, and none too many.

The units are the files that `felixpy install` writes; what systemd would do to the process (bounding set, no new
privileges) is done by setpriv. Each capability is then taken away alone: something that is named here fails.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from felixpy.model.addresses import Asn
from felixpy.model.resources import BGPPeer
from tests.namespaces import Namespace
from tests.netns.agent_process import Node, ip, node, until
from tests.netns.cni_plugin import Runtime, apply, document, in_use, pings, trouble
from tests.netns.fabric import Fabric, Machine, eventually
from tests.speakers import bird, needs

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv (Debian package util-linux)"),
]


@dataclass(frozen=True)
class Unit:
    """What a unit says about the process it starts."""

    command: tuple[str, ...]
    capabilities: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> "Unit":
        said = dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line and line[0] != "#")
        return cls(tuple(said["ExecStart"].split()), tuple(said["CapabilityBoundingSet"].split()))

    def confined(self, *, without: str = "") -> list[str]:
        """The command line as root with these capabilities alone."""
        assert not without or without in self.capabilities
        kept = [f"+{name.removeprefix('CAP_').lower()}" for name in self.capabilities if name != without]
        bounding = ",".join(["-all", *kept])
        return ["setpriv", f"--bounding-set={bounding}", "--inh-caps=-all", "--no-new-privs", "--", *self.command]


def installed(folder: Path, daemon: str) -> Unit:
    root = folder / "root"
    command = [sys.executable, "-m", "felixpy", "install", "--systemd", "--root", str(root), "--plugin", "python"]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    return Unit.read(root / "etc/systemd/system" / f"{daemon}.service")


def capabilities(pid: int) -> int:
    return int(Path(f"/proc/{pid}/status").read_text().partition("CapEff:")[2].split()[0], 16)


@pytest.fixture
def host(netns: Namespace, tmp_path: Path) -> Iterator[Node]:
    """A node with an uplink and pools of both families, without its agent."""
    with node(tmp_path) as made:
        netns.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "tor")
        for command in ("link set eth0 up", "link set tor up", "address add 10.0.0.1/24 dev eth0"):
            netns.run("ip", *command.split())
        apply(
            made,
            document("Node", "n1", bgp={"ipv4Address": "10.0.0.1/24"}),
            document("IPPool", "four", cidr="10.65.0.0/24", blockSize=28),
            document("IPPool", "six", cidr="fd00:65::/112"),
        )
        yield made


def start(made: Node, command: Sequence[str]) -> None:
    with made.log.open("ab") as log:
        made.agents.append(subprocess.Popen(command, env=made.environment, stderr=log))
    until(made.ready, within_s=10)


def test_felixpy_serves_pods_with_exactly_its_capabilities(host: Node, netns: Namespace, tmp_path: Path) -> None:
    unit = installed(tmp_path, "felixpy")
    assert unit.capabilities == ("CAP_NET_ADMIN",)
    start(host, unit.confined())
    assert capabilities(host.agents[-1].pid) == 1 << 12
    runtime = Runtime(host)
    pods = [netns.another(), netns.another()]
    first, second = (runtime.add(name, pod) for name, pod in zip(("one", "two"), pods, strict=True))
    for there, back in zip(first.addresses, second.addresses, strict=True):
        assert pings(pods[1], there) and pings(pods[0], back)
    assert "fib saddr . iif oif missing" in netns.run("nft", "list", "table", "ip6", "felixpy_guard")
    device = Path("/proc/sys/net/ipv4/conf") / first.device
    assert (device / "rp_filter").read_text() == "1\n"
    assert runtime.call("CHECK", "one", pods[0]).code == 0
    ip("route", "flush", "proto", "80")
    until(lambda: f"{first.addresses[0]} dev {first.device}" in ip("route"))
    for name, pod in zip(("one", "two"), pods, strict=True):
        assert runtime.call("DEL", name, pod).code == 0
    assert (in_use(host), trouble(host)) == (0, [])
    host.end()
    said = host.log.read_text()
    assert "CAP_" not in said and '"level":"error"' not in said


def test_without_net_admin_felixpy_names_what_the_kernel_refuses(
    host: Node, netns: Namespace, tmp_path: Path
) -> None:
    start(host, installed(tmp_path, "felixpy").confined(without="CAP_NET_ADMIN"))
    answer = Runtime(host).call("ADD", "one", netns.another())
    assert answer.code == 1 and "CAP_NET_ADMIN is missing" in answer.json["details"]
    assert in_use(host) == 0


@pytest.fixture
def fabric(netns: Namespace, tmp_path: Path) -> Iterator[Fabric]:
    made = Fabric(netns, tmp_path)
    try:
        made.put(bird=BGPPeer(node="n1", peer_ip="172.20.0.9", as_number=Asn(65009)))
        yield made
    finally:
        made.close()


PEER = """
router id 172.20.0.9;
protocol device {}
protocol static { ipv4; route 203.0.113.0/24 blackhole; }
protocol bgp n1 { local as 65009; neighbor 172.20.0.1 as 64512; source address 172.20.0.9; multihop;
  graceful restart on; connect delay time 1; connect retry time 1;
  ipv4 { import all; export all; next hop self; }; }
"""


def run(machine: Machine, command: Sequence[str]) -> None:
    """Start this as the router of `machine`."""
    enter = ["nsenter", f"--net=/proc/self/fd/{machine.namespace.fd}", "--"]
    with (machine.folder / "log").open("ab") as log:
        machine.process = subprocess.Popen(
            [*enter, *command], env=machine.env, pass_fds=(machine.namespace.fd,), stdin=subprocess.DEVNULL,
            stdout=log, stderr=log,
        )  # fmt: skip


def uid(pid: int) -> int:
    return int(Path(f"/proc/{pid}/status").read_text().partition("Uid:")[2].split()[0])


@needs("bird")
def test_birdpy_routes_with_exactly_its_capabilities(fabric: Fabric, tmp_path: Path) -> None:
    unit = installed(tmp_path, "birdpy")
    n1 = fabric.node("n1", 1)
    with fabric.beside(9), bird(tmp_path / "bird", PEER):
        run(n1, unit.confined())
        eventually(lambda: n1.up("172.20.0.9"), 60)
        eventually(lambda: n1.routes().get("203.0.113.0/24") == "via 172.20.0.9 dev eth1 proto bird")
        assert n1.routes()["10.65.1.0/26"] == "blackhole proto bird"
        assert n1.process is not None
        assert capabilities(n1.process.pid) == 1 << 12 | 1 << 10 | 1 << 7 | 1 << 6 | 1 << 5
        exabgp = n1.exabgp()
        assert (uid(exabgp), capabilities(exabgp)) == (65534, 1 << 10)
        os.kill(exabgp, signal.SIGKILL)
        eventually(lambda: n1.process is not None and n1.exabgp() != exabgp and n1.up("172.20.0.9"), 60)
        exabgp = n1.exabgp()
        n1.kill(signal.SIGTERM)
        eventually(lambda: not Path(f"/proc/{exabgp}").exists())
        assert n1.routes()["203.0.113.0/24"] == "via 172.20.0.9 dev eth1 proto bird"


LACKS = {
    "CAP_NET_ADMIN": ("route refused", "CAP_NET_ADMIN is missing"),
    "CAP_NET_BIND_SERVICE": ("ExaBGP ended", "binding below port 1024 requires root"),
    "CAP_SETUID": ("ExaBGP started as root without rights", "CAP_SETUID is missing"),
    "CAP_SETGID": ("ExaBGP started as root without rights", "CAP_SETGID is missing"),
    "CAP_KILL": ("ExaBGP started as root without rights", "CAP_KILL is missing"),
}


@pytest.mark.parametrize("lacking", sorted(LACKS))
def test_birdpy_without_one_of_them_says_which_and_ends_in_order(
    fabric: Fabric, tmp_path: Path, lacking: str
) -> None:
    unit = installed(tmp_path, "birdpy")
    assert set(unit.capabilities) == LACKS.keys()
    n1 = fabric.node("n1", 1)
    run(n1, unit.confined(without=lacking))
    event, reason = LACKS[lacking]

    def told() -> list[str]:
        lines = [json.loads(line) for line in n1.log().splitlines()]
        return [line["reason"] for line in lines if line["event"] == event and reason in line["reason"]]

    eventually(told, 60)
    n1.kill(signal.SIGTERM)
    assert "Traceback" not in n1.log()
