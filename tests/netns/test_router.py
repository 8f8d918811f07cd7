"""Routers on a real kernel with real peers: what reaches whose kernel, what a death changes, what is refused."""

import json
import os
import signal
import time
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from felixpy.model.addresses import Asn
from felixpy.model.resources import (
    BGPConfiguration,
    BGPFilter,
    BGPFilterRule,
    BGPPeer,
    BlockAffinity,
    Metadata,
    Node,
    NodeBGP,
    Resource,
)
from felixpy.model.resources.base import Duration
from felixpy.model.resources.bgp import Password, SecretKeyRef
from tests.netns.fabric import Fabric, Machine, eventually, lost, lost_of, watched
from tests.speakers import bird, frr, needs

pytestmark = pytest.mark.root

BIRD_AT_9 = """
router id 172.20.0.9;
log stderr all;
protocol device {}
protocol static s4 { ipv4; route 203.0.113.0/24 blackhole; EXTRA }
protocol static s6 { ipv6; route 2001:db8:1::/48 blackhole; }
template bgp ours { local as 65009; multihop; graceful restart on; connect delay time 1; connect retry time 1; }
protocol bgp n1v4 from ours { neighbor 172.20.0.1 as 64512; source address 172.20.0.9;
  ipv4 { import all; export all; next hop self; }; }
protocol bgp n1v6 from ours { neighbor fd20::1 as 64512; source address fd20::9;
  ipv6 { import all; export all; next hop self; }; }
"""
FRR_AT_8 = """
router bgp 65008
 bgp router-id 172.20.0.8
 no bgp ebgp-requires-policy
 no bgp network import-check
 no bgp default ipv4-unicast
 neighbor 172.20.0.1 remote-as 64512
 neighbor 172.20.0.1 ebgp-multihop 2
 address-family ipv4 unicast
  network 198.51.100.0/24
  neighbor 172.20.0.1 activate
 exit-address-family
"""
TO_9 = {
    "bird4": BGPPeer(node="n1", peer_ip="172.20.0.9", as_number=Asn(65009)),
    "bird6": BGPPeer(node="n1", peer_ip="fd20::9", as_number=Asn(65009)),
}


def learned(number: int) -> dict[str, str]:
    """What another node's kernel holds of node `number`."""
    return {
        f"10.65.{number}.0/26": f"via 172.20.0.{number} dev eth1 proto bird",
        f"fd65::{number}00/122": f"via fd20::{number} dev eth1 proto bird",
    }


def of_ours(routes: dict[str, str]) -> dict[str, str]:
    """The routes that carry birdpy's protocol number."""
    return {prefix: way for prefix, way in routes.items() if way.endswith("proto bird")}


def two_nodes(fabric: Fabric) -> None:
    """n1 and n2, started and converged."""
    for number in (1, 2):
        fabric.node(f"n{number}", number).start()
    n1, n2 = fabric.machines
    eventually(lambda: learned(2).items() <= n1.routes().items() and learned(1).items() <= n2.routes().items())


@needs("bird", "bgpd")
def test_routes_go_both_ways_between_three_nodes_a_bird_and_an_frr(fabric: Fabric, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        fabric.node(f"n{number}", number)
    fabric.put(**TO_9, frr=BGPPeer(node="n1", peer_ip="172.20.0.8", as_number=Asn(65008)))
    n1, n2, n3 = fabric.machines
    for machine in fabric.machines:
        machine.start()
    config = BIRD_AT_9.replace("EXTRA", "")
    with (
        fabric.beside(9),
        bird(tmp_path / "bird", config) as theirs,
        fabric.beside(8),
        frr(tmp_path / "frr", FRR_AT_8, "172.20.0.8") as other,
    ):
        black = {"10.65.1.0/26": "blackhole proto bird", "fd65::100/122": "blackhole proto bird"}
        outside = {
            "203.0.113.0/24": "via 172.20.0.9 dev eth1 proto bird",
            "2001:db8:1::/48": "via fd20::9 dev eth1 proto bird",
            "198.51.100.0/24": "via 172.20.0.8 dev eth1 proto bird",
        }
        wanted = black | learned(2) | learned(3) | outside
        eventually(lambda: of_ours(n1.routes()) == wanted, 60)
        eventually(lambda: learned(1).items() <= n2.routes().items())
        eventually(lambda: learned(1).items() <= n3.routes().items())
        seen = eventually(lambda: theirs.route("10.65.1.0/26"))
        assert "BGP.as_path: 64512" in seen
        assert "BGP.next_hop: 172.20.0.1" in seen
        assert "BGP.as_path: 64512" in eventually(lambda: theirs.route("fd65::100/122"))
        (path,) = eventually(lambda: other.route("10.65.1.0/26"))
        assert path["aspath"]["string"] == "64512"
        peers = {p["address"]: p for p in n1.ask("peers")["peers"]}
        assert peers["172.20.0.9"]["type"] == "node"
        assert (peers["172.20.0.9"]["received"], peers["172.20.0.9"]["accepted"]) == (1, 1)


@pytest.mark.parametrize("victim", ["birdpy", "exabgp", "birdpy, asked to end"])
def test_a_death_loses_no_packet_and_changes_no_route_anywhere(fabric: Fabric, victim: str) -> None:
    two_nodes(fabric)
    n1, n2 = fabric.machines
    before = n1.routes()
    with watched(n1) as here, watched(n2) as there:
        pings = lost(n2, "10.65.2.1", "10.65.1.1", 400)
        time.sleep(0.5)
        if victim == "exabgp":
            os.kill(n1.exabgp(), signal.SIGKILL)
        else:
            n1.kill(signal.SIGTERM if "asked" in victim else signal.SIGKILL)
            time.sleep(0.5)
            n1.start()
        eventually(lambda: n1.log().count('"session up"') == 4)  # two families, twice
        eventually(lambda: n1.log().count('"end of rib sent"') >= 2)
        assert lost_of(pings) == 0
    assert (here, there) == ([], [])
    assert n1.routes() == before


def test_what_was_claimed_while_a_router_was_away_is_everywhere_after_its_start(fabric: Fabric) -> None:
    two_nodes(fabric)
    n1, n2 = fabric.machines
    with watched(n2) as there:
        n1.kill()
        fabric.claim("n1", "10.65.1.64/26", "fd65::140/122")
        time.sleep(1)
        assert "10.65.1.64/26" not in n2.routes()
        n1.start()
        eventually(lambda: {"10.65.1.64/26", "fd65::140/122"} <= n2.routes().keys())
    assert sorted(line.split()[0] for line in there) == ["10.65.1.64/26", "fd65::140/122"]


def test_without_graceful_restart_the_same_death_is_seen(fabric: Fabric) -> None:
    """The control of the test above: what it watches does show a loss."""
    fabric.remove(BGPConfiguration, "default")
    fabric.put(default=BGPConfiguration(node_mesh_max_restart_time=Duration(0)))
    two_nodes(fabric)
    n1, n2 = fabric.machines
    with watched(n2) as there:
        n1.kill()
        eventually(lambda: "10.65.1.0/26" not in n2.routes())
    assert any("Deleted 10.65.1.0/26" in line for line in there)


def test_routes_flushed_by_someone_are_back_in_under_a_second(fabric: Fabric) -> None:
    two_nodes(fabric)
    n1 = fabric.machines[0]
    before = n1.routes()
    n1.namespace.run("ip", "route", "flush", "proto", "bird")
    n1.namespace.run("ip", "-6", "route", "flush", "proto", "bird")
    eventually(lambda: n1.routes() == before, within_s=1.0)


def test_a_released_block_is_withdrawn_before_its_blackhole_goes(fabric: Fabric) -> None:
    two_nodes(fabric)
    n1, n2 = fabric.machines
    with watched(n1) as here:
        fabric.remove(BlockAffinity, "n1-10-65-1-0-26")
        eventually(lambda: "10.65.1.0/26" not in n2.routes())
        eventually(lambda: "10.65.1.0/26" not in n1.routes())
    assert [line.strip() for line in here] == ["Deleted blackhole 10.65.1.0/26 proto bird metric 1024"]
    lines = n1.log().splitlines()
    withdrawn = next(at for at, line in enumerate(lines) if '"withdrawn"' in line)
    erased = next(at for at, line in enumerate(lines) if '"route erased"' in line)
    assert withdrawn < erased


def test_a_block_without_its_blackhole_is_not_announced(fabric: Fabric) -> None:
    two_nodes(fabric)
    n1, n2 = fabric.machines
    n1.namespace.run("ip", "route", "add", "blackhole", "10.65.1.64/26", "proto", "static", "metric", "1024")
    fabric.claim("n1", "10.65.1.64/26", "10.65.1.128/26")
    eventually(lambda: "10.65.1.128/26" in n2.routes())
    assert "10.65.1.64/26" not in n2.routes()
    entry = n1.ask("rib", prefix="10.65.1.64/26")["entries"][0]
    assert not entry["installed"]
    assert "static" in entry["reason"]
    n1.namespace.run("ip", "route", "del", "blackhole", "10.65.1.64/26", "proto", "static", "metric", "1024")
    eventually(lambda: "10.65.1.64/26" in n2.routes())


def test_nodes_behind_a_router_reach_each_other_and_explain_says_when_not(fabric: Fabric) -> None:
    """No shared segment: the next hop is resolved through the route to the other subnet."""
    router = fabric.ground.another()
    router.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    for number in (1, 2):
        machine = fabric.machine(f"n{number}")
        machine.namespace.run("ip", "link", "add", "eth1", "type", "veth", "peer", "name", f"r{number}")
        machine.namespace.run("ip", "link", "set", f"r{number}", "netns", f"/proc/{os.getpid()}/fd/{router.fd}")
        machine.namespace.run("ip", "link", "set", "eth1", "up")
        machine.namespace.run("ip", "address", "add", f"10.{number}.0.1/24", "dev", "eth1")
        machine.namespace.run("ip", "address", "add", f"10.65.{number}.1/32", "dev", "lo")
        machine.namespace.run("ip", "route", "add", f"10.{3 - number}.0.0/24", "via", f"10.{number}.0.254")
        router.run("ip", "link", "set", f"r{number}", "up")
        router.run("ip", "address", "add", f"10.{number}.0.254/24", "dev", f"r{number}")
        router.run("ip", "route", "add", f"10.65.{number}.0/26", "via", f"10.{number}.0.1")
        fabric.put(**{f"n{number}": node_at(f"10.{number}.0.1/24")})
        fabric.claim(f"n{number}", f"10.65.{number}.0/26")
        machine.start()
    n1, _ = fabric.machines
    eventually(lambda: n1.routes().get("10.65.2.0/26") == "via 10.1.0.254 dev eth1 proto bird")
    assert lost_of(lost(n1, "10.65.1.1", "10.65.2.1", 10)) == 0
    n1.namespace.run("ip", "route", "del", "10.2.0.0/24")
    eventually(lambda: "10.65.2.0/26" not in n1.routes(), within_s=1.0)
    said = n1.ask("explain", prefix="10.65.2.0/26")
    assert said["stopped_by"] == "next hop: 10.2.0.1 is unresolved: no route to 10.2.0.1"
    n1.namespace.run("ip", "route", "add", "10.2.0.0/24", "via", "10.1.0.254")
    eventually(lambda: n1.routes().get("10.65.2.0/26") == "via 10.1.0.254 dev eth1 proto bird", within_s=1.0)
    assert n1.ask("explain", prefix="10.65.2.0/26")["stopped_by"] == ""


def node_at(address: str) -> Node:
    """A Node with this IPv4 address."""
    return Node(bgp=NodeBGP(ipv4_address=address))


HOSTILE = {
    "0.0.0.0/0": "default route",
    "172.20.0.0/24": "equal to or inside a connected subnet (172.20.0.0/24)",
    "172.20.0.254/32": "equal to or inside a connected subnet (172.20.0.0/24)",
    "10.65.1.0/26": "own block, or covering it (10.65.1.0/26)",
}


@needs("bird")
@pytest.mark.parametrize("named", [False, True])
def test_a_hostile_peer_changes_nothing_unless_a_filter_names_it(fabric: Fabric, tmp_path: Path, named: bool) -> None:
    n1 = fabric.node("n1", 1)
    fabric.put(
        bird4=BGPPeer(node="n1", peer_ip="172.20.0.9", as_number=Asn(65009), filters=("tor",) if named else ())
    )
    if named:  # the control: with the guard told to stand aside, one of the four does get in
        rule = BGPFilterRule(action="Accept", match_operator="Equal", cidr=ip_network("172.20.0.254/32"))
        fabric.put(tor=BGPFilter(import_v4=(rule,)))
    n1.start()
    eventually(lambda: "10.65.1.0/26" in n1.routes())
    before = n1.routes()
    extra = "".join(f"route {prefix} blackhole; " for prefix in HOSTILE)
    with fabric.beside(9), bird(tmp_path / "bird", BIRD_AT_9.replace("EXTRA", extra)):
        eventually(lambda: "203.0.113.0/24" in n1.routes(), 60)
        eventually(lambda: all(n1.paths(prefix) for prefix in HOSTILE))
        new = {prefix: way for prefix, way in n1.routes().items() if prefix not in before}
        gateway = {"172.20.0.254": "via 172.20.0.9 dev eth1 proto bird"} if named else {}
        assert new == {"203.0.113.0/24": "via 172.20.0.9 dev eth1 proto bird"} | gateway
        assert {prefix: n1.routes()[prefix] for prefix in before} == before
        # The peer was dialled before it was there: its neighbour entry had failed until its own first packet came.
        eventually(lambda: not [p for prefix in HOSTILE for p in n1.paths(prefix) if "not answer" in p["reason"]])
        for prefix, reason in HOSTILE.items():
            (path,) = [p for p in n1.paths(prefix) if p["session"]]
            accepted = named and prefix == "172.20.0.254/32"
            assert (path["accepted"], path["reason"]) == ((True, "") if accepted else (False, reason))


def test_a_second_router_on_a_node_says_who_is_there(fabric: Fabric) -> None:
    n1 = fabric.node("n1", 1)
    n1.start()
    eventually(lambda: n1.ask("health"))
    assert n1.process is not None
    done = n1.birdpy("run")
    assert done.returncode == 1
    assert f"birdpy already runs here as pid {n1.process.pid}" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_views_of_a_node_without_a_router_say_what_to_run(fabric: Fabric) -> None:
    n1 = fabric.machine("n1")
    done = n1.birdpy("peers", "--node", "n1")
    assert done.returncode == 1
    assert "birdpy.sock" in done.stderr
    assert "birdpy run --node n1" in done.stderr


MANY = "route 203.0.113.64/26 blackhole; route 203.0.113.128/26 blackhole;"


def one_node_with_bird(fabric: Fabric, **annotations: str) -> Machine:
    """n1, started, with a session towards the BIRD at 9."""
    n1 = fabric.node("n1", 1)
    peer = BGPPeer(node="n1", peer_ip="172.20.0.9", as_number=Asn(65009))
    named = {f"felixpy.io/{name.replace('_', '-')}": value for name, value in annotations.items()}
    fabric.write([Resource(Metadata(name="bird4", annotations=named), peer)])
    n1.start()
    return n1


@needs("bird")
def test_a_peer_that_dies_silently_keeps_its_routes_until_it_has_said_what_is_left(
    fabric: Fabric, tmp_path: Path
) -> None:
    n1 = one_node_with_bird(fabric)
    with fabric.beside(9):
        with bird(tmp_path / "bird", BIRD_AT_9.replace("EXTRA", MANY)):
            eventually(lambda: "203.0.113.64/26" in n1.routes(), 60)
            before = n1.routes()
        with watched(n1) as here:
            eventually(lambda: not n1.up("172.20.0.9"))
            assert n1.paths("203.0.113.0/24")[0]["stale"]
            assert n1.routes() == before
            with bird(tmp_path / "bird", BIRD_AT_9.replace("EXTRA", MANY.split(";", maxsplit=1)[0] + ";")):
                eventually(lambda: "203.0.113.128/26" not in n1.routes(), 60)
        assert [line.split()[:2] for line in here] == [["Deleted", "203.0.113.128/26"]]


@needs("bird")
def test_a_peer_that_never_comes_back_loses_its_routes_after_its_restart_time(fabric: Fabric, tmp_path: Path) -> None:
    n1 = one_node_with_bird(fabric)
    with fabric.beside(9):
        config = BIRD_AT_9.replace("EXTRA", "").replace("restart on", "restart on; graceful restart time 2")
        with bird(tmp_path / "bird", config):
            eventually(lambda: "203.0.113.0/24" in n1.routes(), 60)
        died = time.monotonic()
        eventually(lambda: "203.0.113.0/24" not in n1.routes())
        assert 1.5 < time.monotonic() - died < 5


@needs("bird")
@pytest.mark.parametrize("way", ["it says goodbye", "it never offered to be waited for"])
def test_a_peer_that_is_not_to_be_waited_for_loses_its_routes_at_once(
    fabric: Fabric, tmp_path: Path, way: str
) -> None:
    n1 = one_node_with_bird(fabric)
    goodbye = way == "it says goodbye"
    config = BIRD_AT_9.replace("EXTRA", "").replace("restart on", "restart on" if goodbye else "restart off")
    with fabric.beside(9), bird(tmp_path / "bird", config) as theirs:
        eventually(lambda: "203.0.113.0/24" in n1.routes(), 60)
        if goodbye:
            theirs.ask("disable", "n1v4")
        else:
            theirs.process.kill()
        eventually(lambda: "203.0.113.0/24" not in n1.routes(), within_s=2.0)
    (peer,) = n1.ask("peers")["peers"]
    assert ("notification" in peer["last_error"]) == goodbye


@needs("bird")
def test_a_peer_that_sends_too_much_is_sent_away_and_what_was_accepted_stays(fabric: Fabric, tmp_path: Path) -> None:
    n1 = one_node_with_bird(fabric, max_prefix="2")
    with fabric.beside(9), bird(tmp_path / "bird", BIRD_AT_9.replace("EXTRA", MANY)):
        eventually(lambda: "session held down" in n1.log(), 60)
        eventually(lambda: not n1.up("172.20.0.9"))
        (peer,) = n1.ask("peers")["peers"]
        assert peer["state"] == "held-down"
        assert peer["held_down"] == "max-prefix 2 exceeded (3 received); back in 5 min"
        assert len([prefix for prefix in n1.routes() if prefix.startswith("203.0.113.")]) == 2


@needs("bird")
def test_with_the_warning_only_just_the_surplus_is_refused(fabric: Fabric, tmp_path: Path) -> None:
    n1 = one_node_with_bird(fabric, max_prefix="2", max_prefix_action="warn")
    with fabric.beside(9), bird(tmp_path / "bird", BIRD_AT_9.replace("EXTRA", MANY)):
        eventually(lambda: "peer near its limit" in n1.log(), 60)
        eventually(lambda: len([prefix for prefix in n1.routes() if prefix.startswith("203.0.113.")]) == 2)
        assert n1.up("172.20.0.9")


def test_the_death_of_a_reflector_moves_no_route_of_its_clients(fabric: Fabric) -> None:
    """It says End-of-RIB to one client only when the other has told it everything again."""
    fabric.remove(BGPConfiguration, "default")
    fabric.put(
        default=BGPConfiguration(node_to_node_mesh_enabled=False),
        reflectors=BGPPeer(peer_selector="role == 'reflector'"),
    )
    for number in (1, 2):
        fabric.node(f"n{number}", number)
    reflector = fabric.machine("n5")
    fabric.plug(5, reflector.namespace)
    spec = NodeBGP(ipv4_address="172.20.0.5/24", route_reflector_cluster_id=ip_address("224.0.0.5"))
    fabric.write([Resource(Metadata(name="n5", labels={"role": "reflector"}), Node(bgp=spec))])
    n1, n2, _ = fabric.machines
    for machine in fabric.machines:
        machine.start()
    block = "10.65.1.0/26"
    eventually(lambda: n2.routes().get(block) == "via 172.20.0.1 dev eth1 proto bird")
    eventually(lambda: n1.routes().get("10.65.2.0/26") == "via 172.20.0.2 dev eth1 proto bird")
    before = reflector.routes()
    with watched(n1) as first, watched(n2) as second, watched(reflector) as there:
        for _ in range(2):
            reflector.kill()
            reflector.start()
            eventually(lambda: reflector.up("172.20.0.1") and reflector.up("172.20.0.2"))
            eventually(lambda: not any(path["stale"] for path in (*n1.paths("10.65.2.0/26"), *n2.paths(block))))
    assert (first, second, there) == ([], [], [])
    assert reflector.routes() == before
    assert n2.paths(block)[0]["next_hop"] == "172.20.0.1"


def test_routes_are_back_when_an_uplink_that_was_down_is_up_again(fabric: Fabric) -> None:
    """An admin-down takes a link's IPv4 routes away without a word; the session outlives it."""
    two_nodes(fabric)
    n1 = fabric.machines[0]
    before = n1.routes()
    n1.namespace.run("ip", "link", "set", "eth1", "down")
    eventually(lambda: "10.65.2.0/26" not in n1.routes())
    stopped = eventually(lambda: n1.ask("explain", prefix="10.65.2.0/26")["stopped_by"])
    assert stopped.startswith("next hop: 172.20.0.2 is unresolved: no route to 172.20.0.2")
    assert n1.routes()["10.65.1.0/26"] == "blackhole proto bird"
    n1.namespace.run("ip", "link", "set", "eth1", "up")
    v4 = {prefix: way for prefix, way in before.items() if ":" not in prefix}
    eventually(lambda: v4.items() <= n1.routes().items(), within_s=2.0)


def test_a_fight_over_a_route_is_limited_and_named(fabric: Fabric) -> None:
    two_nodes(fabric)
    n1 = fabric.machines[0]
    with watched(n1) as here:
        for _ in range(25):  # for five seconds
            n1.namespace.run("ip", "route", "del", "10.65.2.0/26", "proto", "bird", check=False)
            time.sleep(0.2)
    repairs = [line for line in here if line.startswith("10.65.2.0/26")]
    assert 1 <= len(repairs) < 15
    assert n1.log().count('"route contested"') == 1
    eventually(lambda: "10.65.2.0/26" in n1.routes())


def test_the_views_print_tables_for_people_and_json_for_scripts(fabric: Fabric) -> None:
    two_nodes(fabric)
    n1 = fabric.machines[0]
    table = n1.birdpy("peers", "--node", "n1")
    assert (table.returncode, table.stderr) == (0, "")
    heading, first, *_ = table.stdout.splitlines()
    assert heading.split()[:8] == ["PEER", "TYPE", "AS", "STATE", "SINCE", "GR", "RECEIVED", "ACCEPTED"]
    assert first.split()[:4] == ["172.20.0.2", "mesh", "64512", "established"]
    rib = json.loads(n1.birdpy("rib", "10.65.2.0/26", "-o", "json").stdout)
    (entry,) = rib["entries"]
    assert (entry["prefix"], entry["installed"], entry["decided_by"]) == ("10.65.2.0/26", True, "only path")
    assert entry["gateways"] == [{"via": "172.20.0.2", "device": "eth1", "weight": 1, "onlink": False}]
    explained = n1.birdpy("explain", "10.65.2.9", "-o", "json")
    assert json.loads(explained.stdout)["prefix"] == "10.65.2.0/26"
    assert json.loads(explained.stdout)["stopped_by"] == ""
    unknown = n1.birdpy("explain", "10.99.0.0/16")
    assert "nobody has announced 10.99.0.0/16" in unknown.stdout
    assert n1.birdpy("rib", "10.65.2.1/26").returncode == 2
    routes = {route["prefix"]: route for route in n1.ask("routes")["routes"]}
    assert routes["10.65.2.0/26"]["peer"] == "172.20.0.2"
    assert routes["10.65.2.0/26"]["installed"]
    assert routes["10.65.1.0/26"]["kind"] == "blackhole"
    assert n1.ask("health")["ready"]


def test_a_node_comes_and_goes_and_no_other_session_notices(fabric: Fabric) -> None:
    two_nodes(fabric)
    n1, n2 = fabric.machines

    def since() -> dict[str, int]:
        return {p["address"]: round(p["since"]) for p in n1.ask("peers")["peers"] if p["address"].endswith(".2")}

    before = since()
    n3 = fabric.node("n3", 3)
    n3.start()
    eventually(lambda: learned(3).items() <= n1.routes().items() and learned(3).items() <= n2.routes().items())
    eventually(lambda: (learned(1) | learned(2)).items() <= n3.routes().items())
    fabric.remove(Node, "n3")
    eventually(lambda: not learned(3).keys() & n1.routes().keys() and not learned(3).keys() & n2.routes().keys())
    assert since() == before
    gone = [json.loads(line)["session"] for line in n2.log().splitlines() if '"session down"' in line]
    assert set(gone) <= {"Mesh_172_20_0_3", "Mesh_fd20__3"}


@needs("bird")
def test_a_changed_filter_judges_again_what_a_peer_has_said(fabric: Fabric, tmp_path: Path) -> None:
    n1 = fabric.node("n1", 1)
    no = BGPFilterRule(action="Reject", match_operator="In", cidr=ip_network("203.0.113.0/24"))
    fabric.put(tor=BGPFilter(import_v4=(no,)))
    fabric.put(bird4=BGPPeer(node="n1", peer_ip="172.20.0.9", as_number=Asn(65009), filters=("tor",)))
    n1.start()
    with fabric.beside(9), bird(tmp_path / "bird", BIRD_AT_9.replace("EXTRA", "")):
        (path,) = eventually(lambda: n1.paths("203.0.113.0/24"), 60)
        assert (path["accepted"], path["reason"]) == (False, "refused by a filter (filter tor, import rule 1)")
        fabric.remove(BGPFilter, "tor")
        fabric.put(tor=BGPFilter())
        eventually(lambda: "203.0.113.0/24" in n1.routes(), within_s=2.0)
        assert n1.log().count('"session up"') == 1


@needs("bird")
def test_two_gateways_share_the_load_and_one_takes_over(fabric: Fabric, tmp_path: Path) -> None:
    n1 = fabric.node("n1", 1)
    for number in (8, 9):
        fabric.put(
            **{f"bird{number}": BGPPeer(node="n1", peer_ip=f"172.20.0.{number}", as_number=Asn(65000 + number))}
        )
    n1.start()
    config = BIRD_AT_9.replace("EXTRA", "")
    other = config.replace("172.20.0.9", "172.20.0.8").replace("fd20::9", "fd20::8").replace("65009", "65008")
    with (
        fabric.beside(9), bird(tmp_path / "bird9", config) as first,
        fabric.beside(8), bird(tmp_path / "bird8", other),
    ):  # fmt: skip
        both = "via 172.20.0.8 dev eth1 + via 172.20.0.9 dev eth1 proto bird"
        eventually(lambda: n1.routes().get("203.0.113.0/24") == both, 60)
        reasons = {path["session"]: (path["best"], path["reason"]) for path in n1.paths("203.0.113.0/24")}
        assert reasons == {
            "Node_172_20_0_8": (True, ""),
            "Node_172_20_0_9": (False, "shares the load with the best path"),
        }
        with watched(n1) as here:
            first.ask("disable", "s4")
            eventually(lambda: n1.routes().get("203.0.113.0/24") == "via 172.20.0.8 dev eth1 proto bird")
        assert not any("Deleted" in line for line in here)  # replaced in one step, never absent


def test_without_a_node_resource_nothing_that_was_found_is_touched(fabric: Fabric) -> None:
    """A store that is being filled looks like a cluster without us: not a reason to drop what the kernel holds."""
    n1 = fabric.machine("n1")
    fabric.plug(1, n1.namespace)
    for route in ("blackhole 10.65.1.0/26", "10.65.2.0/26 via 172.20.0.2 dev eth1"):
        n1.namespace.run("ip", "route", "add", *route.split(), "proto", "bird", "metric", "1024")
    before = n1.routes()
    n1.start()
    eventually(lambda: "there is no such Node resource" in n1.log())
    eventually(lambda: n1.ask("health")["passes"])
    assert n1.routes() == before
    fabric.put(n1=node_at("172.20.0.1/24"))  # no session is to be waited for: what nobody gave goes now
    eventually(lambda: "10.65.2.0/26" not in n1.routes() and "10.65.1.0/26" not in n1.routes())


def test_a_session_whose_password_is_missing_is_held_down_with_the_reason(fabric: Fabric) -> None:
    n1 = fabric.node("n1", 1)
    password = Password(secret_key_ref=SecretKeyRef(name="bgp", key="tor"))
    fabric.put(tor=BGPPeer(node="n1", peer_ip="172.20.0.9", as_number=Asn(65009), password=password))
    n1.start()
    (peer,) = eventually(lambda: (n1.ask("peers") or {"peers": []})["peers"])
    assert peer["state"] == "held-down"
    assert "bgp" in peer["held_down"] and "tor" in peer["held_down"]
    told = n1.ask("explain", prefix="10.65.1.0/26")
    assert told["stopped_by"] == ""
