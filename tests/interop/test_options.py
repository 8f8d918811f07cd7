"""One case for each option of a session, from the resource to the wire to what both sides then have."""

from base64 import b64encode
from pathlib import Path

import pytest

from felixpy.model.addresses import Asn
from felixpy.model.resources import BGPConfiguration, Metadata, Resource, Secret
from felixpy.model.resources.bgp import Password, SecretKeyRef
from tests.interop.neighbours import PREFIX, connections, counter, dropped, peer, said_of, soon, switch
from tests.netns.fabric import Fabric
from tests.speakers import bird, needs

pytestmark = [pytest.mark.root, pytest.mark.interop, needs("bird")]


def test_a_wrong_password_keeps_only_its_own_session_down_until_it_is_mended(fabric: Fabric, tmp_path: Path) -> None:
    """The kernel's own counter shows that their segments did arrive and were refused."""
    n1 = fabric.node("n1", 1)
    secret = Secret(data={"switch": b64encode(b"right").decode()})
    fabric.write([Resource(Metadata(name="bgp", namespace="kube-system"), secret)])
    password = Password(secret_key_ref=SecretKeyRef(name="bgp", key="switch"))
    fabric.put(right=peer(8, password=password), wrong=peer(9, password=password))
    n1.start()
    right, wrong = 'multihop; password "right";', 'multihop; password "wrong";'
    with (
        fabric.beside(8), bird(tmp_path / "8", switch(8, right)),
        fabric.beside(9), bird(tmp_path / "9", switch(9, wrong)) as theirs,
    ):  # fmt: skip
        soon(lambda: n1.up("172.20.0.8"))
        soon(lambda: counter(n1, "TCPMD5Failure") > 2)
        assert (said_of(n1)["state"], said_of(n1)["received"]) == ("connect", 0)
        assert n1.routes()[PREFIX] == "via 172.20.0.8 dev eth1 proto bird"
        (tmp_path / "9" / "bird.conf").write_text(switch(9, right))
        theirs.ask("configure")
        soon(lambda: n1.up("172.20.0.9") and theirs.is_up("n1"))
    assert "right" not in n1.log()


def test_ttl_security_keeps_out_who_may_be_far_away(fabric: Fabric, tmp_path: Path) -> None:
    """The near one sends TTL 255, the other one 64; the kernel's counter shows that it was refused for that."""
    n1 = fabric.node("n1", 1)
    fabric.put(near=peer(8, ttl_security=1), far=peer(9, ttl_security=1))
    n1.start()
    with (
        fabric.beside(8), bird(tmp_path / "8", switch(8, "direct; ttl security on;")) as near,
        fabric.beside(9), bird(tmp_path / "9", switch(9, "multihop;")) as far,
    ):  # fmt: skip
        soon(lambda: n1.up("172.20.0.8") and near.is_up("n1"))
        soon(lambda: counter(n1, "TCPMinTTLDrop") > 2)
        assert not n1.up("172.20.0.9") and not far.is_up("n1")
        soon(lambda: n1.routes().get(PREFIX) == "via 172.20.0.8 dev eth1 proto bird")


@pytest.mark.parametrize("whose", ["theirs", "ours"])
def test_a_port_of_their_own_choice(fabric: Fabric, tmp_path: Path, whose: str) -> None:
    """Only the side that is named can be dialled, so the port of the one connection that there is proves it."""
    n1 = fabric.node("n1", 1)
    if whose == "theirs":
        fabric.put(switch=peer(peer_ip="172.20.0.9:1790"))
        config = switch(address="172.20.0.9 port 1790", options="multihop; passive on;")
    else:
        fabric.remove(BGPConfiguration, "default")
        fabric.put(default=BGPConfiguration(listen_port=1179), switch=peer())
        config = switch(address="172.20.0.9 port 1790", neighbor="172.20.0.1 port 1179 as 64512")
    n1.start()
    with fabric.beside(9), bird(tmp_path / "bird", config) as theirs:
        soon(lambda: n1.up("172.20.0.9") and theirs.is_up("n1"))
        ((ours, other),) = connections(n1)
        assert (other == "172.20.0.9:1790") if whose == "theirs" else (ours == "172.20.0.1:1179")
        soon(lambda: PREFIX in n1.routes() and theirs.route("10.65.1.0/26"))


def test_a_peer_that_asks_again_is_told_again_without_a_new_session(fabric: Fabric, tmp_path: Path) -> None:
    n1 = fabric.node("n1", 1)
    fabric.put(switch=peer())
    n1.start()
    with fabric.beside(9), bird(tmp_path / "bird", switch()) as theirs:
        soon(lambda: theirs.route("10.65.1.0/26"))

        def imported() -> int:
            lines = theirs.ask("show", "protocols", "all", "n1").splitlines()
            return int(next(line.split()[2] for line in lines if "Import updates:" in line))

        soon(lambda: '"end of rib sent"' in n1.log())
        before = imported()
        theirs.ask("reload", "in", "n1")
        soon(lambda: imported() > before)
        assert theirs.route("10.65.1.0/26")
        assert n1.log().count('"session up"') == 1 and not dropped(n1)


def test_when_both_sides_dial_one_session_is_left_each_time(fabric: Fabric, tmp_path: Path) -> None:
    n1 = fabric.node("n1", 1)
    fabric.put(switch=peer())
    n1.start()
    with fabric.beside(9), bird(tmp_path / "bird", switch()) as theirs:
        for _ in range(4):
            soon(lambda: n1.up("172.20.0.9") and theirs.is_up("n1"))
            soon(lambda: PREFIX in n1.routes() and theirs.route("10.65.1.0/26"))
            soon(lambda: len(connections(n1)) == 1)
            seen = n1.log().count('"session up"')
            theirs.ask("restart", "n1")
            soon(lambda seen=seen: n1.log().count('"session up"') > seen)  # type: ignore[misc]
        soon(lambda: n1.up("172.20.0.9") and theirs.is_up("n1") and len(connections(n1)) == 1)


def test_as_numbers_of_four_bytes_on_both_sides(fabric: Fabric, tmp_path: Path) -> None:
    fabric.remove(BGPConfiguration, "default")
    fabric.put(default=BGPConfiguration(as_number=Asn(4200000064)), switch=peer(as_number=Asn(4200000009)))
    n1 = fabric.node("n1", 1)
    n1.start()
    config = switch(asn="4200000009", neighbor="172.20.0.1 as 4200000064")
    with fabric.beside(9), bird(tmp_path / "bird", config) as theirs:
        soon(lambda: n1.routes().get(PREFIX) == "via 172.20.0.9 dev eth1 proto bird")
        assert n1.paths(PREFIX)[0]["as_path"] == [4200000009]
        soon(lambda: "BGP.as_path: 4200000064\n" in theirs.route("10.65.1.0/26"))


@pytest.mark.parametrize("allowed", [0, 1])
def test_racks_of_one_as_reach_each_other_when_their_own_as_is_allowed(
    fabric: Fabric, tmp_path: Path, allowed: int
) -> None:
    """Two racks share an AS; what comes through the switch has it in its path. Zero is the negative control."""
    fabric.remove(BGPConfiguration, "default")
    fabric.put(
        default=BGPConfiguration(node_to_node_mesh_enabled=False, as_number=Asn(65100)),
        switch=peer(node="", num_allowed_local_as_numbers=allowed),
    )
    n1, n2 = fabric.node("n1", 1), fabric.node("n2", 2)
    n1.start()
    n2.start()
    config = switch(neighbor="172.20.0.1 as 65100", routes="")
    second = config[config.index("protocol bgp") :].replace("n1", "n2").replace("172.20.0.1 as", "172.20.0.2 as")
    with fabric.beside(9), bird(tmp_path / "bird", config + second):
        soon(lambda: n1.paths("10.65.2.0/26") and n2.paths("10.65.1.0/26"))
        for machine, block in ((n1, "10.65.2.0/26"), (n2, "10.65.1.0/26")):
            (path,) = machine.paths(block)
            assert path["as_path"] == [65009, 65100]
            assert path["accepted"] == bool(allowed)
            if allowed:
                soon(lambda: machine.routes().get(block) == "via 172.20.0.9 dev eth1 proto bird")  # noqa: B023
            else:
                assert "own AS" in path["reason"] and block not in machine.routes()


def test_communities_of_all_three_kinds_are_shown(fabric: Fabric, tmp_path: Path) -> None:
    n1 = fabric.node("n1", 1)
    fabric.put(switch=peer())
    n1.start()
    given = (
        "bgp_community.add((65009, 1)); bgp_large_community.add((65009, 1, 2));"
        "bgp_ext_community.add((rt, 65009, 3)); accept;"
    )
    with fabric.beside(9), bird(tmp_path / "bird", switch(export=f"export filter {{ {given} }};")):
        soon(lambda: PREFIX in n1.routes())
    (path,) = n1.paths(PREFIX)
    assert path["communities"] == ["65009:1"]
    assert path["large_communities"] == ["65009:1:2"]
    assert path["extended_communities"] == ["target:65009:3"]
    table = n1.birdpy("rib", PREFIX, "-o", "wide").stdout
    assert all(value in table for value in ("65009:1", "65009:1:2", "target:65009:3"))


def test_a_peer_that_is_about_to_go_is_the_last_resort(fabric: Fabric, tmp_path: Path) -> None:
    """RFC 8326: both share the load until one says GRACEFUL_SHUTDOWN; when the other is gone it still carries all."""
    n1 = fabric.node("n1", 1)
    fabric.put(near=peer(8, as_number=Asn(65009)), switch=peer(9))
    n1.start()
    both = "via 172.20.0.8 dev eth1 + via 172.20.0.9 dev eth1 proto bird"
    going = switch(export="export filter { bgp_community.add((65535, 0)); accept; };")
    with (
        fabric.beside(9), bird(tmp_path / "9", switch()) as leaving,
        fabric.beside(8), bird(tmp_path / "8", switch(8, "multihop;", asn="65009")) as other,
    ):  # fmt: skip
        soon(lambda: n1.routes().get(PREFIX) == both)
        (tmp_path / "9" / "bird.conf").write_text(going)
        leaving.ask("configure")
        soon(lambda: n1.routes().get(PREFIX) == "via 172.20.0.8 dev eth1 proto bird")
        assert {path["local_pref"] for path in n1.paths(PREFIX) if path["peer"] == "172.20.0.9"} == {0}
        other.ask("disable", "n1")
        soon(lambda: n1.routes().get(PREFIX) == "via 172.20.0.9 dev eth1 proto bird")
