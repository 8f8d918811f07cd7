"""Resources that change under a running router: only sessions that must notice do, and none leaves stale routes."""

import json
from base64 import b64encode
from pathlib import Path

import pytest

from felixpy.model.addresses import Asn
from felixpy.model.resources import BGPPeer, Metadata, Node, Resource, Secret
from felixpy.model.resources.bgp import Password, SecretKeyRef
from tests.netns.fabric import Fabric, Machine, eventually, watched
from tests.speakers import Bird, bird, needs

pytestmark = [pytest.mark.root, needs("bird")]

PREFIX = "203.0.113.0/24"
BIRD_AT_9 = """
router id 172.20.0.9;
log stderr all;
protocol device {}
protocol static s4 { ipv4; route 203.0.113.0/24 blackhole; }
template bgp ours { local 172.20.0.9 as 65009; multihop; graceful restart on; connect delay time 1;
  connect retry time 1; error wait time 1, 2; ipv4 { import all; export all; next hop self; }; }
protocol bgp n1 from ours { neighbor 172.20.0.1 as 64512; }
"""
TO_9 = BGPPeer(node="n1", peer_ip="172.20.0.9", as_number=Asn(65009))


def events(machine: Machine, event: str) -> list[dict[str, object]]:
    """What its log said of that kind."""
    lines = [json.loads(line) for line in machine.log().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


def two(fabric: Fabric) -> tuple[Machine, Machine]:
    """n1 and n2 in a mesh, settled."""
    n1, n2 = fabric.node("n1", 1), fabric.node("n2", 2)
    n1.start()
    n2.start()
    eventually(lambda: "10.65.2.0/26" in n1.routes() and "10.65.1.0/26" in n2.routes(), 60)
    return n1, n2


def of(theirs: Bird) -> str:
    """Every route that BIRD holds from n1."""
    text = theirs.ask("show", "route", "all", "protocol", "n1")
    return text if "BGP.origin" in text else ""


def test_a_removed_peer_is_told_that_nothing_is_here_before_its_session_ends(fabric: Fabric, tmp_path: Path) -> None:
    """BIRD would keep what it was not told to forget for 120 s: tests/netns/test_drain.py shows that it does."""
    fabric.put(switch=TO_9)
    n1, _ = two(fabric)
    with fabric.beside(9), bird(tmp_path / "bird", BIRD_AT_9) as theirs:
        eventually(lambda: "10.65.1.0/26" in of(theirs) and PREFIX in n1.routes(), 60)
        fabric.remove(BGPPeer, "switch")
        eventually(lambda: "Established" not in theirs.ask("show", "protocols", "n1"))
        assert of(theirs) == ""
        eventually(lambda: PREFIX not in n1.routes())
        assert all(p["address"] != "172.20.0.9" for p in n1.ask("peers")["peers"])
        fabric.put(switch=TO_9)
        eventually(lambda: "10.65.1.0/26" in of(theirs) and PREFIX in n1.routes(), 60)
        assert {e["session"] for e in events(n1, "session down")} <= {"Node_172_20_0_9"}


def test_a_peer_that_is_removed_and_put_back_at_once_is_not_forgotten(fabric: Fabric, tmp_path: Path) -> None:
    fabric.put(switch=TO_9)
    n1, _ = two(fabric)
    with fabric.beside(9), bird(tmp_path / "bird", BIRD_AT_9) as theirs:
        eventually(lambda: "10.65.1.0/26" in of(theirs) and PREFIX in n1.routes(), 60)
        for _ in range(5):
            fabric.remove(BGPPeer, "switch")
            fabric.put(switch=TO_9)
        eventually(lambda: n1.up("172.20.0.9") and "10.65.1.0/26" in of(theirs) and PREFIX in n1.routes(), 60)


def test_a_peer_whose_password_goes_is_led_out_and_held_down(fabric: Fabric, tmp_path: Path) -> None:
    secret = Secret(data={"switch": b64encode(b"right").decode()})
    fabric.write([Resource(Metadata(name="bgp", namespace="kube-system"), secret)])
    reference = Password(secret_key_ref=SecretKeyRef(name="bgp", key="switch"))
    fabric.put(switch=BGPPeer(node="n1", peer_ip="172.20.0.9", as_number=Asn(65009), password=reference))
    n1, _ = two(fabric)
    config = BIRD_AT_9.replace("as 64512;", 'as 64512; password "right";')
    with fabric.beside(9), bird(tmp_path / "bird", config) as theirs:
        eventually(lambda: "10.65.1.0/26" in of(theirs) and PREFIX in n1.routes(), 60)
        fabric.remove(Secret, "kube-system/bgp")
        eventually(lambda: "Established" not in theirs.ask("show", "protocols", "n1"))
        assert of(theirs) == ""
        held = eventually(lambda: [p for p in n1.ask("peers")["peers"] if p["state"] == "held-down"])
        assert (held[0]["address"], "does not exist" in held[0]["held_down"]) == ("172.20.0.9", True)


def test_a_session_that_another_resource_defines_now_stays_up(fabric: Fabric) -> None:
    """From the mesh to a BGPPeer and back: the name changes, no session ends and no route of the kernel moves."""
    n1, n2 = two(fabric)
    with watched(n1) as lines:
        fabric.put(own=BGPPeer(node="n1", peer_ip="172.20.0.2", as_number=Asn(64512)))
        eventually(lambda: any(p["name"] == "Node_172_20_0_2" for p in n1.ask("peers")["peers"]))
        assert n1.paths("10.65.2.0/26")[0]["session"] == "Node_172_20_0_2"
        fabric.claim("n2", "10.65.22.0/26")
        eventually(lambda: "10.65.22.0/26" in n1.routes())
        fabric.remove(BGPPeer, "own")
        eventually(lambda: any(p["name"] == "Mesh_172_20_0_2" for p in n1.ask("peers")["peers"]))
    assert [line for line in lines if "10.65.2.0/26" in line] == []
    assert not events(n1, "session down") and not events(n2, "session down")
    told = [(e["fields"], e["effect"]) for e in events(n1, "session changed")]
    assert told == [(["name", "defined_by"], "live")] * 2


def test_a_raised_limit_brings_what_was_above_it_without_a_new_session(fabric: Fabric, tmp_path: Path) -> None:
    def limited(number: int) -> "Resource[BGPPeer]":
        notes = {"felixpy.io/max-prefix": str(number), "felixpy.io/max-prefix-action": "warn"}
        return Resource(Metadata(name="switch", annotations=notes), TO_9)

    fabric.write([limited(2)])
    n1 = fabric.node("n1", 1)
    n1.start()
    more = "".join(f"route 203.0.{n}.0/24 blackhole; " for n in range(5))
    config = BIRD_AT_9.replace("protocol static s4 { ipv4;", f"protocol static s4 {{ ipv4; {more}")
    with fabric.beside(9), bird(tmp_path / "bird", config):
        eventually(lambda: sum(p.startswith("203.") for p in n1.routes()) == 2, 60)
        fabric.change(limited(100))
        eventually(lambda: sum(p.startswith("203.") for p in n1.routes()) == 6, 60)
        assert not events(n1, "session down")


def test_a_node_that_is_deleted_is_led_out_by_itself_and_by_the_others(fabric: Fabric, tmp_path: Path) -> None:
    """Its own Node resource goes: nothing of it stays anywhere else; its kernel keeps what packets need."""
    fabric.put(switch=TO_9)
    n1, n2 = two(fabric)
    with fabric.beside(9), bird(tmp_path / "bird", BIRD_AT_9) as theirs:
        eventually(lambda: "10.65.1.0/26" in of(theirs) and PREFIX in n1.routes(), 60)
        fabric.remove(Node, "n1")
        eventually(lambda: "Established" not in theirs.ask("show", "protocols", "n1"), 60)
        assert of(theirs) == ""
        eventually(lambda: "10.65.1.0/26" not in n2.routes())
        assert n1.routes()["10.65.1.0/26"] == "blackhole proto bird"
