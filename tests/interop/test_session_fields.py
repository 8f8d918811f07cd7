"""Fields of a session as BIRD sees them in its own show command, and who dials whom beside a Calico node."""

import time
from pathlib import Path
from typing import Any

import pytest

from felixpy.model.addresses import Asn, parse_asn
from felixpy.model.resources import BGPConfiguration, Metadata, Node, NodeBGP, Resource
from felixpy.model.resources.base import Duration
from tests.interop.neighbours import PREFIX, peer, soon, switch
from tests.netns.fabric import Fabric
from tests.speakers import bird, eventually, needs

pytestmark = [pytest.mark.root, pytest.mark.interop, needs("bird")]


@pytest.mark.parametrize(("ours", "theirs", "we_dial"), [(9, 10, True), (10, 9, False)])
def test_beside_a_calico_node_exactly_one_end_dials(
    fabric: Fabric, tmp_path: Path, ours: int, theirs: int, we_dial: bool
) -> None:
    """Addresses are compared as text: .9 is above .10. By number, both would wait for each other, or both dial."""
    n1 = fabric.node("n1", ours)
    bgp = NodeBGP(ipv4_address=f"172.20.0.{theirs}/24")
    fabric.write([Resource(Metadata(name="calico"), Node(bgp=bgp))])
    passive = f"172.20.0.{ours}" > f"172.20.0.{theirs}"  # Calico's own rule, for its end
    options = f"multihop; passive {'on' if passive else 'off'};"
    config = switch(theirs, options, asn="64512", neighbor=f"172.20.0.{ours} as 64512")
    with fabric.beside(theirs), bird(tmp_path / "bird", config) as calico:
        n1.start()
        soon(lambda: n1.up(f"172.20.0.{theirs}") and calico.is_up("n1"))
        soon(lambda: PREFIX in n1.routes() and calico.route(f"10.65.{ours}.0/26"))
        listing = ("ss", "-Htn", "state", "established", "dst", f"172.20.0.{theirs}")
        soon(lambda: len(n1.namespace.run(*listing).splitlines()) == 1)
        dialled = n1.namespace.run(*listing).split()[3].endswith(":179")
        assert dialled is we_dial is passive


def test_a_calico_node_that_comes_late_is_dialled_soon_after_it_listens(fabric: Fabric, tmp_path: Path) -> None:
    """It only listens, so the session waits for our next dial: each refusal makes the wait longer."""
    n1 = fabric.node("n1", 9)
    fabric.write([Resource(Metadata(name="calico"), Node(bgp=NodeBGP(ipv4_address="172.20.0.10/24")))])
    n1.start()
    soon(lambda: '"ExaBGP started"' in n1.log())
    with fabric.beside(10):
        time.sleep(5)  # refused, again and again
        config = switch(10, "multihop; passive on;", asn="64512", neighbor="172.20.0.9 as 64512")
        with bird(tmp_path / "bird", config):
            eventually(lambda: n1.up("172.20.0.10"), 5)


def test_what_a_session_offers_is_what_its_resources_say(fabric: Fabric, tmp_path: Path) -> None:
    """Router id from the name, keepalive, restart time; and with bindMode NodeIP nothing listens anywhere else."""
    fabric.remove(BGPConfiguration, "default")
    fabric.put(
        default=BGPConfiguration(bind_mode="NodeIP"),
        switch=peer(keepalive_time=Duration(11), max_restart_time=Duration(77)),
    )
    n1 = fabric.node("n1", 1)
    n1.extra["BIRDPY_ROUTER_ID"] = "hash"
    n1.start()
    with fabric.beside(9), bird(tmp_path / "bird", switch()) as theirs:
        soon(lambda: theirs.is_up("n1"))
        seen = theirs.ask("show", "protocols", "all", "n1")
        router_id = n1.ask("peers")["router_id"]
        assert f"Neighbor ID:      {router_id}" in seen and router_id != "172.20.0.1"
        assert "Restart time: 77" in seen
        assert "/33" in next(line for line in seen.splitlines() if "Hold timer" in line)
    listening = {line.split()[3] for line in n1.namespace.run("ss", "-Hltn", "sport = :179").splitlines()}
    assert listening == {"172.20.0.1:179", "[fd20::1]:179"}


@pytest.mark.parametrize(
    ("fields", "hop"),
    [
        ({"next_hop_mode": "Keep"}, "172.20.0.2"),
        ({"keep_original_next_hop": True}, "172.20.0.2"),
        ({"next_hop_mode": "Auto"}, "172.20.0.1"),
        ({"next_hop_mode": "Self"}, "172.20.0.1"),
    ],
)
def test_the_next_hop_that_a_switch_hears_is_the_one_asked_for(
    fabric: Fabric, tmp_path: Path, fields: dict[str, Any], hop: str
) -> None:
    """Of another node's block: kept, it leads straight there."""
    fabric.put(switch=peer(**fields))
    n1, n2 = fabric.node("n1", 1), fabric.node("n2", 2)
    n1.start()
    n2.start()
    with fabric.beside(9), bird(tmp_path / "bird", switch()) as theirs:
        soon(lambda: f"BGP.next_hop: {hop}\n" in theirs.route("10.65.2.0/26"))


def test_an_as_number_in_dots_is_that_number_and_a_peer_may_be_shown_another(fabric: Fabric, tmp_path: Path) -> None:
    """Node.spec.bgp.asNumber 1.10 is AS 65546 (RFC 5396); to the switch this node is AS 65100, its localASNumber."""
    n1, n2 = fabric.node("n1", 1), fabric.node("n2", 2)
    for name, number in (("n1", 1), ("n2", 2)):
        bgp = NodeBGP(as_number=parse_asn("1.10"), ipv4_address=f"172.20.0.{number}/24")
        fabric.change(Resource(Metadata(name=name), Node(bgp=bgp)))
    fabric.put(switch=peer(local_as_number=Asn(65100)), other=peer(8))
    config = {
        9: switch(neighbor="172.20.0.1 as 65100"),
        8: switch(8, neighbor="172.20.0.1 as 65546", routes=""),
    }
    n1.start()
    n2.start()
    with fabric.beside(9), bird(tmp_path / "nine", config[9]) as nine:
        soon(lambda: "BGP.as_path: 65100\n" in nine.route("10.65.1.0/26"))
        soon(lambda: "BGP.as_path: 65100\n" in nine.route("10.65.2.0/26"))
        soon(lambda: PREFIX in n1.routes())
        with fabric.beside(8), bird(tmp_path / "eight", config[8]) as eight:
            soon(lambda: "BGP.as_path: 65546\n" in eight.route("10.65.1.0/26"))
            soon(lambda: "BGP.as_path: 65546\n" in eight.route("10.65.2.0/26"))


def test_no_next_hop_is_looked_for_on_an_ignored_interface(fabric: Fabric, tmp_path: Path) -> None:
    """As in Calico, whose BIRD does not read its subnets then. The session itself is the kernel's, and stays."""
    fabric.put(switch=peer())
    n1 = fabric.node("n1", 1)
    n1.start()
    with fabric.beside(9), bird(tmp_path / "bird", switch()):
        soon(lambda: PREFIX in n1.routes())
        for ignored, there in ((("eth1*",), False), ((), True)):
            fabric.change(Resource(Metadata("default"), BGPConfiguration(ignored_interfaces=ignored)))
            soon(lambda there=there: (PREFIX in n1.routes()) is there)  # type: ignore[misc]
            reason = "next hop unresolved: eth1, the way to 172.20.0.9, is among BGPConfiguration's ignoredInterfaces"
            assert [path["reason"] for path in n1.paths(PREFIX) if not there] == [reason] * (not there)
            assert n1.up("172.20.0.9")
