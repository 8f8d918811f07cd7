"""A node that is cut off on a shared segment, where nobody's link goes down: noticed, and back at once."""

import json
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from birdpy.desired.nearby import PROBES
from felixpy.model.addresses import Asn
from felixpy.model.resources import BGPPeer
from tests.netns.fabric import Fabric, Machine, eventually, lost, lost_of
from tests.speakers import bird, needs

pytestmark = pytest.mark.root

BLOCKS = {2: ("10.65.2.0/26", "fd65::200/122"), 3: ("10.65.3.0/26", "fd65::300/122")}


def cut(fabric: Fabric, number: int) -> None:
    """Take a node's port out of the bridge: neither end loses its carrier."""
    fabric.ground.run("ip", "link", "set", f"e{number}", "nomaster")


def mend(fabric: Fabric, number: int) -> None:
    """Put it back."""
    fabric.ground.run("ip", "link", "set", f"e{number}", "master", "br0")


def reasons(machine: Machine, number: int) -> set[str]:
    """What `machine` has against its best paths to node `number`, of both families."""
    return {path["reason"] for prefix in BLOCKS[number] for path in machine.paths(prefix) if path["best"]}


def last_resort(number: int) -> set[str]:
    """`reasons` when neither address of node `number` answers."""
    found = (f"172.20.0.{number}", f"fd20::{number}")
    return {f"last resort: neighbour {address} on eth1 does not answer" for address in found}


def settings(machine: Machine) -> dict[str, str]:
    """The probes of eth1."""
    paths = [f"/proc/sys/net/{family}/neigh/eth1/{name}" for family in ("ipv4", "ipv6") for name in PROBES]
    return dict(zip(paths, machine.namespace.run("cat", *paths).split(), strict=True))


def managed(machine: Machine) -> set[str]:
    """The addresses that the node's kernel is to keep resolved."""
    lines = (
        machine.namespace.run("ip", "neigh").splitlines() + machine.namespace.run("ip", "-6", "neigh").splitlines()
    )
    return {line.split()[0] for line in lines if "managed" in line and line.split()[-1] == "bird"}


def test_a_node_that_is_cut_off_is_noticed_and_everything_goes_on_when_it_is_back(fabric: Fabric) -> None:
    for number in (1, 2, 3):
        machine = fabric.node(f"n{number}", number)
        if number == 2:  # the control: it does not ask its neighbours
            machine.extra["BIRDPY_WATCH_NEIGHBOURS"] = "false"
        machine.start()
    n1, n2, n3 = fabric.machines
    eventually(lambda: n1.routes().keys() >= {*BLOCKS[2], *BLOCKS[3]} and n2.routes().keys() >= {*BLOCKS[3]}, 60)
    eventually(lambda: reasons(n1, 2) == reasons(n1, 3) == reasons(n2, 3) == {""})
    eventually(lambda: managed(n1) == {"172.20.0.2", "172.20.0.3", "fd20::2", "fd20::3"})
    before = len(n1.log().splitlines())  # an address that is still tentative at its node is lost and back meanwhile
    cut(fabric, 3)
    eventually(lambda: reasons(n1, 3) == last_resort(3))
    assert reasons(n1, 2) == {""}
    assert reasons(n2, 3) == {""}
    fabric.claim("n1", "10.65.1.64/26")
    eventually(lambda: "10.65.1.64/26" in n2.routes())
    time.sleep(2)  # TCP has waited longer and longer meanwhile
    mend(fabric, 3)
    eventually(lambda: reasons(n1, 3) == {""}, 3)
    eventually(lambda: "10.65.1.64/26" in n3.routes(), 3)
    assert lost_of(lost(n1, "10.65.1.1", "10.65.3.1", 10)) == 0
    assert '"session down"' not in n1.log() + n3.log()
    told = told_of_neighbours(n1.log().splitlines()[before:])
    assert told.keys() >= {"172.20.0.3", "fd20::3"}
    for events in told.values():
        # a machine that is busy may answer late once more: each change is told once, and the last is its return
        assert events in (["neighbour lost", "neighbour back"] * times for times in (1, 2, 3))


def told_of_neighbours(lines: Iterable[str]) -> dict[str, list[str]]:
    """What a router's log says of each neighbour, in its order."""
    found: dict[str, list[str]] = {}
    for line in map(json.loads, lines):
        if line["event"].startswith("neighbour "):
            found.setdefault(line["address"], []).append(line["event"])
    return found


def tor(number: int) -> str:
    """A switch at `number`, AS 65009, with one route of each family for n1."""
    return f"""
router id 172.20.0.{number};
log stderr all;
protocol device {{}}
protocol static s4 {{ ipv4; route 203.0.113.0/24 blackhole; }}
protocol static s6 {{ ipv6; route 2001:db8:1::/48 blackhole; }}
template bgp ours {{ local as 65009; multihop; graceful restart on; connect delay time 1; connect retry time 1; }}
protocol bgp n1v4 from ours {{ neighbor 172.20.0.1 as 64512; source address 172.20.0.{number};
  ipv4 {{ import none; export all; next hop self; }}; }}
protocol bgp n1v6 from ours {{ neighbor fd20::1 as 64512; source address fd20::{number};
  ipv6 {{ import none; export all; next hop self; }}; }}
"""


@needs("bird")
@pytest.mark.parametrize("kernel_nexthops", ["false", "true"])
def test_a_neighbour_that_dies_takes_its_share_of_the_load_along(
    fabric: Fabric, tmp_path: Path, kernel_nexthops: str
) -> None:
    n1 = fabric.node("n1", 1)
    n1.extra["BIRDPY_KERNEL_NEXTHOPS"] = kernel_nexthops
    for number in (8, 9):
        for name, address in ((f"tor{number}v4", f"172.20.0.{number}"), (f"tor{number}v6", f"fd20::{number}")):
            fabric.put(**{name: BGPPeer(node="n1", peer_ip=address, as_number=Asn(65009))})
    n1.start()
    with (
        fabric.beside(8),
        bird(tmp_path / "bird8", tor(8)),
        fabric.beside(9),
        bird(tmp_path / "bird9", tor(9)),
    ):
        eventually(lambda: ways(n1) == {(8, 9)}, 60)
        cut(fabric, 9)
        eventually(lambda: ways(n1) == {(8,)})
        mend(fabric, 9)
        eventually(lambda: ways(n1) == {(8, 9)})
        assert ("nhid" in n1.namespace.run("ip", "route")) is (kernel_nexthops == "true")
    n1.kill()
    assert n1.birdpy("cleanup").returncode == 0
    assert n1.namespace.run("ip", "nexthop") == ""


def ways(machine: Machine) -> set[tuple[int, ...]]:
    """Which switches the routes of both families lead through."""
    routes = machine.routes()
    found = [routes.get(prefix, "") for prefix in ("203.0.113.0/24", "2001:db8:1::/48")]
    return {tuple(number for number in (8, 9) if f"0.{number} " in way or f"::{number} " in way) for way in found}


def test_cleanup_puts_back_what_was_set_for_watching(fabric: Fabric) -> None:
    n1, n2 = fabric.node("n1", 1), fabric.node("n2", 2)
    n1.namespace.run("sysctl", "-qw", "net.ipv4.neigh.eth1.retrans_time_ms=700")
    before = settings(n1)
    n1.start()
    n2.start()
    eventually(lambda: managed(n1) == {"172.20.0.2", "fd20::2"})
    assert list(settings(n1).values()) == list(PROBES.values()) * 2
    n1.kill()
    n1.start()  # what was before the first start is what counts
    eventually(lambda: n1.up("172.20.0.2"))
    n1.kill()
    n1.namespace.run("sysctl", "-qw", "net.ipv6.neigh.eth1.ucast_solicit=7")  # by somebody else: it stays
    done = n1.birdpy("cleanup")
    assert done.returncode == 0, done.stderr
    assert "setting net/ipv4/neigh/eth1/retrans_time_ms back to 700" in done.stdout.splitlines()
    assert settings(n1) == before | {"/proc/sys/net/ipv6/neigh/eth1/ucast_solicit": "7"}
    assert managed(n1) == set()
    assert not (n1.folder / "run" / "birdpy-settings.json").exists()


def test_an_entry_that_somebody_wrote_down_is_left_alone(fabric: Fabric) -> None:
    n1, n2 = fabric.node("n1", 1), fabric.node("n2", 2)
    mac = json.loads(n2.namespace.run("ip", "-j", "link", "show", "eth1"))[0]["address"]
    n1.namespace.run("ip", "neigh", "add", "172.20.0.2", "lladdr", mac, "dev", "eth1", "nud", "permanent")
    n1.start()
    n2.start()
    eventually(lambda: managed(n1) == {"fd20::2"} and n1.up("172.20.0.2"))
    assert f"172.20.0.2 dev eth1 lladdr {mac} PERMANENT" in n1.namespace.run("ip", "neigh")
    assert "less closely" not in n1.log()
