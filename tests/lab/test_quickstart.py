"""The main job, proved on the running quickstart lab: each promise, and a planted defect that the same check sees."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address, ip_network

import pytest

from tests.lab.conftest import Pod, Running, until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

Frame = tuple[str, str, str]  # protocols, source, destination


def captured(lab: Running, where: tuple[str, str], source: str, target: str) -> list[Frame]:
    """The first two frames that carry an ICMP echo, inside whatever, at an interface while `source` pings."""
    place, interface = where
    fields = ("-T", "fields", "-e", "frame.protocols", "-e", "ip.src", "-e", "ip.dst")
    # Not ended by tshark's own count, which counts what the filter leaves out, too.
    tshark = lab.start(
        place, "tshark", "-lni", interface, "-a", "duration:60", "-Y", "icmp.type in {0, 8}", *fields
    )  # fmt: skip
    assert tshark.stdout is not None
    ping = lab.start(source, "ping", "-i0.2", target)  # until it is seen: tshark says that it captures before it does
    said, rows = "", list[list[str]]()
    while len(rows) < 2 and (line := tshark.stdout.readline()):
        said += line
        if "\t" in line:
            rows.append(line.strip("\n").split("\t"))
    lab.stop(ping)
    lab.stop(tshark)
    assert rows, said
    return [(row[0], row[1], row[2]) for row in rows]


def disguises(frames: list[Frame], ends: set[str]) -> list[Frame]:
    """The frames that are not simply one pod's packet to the other."""
    plain = re.compile(r"eth:ethertype:ip:icmp(:data)?")
    return [frame for frame in frames if not plain.fullmatch(frame[0]) or {frame[1], frame[2]} != ends]


@contextmanager
def masquerade(lab: Running, node: str) -> Iterator[None]:
    """The defect of other pod networks: what leaves the node bears the node's own address."""
    chain = "add chain ip planted out { type nat hook postrouting priority 100; }"
    lab.exec(node, "nft", f"add table ip planted; {chain}; add rule ip planted out oif eth1 masquerade")
    try:
        yield
    finally:
        lab.exec(node, "nft", "delete table ip planted")


def impurities(lab: Running, node: str) -> list[str]:
    """What a node must not have: bridges, tunnels, NAT."""
    links = json.loads(lab.exec(node, "ip", "-j", "-d", "link"))
    kinds = {link["ifname"]: link.get("linkinfo", {}).get("info_kind", "") for link in links}
    found = [f"{name} is a {kind}" for name, kind in kinds.items() if kind not in ("", "veth")]
    rules = json.loads(lab.exec(node, "nft", "-j", "list", "ruleset") or '{"nftables": []}')["nftables"]
    return found + [f"nat chain {row['chain']['name']}" for row in rules if row.get("chain", {}).get("type") == "nat"]


@pytest.fixture
def pods(quickstart: Running) -> dict[str, Pod]:
    return quickstart.pods()


def test_there_are_four_pods_on_three_nodes(pods: dict[str, Pod]) -> None:
    assert {name: pod.node for name, pod in pods.items()} == {"a": "n1", "b": "n1", "c": "n2", "d": "n3"}


@pytest.mark.parametrize(("source", "target", "hops"), [("a", "b", 1), ("a", "c", 2), ("c", "d", 2), ("d", "a", 2)])
def test_pods_reach_each_other_over_exactly_the_routers_between(
    quickstart: Running, pods: dict[str, Pod], source: str, target: str, hops: int
) -> None:
    said = quickstart.exec(pods[source].where, "ping", "-c1", "-W2", pods[target].address)
    assert f"ttl={64 - hops} " in said


@pytest.mark.parametrize("name", ["a", "b", "c", "d"])
def test_a_host_outside_reaches_every_pod_by_bgp_routes_alone(
    quickstart: Running, pods: dict[str, Pod], name: str
) -> None:
    assert quickstart.reaches("out", pods[name].address)
    table = quickstart.vtysh("tor", "show ip route")
    (block,) = [prefix for prefix in table if prefix.startswith("10.65.") and covers(prefix, pods[name].address)]
    (route,) = [route for route in table[block] if route.get("selected")]
    assert route["protocol"] == "bgp"
    assert [hop["ip"] for hop in route["nexthops"]] == [f"172.20.0.1{pods[name].node[1]}"]  # its own node, no other


def covers(prefix: str, address: str) -> bool:
    return ip_address(address) in ip_network(prefix)


def test_on_the_fabric_a_pods_packet_is_itself(quickstart: Running, pods: dict[str, Pod]) -> None:
    a, c = pods["a"], pods["c"]
    ends = {a.address, c.address}
    frames = captured(quickstart, ("tor", "eth1"), a.where, c.address)
    assert len(frames) == 2
    assert disguises(frames, ends) == []
    with masquerade(quickstart, "n1"):
        assert disguises(captured(quickstart, ("tor", "eth1"), a.where, c.address), ends)


def test_the_source_is_untouched_where_a_packet_arrives(quickstart: Running, pods: dict[str, Pod]) -> None:
    a, c = pods["a"], pods["c"]
    for place, target in (((c.where, "eth0"), c.address), (("out", "eth1"), "198.51.100.10")):
        frames = captured(quickstart, place, a.where, target)
        assert disguises(frames, {a.address, target}) == []
        assert frames[0][1] == a.address
        with masquerade(quickstart, "n1"):
            assert disguises(captured(quickstart, place, a.where, target), {a.address, target})


@pytest.mark.parametrize("node", ["n1", "n2", "n3"])
def test_a_node_has_no_bridge_no_tunnel_and_no_nat(quickstart: Running, node: str) -> None:
    assert impurities(quickstart, node) == []
    quickstart.exec(node, "ip", "link", "add", "docker0", "type", "bridge")
    try:
        with masquerade(quickstart, node):
            assert impurities(quickstart, node) == ["docker0 is a bridge", "nat chain out"]
    finally:
        quickstart.exec(node, "ip", "link", "delete", "docker0")


def test_two_pods_of_a_node_meet_in_its_routing_table(quickstart: Running, pods: dict[str, Pod]) -> None:
    held = {route["dst"]: route["dev"] for route in quickstart.routes("n1") if route.get("protocol") == "80"}
    assert set(held) == {pods["a"].address, pods["b"].address}
    assert len(set(held.values())) == 2
    assert all(device.startswith("cali") for device in held.values())
    assert quickstart.reaches("n1/a", pods["b"].address)


def test_a_route_on_the_wrong_device_is_seen_and_repaired(quickstart: Running, pods: dict[str, Pod]) -> None:
    """The negative control of the test above: with the agent stopped the defect stays, and the ping fails."""
    from felixpy.lab import control

    a, b = pods["a"], pods["b"]
    held = {route["dst"]: route["dev"] for route in quickstart.routes("n1") if route.get("protocol") == "80"}
    folder = quickstart.labs.folder / quickstart.name / "nodes" / "n1"
    control.ask(folder, "stop", ["felixpy"])
    until(lambda: all(one["pid"] == 0 for one in control.ask(folder, "list") if one["name"] == "felixpy"))
    try:
        wrong = ("ip", "route", "replace", b.address, "dev", held[a.address], "scope", "link", "proto", "80")
        quickstart.exec("n1", *wrong)
        assert not quickstart.reaches("n1/a", b.address)
    finally:
        control.ask(folder, "start", ["felixpy"])
    until(lambda: quickstart.reaches("n1/a", b.address))
    after = {route["dst"]: route["dev"] for route in quickstart.routes("n1") if route.get("protocol") == "80"}
    assert after == held


def settled(lab: Running, node: str) -> bool:
    """Whether all of a node runs and all its sessions are established."""
    line = lab.tried(node, "pgrep", "-f", "felixpy run|birdpy run|exabgp").stdout.split()
    if len(line) < 3:
        return False
    try:
        peers = lab.ask("birdpy", "peers", node=node)["peers"]
    except (AssertionError, ValueError):
        return False
    return len(peers) == 3 and all(peer["state"] == "established" for peer in peers)


def pinged(
    lab: Running, source: str, target: str, during: tuple[str, ...], after: Callable[[], None]
) -> tuple[int, dict[str, str]]:
    """Packets lost between two pods while a command runs on n1 and until `after` has returned, and what the other
    nodes' route monitors printed in that time.
    """
    monitors = {node: lab.start(node, "ip", "monitor", "route") for node in ("n2", "n3")}
    ping = lab.start(source, "ping", "-q", "-i0.01", "-c4000", target)
    time.sleep(0.7)
    lab.exec("n1", *during)
    after()
    time.sleep(0.5)  # a withdrawal that follows the last End-of-RIB would come now
    lab.exec(source.partition("/")[0], "pkill", "-INT", "ping")
    said, _ = ping.communicate(timeout=60)
    lab.children.remove(ping)
    sent, received = (int(number) for number in re.findall(r"(\d+) (?:packets transmitted|received)", said))
    return sent - received, {node: lab.stop(monitor) for node, monitor in monitors.items()}


@pytest.mark.parametrize("program", ["felixpy run", "birdpy run", "exabgp"])
@pytest.mark.parametrize(("source", "target"), [("a", "c"), ("d", "b")])
def test_the_death_of_a_program_loses_no_packet_and_moves_no_route(
    quickstart: Running, pods: dict[str, Pod], program: str, source: str, target: str
) -> None:
    before = quickstart.routes("n1")
    victim = quickstart.exec("n1", "pgrep", "-o", "-f", program).strip()

    def is_back() -> None:
        """Another process of that name runs, and every session is established again."""
        until(lambda: quickstart.tried("n1", "pgrep", "-o", "-f", program).stdout.strip() not in ("", victim))
        until(lambda: settled(quickstart, "n1"))

    lost, moved = pinged(quickstart, pods[source].where, pods[target].address, ("kill", "-9", victim), is_back)
    assert lost == 0
    assert moved == {"n2": "", "n3": ""}
    assert quickstart.routes("n1") == before


def test_lost_packets_and_moved_routes_would_be_seen(quickstart: Running, pods: dict[str, Pod]) -> None:
    """The negative control: the same measurement while all routes of n1 are flushed and n2 gets one more."""
    away = "ip link set eth1 down; sleep 0.3; ip link set eth1 up"
    watch = quickstart.start("n2", "ip", "monitor", "route")
    lost, _ = pinged(quickstart, pods["a"].where, pods["c"].address, ("sh", "-c", away), lambda: time.sleep(1.0))
    quickstart.exec("n2", "ip", "route", "add", "192.0.2.1", "dev", "eth1")
    quickstart.exec("n2", "ip", "route", "delete", "192.0.2.1")
    assert lost > 0
    assert "192.0.2.1" in quickstart.stop(watch)
    until(lambda: settled(quickstart, "n1") and quickstart.reaches("n1/a", pods["c"].address))
    until(lambda: quickstart.reaches("out", pods["a"].address))
