"""A node that is led out of its peers' tables: no packet lost, nothing stale left behind, and undo."""

import subprocess
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from felixpy.model.addresses import Asn
from felixpy.model.resources import BGPConfiguration, BGPPeer
from felixpy.model.resources.bgp import ServiceCidr
from tests.namespaces import Namespace
from tests.netns.fabric import Fabric, eventually, lost_of
from tests.speakers import Bird, bird, needs

pytestmark = [pytest.mark.root, needs("bird")]

SERVICE, TARGET = "192.0.2.0/24", "192.0.2.1"
BIRD_BETWEEN = """
router id 172.20.0.9;
protocol device {}
protocol direct { ipv4; }
protocol kernel { ipv4 { export where source = RTS_BGP; }; }
template bgp ours { local as 64512; multihop; graceful restart on; connect delay time 1; connect retry time 1;
  source address 172.20.0.9; ipv4 { import all; export none; }; }
protocol bgp n1 from ours { neighbor 172.20.0.1 as 64512; }
protocol bgp n2 from ours { neighbor 172.20.0.2 as 64512; }
"""


@pytest.fixture
def fabric(netns: Namespace, tmp_path: Path) -> Iterator[Fabric]:
    """Two nodes that both announce one service range, and BIRD's place beside them."""
    made = Fabric(netns, tmp_path)
    try:
        made.remove(BGPConfiguration, "default")
        made.put(
            default=BGPConfiguration(service_load_balancer_ips=(ServiceCidr(cidr=ip_network(SERVICE)),)),
            bird=BGPPeer(peer_ip="172.20.0.9", as_number=Asn(64512)),
        )
        for number in (1, 2):
            machine = made.node(f"n{number}", number)
            machine.namespace.run("ip", "address", "add", f"{TARGET}/32", "dev", "lo")
            machine.start()
        yield made
    finally:
        made.close()


def of(theirs: Bird, protocol: str) -> str:
    """Every route that BIRD holds from one peer, in its own words."""
    text = theirs.ask("show", "route", "all", "protocol", protocol)
    return text if "BGP.origin" in text else ""


def pings(namespace: Namespace, count: int) -> "subprocess.Popen[str]":
    """100 a second to the service, from BIRD's own machine."""
    return namespace.start("ping", "-q", "-i", "0.01", "-c", str(count), "-W", "1", TARGET)


def both(theirs: Bird) -> bool:
    """Whether BIRD has the service from both nodes."""
    return all(SERVICE in of(theirs, name) for name in ("n1", "n2"))


def test_a_drained_node_loses_no_packet_leaves_nothing_behind_and_comes_back(fabric: Fabric, tmp_path: Path) -> None:
    n1, n2 = fabric.machines
    with fabric.beside(9) as outside, bird(tmp_path / "bird", BIRD_BETWEEN) as theirs:
        eventually(lambda: both(theirs), 60)
        eventually(lambda: "10.65.2.0/26" in n1.routes() and "10.65.1.0/26" in n2.routes())
        eventually(lambda: "fd65::200/122" in n1.routes() and "fd65::100/122" in n2.routes())
        before = n1.routes()
        eventually(lambda: outside.run("ip", "route", "show", SERVICE))
        running = pings(outside, 500)
        command = n1.start_birdpy("drain", "--node", "n1", "--settle", "2")
        eventually(lambda: "(65535,0)" in of(theirs, "n1"))
        assert "BGP.local_pref: 0" in of(theirs, "n1")
        assert "172.20.0.2" in eventually(lambda: outside.run("ip", "route", "get", TARGET))
        out, err = command.communicate(timeout=30)
        assert (command.returncode, out) == (0, "drained\n"), err
        assert err.splitlines()[0] == "last resort"
        assert of(theirs, "n1") == ""  # nothing, and so nothing stale, although BIRD would keep it for 120 s
        assert "172.20.0.1" not in n2.routes().get("10.65.1.0/26", "")
        assert lost_of(running) == 0
        assert n1.routes() == before
        assert {p["state"] for p in n1.ask("peers")["peers"]} == {"held-down"}
        assert n1.ask("peers")["stage"] == "drained"
        assert not n1.ask("health")["ready"]
        done = n1.birdpy("drain", "--node", "n1", "--undo")
        assert (done.returncode, done.stdout) == (0, "serving\n"), done.stderr
        eventually(lambda: both(theirs), 30)
        assert "(65535,0)" not in of(theirs, "n1")
        eventually(lambda: "10.65.1.0/26" in n2.routes(), 30)
        assert n1.routes() == before


def test_without_a_drain_the_same_removal_leaves_stale_routes(fabric: Fabric, tmp_path: Path) -> None:
    """The control: what the test above reads does show routes that were left behind."""
    n1, _ = fabric.machines
    with fabric.beside(9), bird(tmp_path / "bird", BIRD_BETWEEN) as theirs:
        eventually(lambda: both(theirs), 60)
        n1.kill()
        eventually(lambda: "Established" not in theirs.ask("show", "protocols", "n1"))
        assert SERVICE in of(theirs, "n1")


def test_a_drain_that_cannot_finish_ends_with_what_is_left(fabric: Fabric, tmp_path: Path) -> None:
    n1, _ = fabric.machines
    with fabric.beside(9), bird(tmp_path / "bird", BIRD_BETWEEN) as theirs:
        eventually(lambda: both(theirs), 60)
        done = n1.birdpy("drain", "--node", "n1", "--settle", "60", "--timeout", "4")
        assert done.returncode == 1
        assert "not drained after 4 s, still last resort" in done.stderr
        assert n1.birdpy("drain", "--node", "n1", "--undo").returncode == 0
        eventually(lambda: "(65535,0)" not in of(theirs, "n1"))


@pytest.mark.parametrize("when", ["drained", "in the middle"])
def test_a_restarted_birdpy_goes_on_with_its_drain(fabric: Fabric, tmp_path: Path, when: str) -> None:
    """In the middle it had told the last resort and withdrawn nothing: killed it leaves stale routes, back none."""
    n1, n2 = fabric.machines
    with fabric.beside(9), bird(tmp_path / "bird", BIRD_BETWEEN) as theirs:
        eventually(lambda: both(theirs), 60)
        eventually(lambda: "10.65.2.0/26" in n1.routes() and "10.65.1.0/26" in n2.routes())
        eventually(lambda: "fd65::200/122" in n1.routes())
        before = n1.routes()
        if when == "drained":
            assert n1.birdpy("drain", "--node", "n1", "--settle", "0").returncode == 0
        else:
            command = n1.start_birdpy("drain", "--node", "n1", "--settle", "600", "--timeout", "60")
            eventually(lambda: "(65535,0)" in of(theirs, "n1"), 60)
        n1.kill()
        if when == "in the middle":
            eventually(lambda: "Established" not in theirs.ask("show", "protocols", "n1"))
            assert SERVICE in of(theirs, "n1"), "the control: stale"
        n1.start()
        eventually(lambda: (n1.ask("peers") or {}).get("stage") == "drained", 40)
        assert of(theirs, "n1") == ""
        assert n1.routes() == before
        if when == "in the middle":
            assert command.communicate(timeout=30)[0] == "drained\n"
        assert n1.birdpy("drain", "--node", "n1", "--undo").returncode == 0
        eventually(lambda: both(theirs), 30)
        n1.kill()
        n1.start()
        eventually(lambda: (n1.ask("peers") or {}).get("stage") == "serving", 60)


def test_the_control_socket_is_its_owners_alone_and_the_status_socket_takes_no_orders(fabric: Fabric) -> None:
    n1, _ = fabric.machines
    eventually(lambda: n1.ask("health"))
    assert (n1.folder / "run" / "birdpy-control.sock").stat().st_mode & 0o777 == 0o600
    with pytest.raises(Exception, match="no question is named 'drain'"):
        n1.ask("drain")
