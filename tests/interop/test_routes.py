"""What is said about routes: communities, the own AS, two ways at once, the default route, the last resort."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from felixpy.model.addresses import Asn
from felixpy.model.resources import BGPConfiguration, BGPFilter, BGPFilterRule
from tests.interop.daemons import Link, daemon, each_daemon, not_gobgp
from tests.interop.neighbours import PREFIX, peer, soon, switch, tor
from tests.netns.fabric import Fabric, watched
from tests.speakers import bird, needs

pytestmark = [pytest.mark.root, pytest.mark.interop, needs("bird")]
VIA_8, VIA_9 = ("via 172.20.0.8 dev eth1 proto bird", "via 172.20.0.9 dev eth1 proto bird")
BOTH = "via 172.20.0.8 dev eth1 + via 172.20.0.9 dev eth1 proto bird"


@pytest.mark.parametrize("allowed", [0, 1])
@not_gobgp
def test_racks_of_one_as_reach_each_other_when_their_own_as_is_allowed(
    fabric: Fabric, tmp_path: Path, kind: str, allowed: int
) -> None:
    """Two racks share an AS; what comes through the switch has it in its path. Zero is the negative control.

    Not GoBGP: it never tells a peer a path that has the peer's AS in it.
    """
    fabric.remove(BGPConfiguration, "default")
    fabric.put(
        default=BGPConfiguration(node_to_node_mesh_enabled=False, as_number=Asn(65100)),
        switch=peer(node="", num_allowed_local_as_numbers=allowed),
    )
    n1, n2 = fabric.node("n1", 1), fabric.node("n2", 2)
    n1.start()
    n2.start()
    part = tor(links=(Link(1, 65100), Link(2, 65100)), routes=())
    with fabric.beside(9), daemon(tmp_path / kind, kind, part):
        soon(lambda: n1.paths("10.65.2.0/26") and n2.paths("10.65.1.0/26"))
        for machine, block in ((n1, "10.65.2.0/26"), (n2, "10.65.1.0/26")):
            (path,) = machine.paths(block)
            assert path["as_path"] == [65009, 65100]
            assert path["accepted"] == bool(allowed)
            if allowed:
                soon(lambda: machine.routes().get(block) in (VIA_9, f"via 172.20.0.{block[6]} dev eth1 proto bird"))  # noqa: B023
            else:
                assert "own AS" in path["reason"] and block not in machine.routes()


@each_daemon
def test_communities_of_all_three_kinds_are_shown(fabric: Fabric, tmp_path: Path, kind: str) -> None:
    n1 = fabric.node("n1", 1)
    fabric.put(switch=peer())
    n1.start()
    with fabric.beside(9), daemon(tmp_path / kind, kind, tor(marked=True)):
        soon(lambda: PREFIX in n1.routes())
    (path,) = n1.paths(PREFIX)
    assert path["communities"] == ["65009:1"]
    assert path["large_communities"] == ["65009:1:2"]
    assert path["extended_communities"] == ["target:65009:3"]
    table = n1.birdpy("rib", PREFIX, "-o", "wide").stdout
    assert all(value in table for value in ("65009:1", "65009:1:2", "target:65009:3"))


@each_daemon
def test_two_switches_share_the_load_and_one_is_enough(fabric: Fabric, tmp_path: Path, kind: str) -> None:
    """It is one route of two ways, replaced in one step when one of them says that it has it no more."""
    n1 = fabric.node("n1", 1)
    fabric.put(left=peer(8), right=peer(9))
    n1.start()
    with (
        fabric.beside(8), daemon(tmp_path / "8", "bird", tor(8)) as other,
        fabric.beside(9), daemon(tmp_path / "9", kind, tor()) as theirs,
    ):  # fmt: skip
        soon(lambda: n1.routes().get(PREFIX) == BOTH)
        assert {path["as_path"][0] for path in n1.paths(PREFIX)} == {65008, 65009}
        with watched(n1) as here:
            theirs.withdraw(PREFIX)
            soon(lambda: n1.routes().get(PREFIX) == VIA_8)
            theirs.announce(PREFIX)
            soon(lambda: n1.routes().get(PREFIX) == BOTH)
            other.withdraw(PREFIX)
            soon(lambda: n1.routes().get(PREFIX) == VIA_9)
        assert not any(line.startswith("Deleted") and PREFIX in line for line in here)


@each_daemon
@pytest.mark.parametrize("named", [False, True], ids=["refused", "named by a filter"])
def test_a_default_route_is_taken_only_when_a_filter_names_it(
    fabric: Fabric, tmp_path: Path, kind: str, named: bool
) -> None:
    """Of both families; what else the peer says is believed. That a filter lets it in is the control."""
    rules = [
        (BGPFilterRule(action="Accept", match_operator="Equal", cidr=ip_network(any_address)),)
        for any_address in ("0.0.0.0/0", "::/0")
    ]
    fabric.put(gateway=BGPFilter(import_v4=rules[0], import_v6=rules[1]))
    filters = ("gateway",) if named else ()
    fabric.put(switch=peer(filters=filters), switch6=peer(peer_ip="fd20::9", filters=filters))
    n1 = fabric.node("n1", 1)
    n1.start()
    part = tor(families="46", routes=(PREFIX, "2001:db8:1::/48"))
    with fabric.beside(9), daemon(tmp_path / kind, kind, part) as theirs:
        theirs.announce("0.0.0.0/0", "::/0")
        soon(lambda: n1.paths("0.0.0.0/0") and n1.paths("::/0"))
        soon(lambda: {PREFIX, "2001:db8:1::/48"} <= n1.routes().keys())
        for prefix in ("0.0.0.0/0", "::/0"):
            (path,) = n1.paths(prefix)
            assert (path["accepted"], path["reason"]) == ((True, "") if named else (False, "default route"))
        if named:
            soon(lambda: n1.routes().get("default") is not None)
        else:
            assert "default" not in n1.routes()
            assert "default route" in n1.birdpy("rib", "0.0.0.0/0").stdout


def test_a_peer_that_is_about_to_go_is_the_last_resort(fabric: Fabric, tmp_path: Path) -> None:
    """RFC 8326: both share the load until one says GRACEFUL_SHUTDOWN; when the other is gone it still carries all."""
    n1 = fabric.node("n1", 1)
    fabric.put(near=peer(8, as_number=Asn(65009)), switch=peer(9))
    n1.start()
    going = switch(export="export filter { bgp_community.add((65535, 0)); accept; };")
    with (
        fabric.beside(9), bird(tmp_path / "9", switch()) as leaving,
        fabric.beside(8), bird(tmp_path / "8", switch(8, "multihop;", asn="65009")) as other,
    ):  # fmt: skip
        soon(lambda: n1.routes().get(PREFIX) == BOTH)
        (tmp_path / "9" / "bird.conf").write_text(going)
        leaving.ask("configure")
        soon(lambda: n1.routes().get(PREFIX) == VIA_8)
        assert {path["local_pref"] for path in n1.paths(PREFIX) if path["peer"] == "172.20.0.9"} == {0}
        other.ask("disable", "n1")
        soon(lambda: n1.routes().get(PREFIX) == VIA_9)
