"""Fields of a session as BIRD sees them in its own show command, and who dials whom beside a Calico node."""

import time
from pathlib import Path

import pytest

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


@pytest.mark.parametrize(("mode", "hop"), [("Keep", "172.20.0.2"), ("Auto", "172.20.0.1"), ("Self", "172.20.0.1")])
def test_the_next_hop_that_a_switch_hears_is_the_one_asked_for(
    fabric: Fabric, tmp_path: Path, mode: str, hop: str
) -> None:
    """Of another node's block: kept, it leads straight there."""
    fabric.put(switch=peer(next_hop_mode=mode))
    n1, n2 = fabric.node("n1", 1), fabric.node("n2", 2)
    n1.start()
    n2.start()
    with fabric.beside(9), bird(tmp_path / "bird", switch()) as theirs:
        soon(lambda: f"BGP.next_hop: {hop}\n" in theirs.route("10.65.2.0/26"))
