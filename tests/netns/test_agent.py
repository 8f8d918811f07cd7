"""The real agent against a real kernel: what it holds, what it repairs, what it leaves alone, and how it ends."""

import signal
import subprocess
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.namespaces import Namespace
from tests.netns.agent_process import Node, ip, node, routes, until, veth

WEB = "10.65.0.2 dev caliweb proto 80 scope link"
DB = "10.65.0.3 dev calidb proto 80 scope link"


@pytest.fixture
def n1(netns: Namespace, tmp_path: Path) -> Iterator[Node]:
    """A node with one pod's interface, in a namespace of its own."""
    with node(tmp_path) as made:
        veth("caliweb")
        yield made


def sysctl(path: str) -> str:
    return (Path("/proc/sys") / path).read_text().strip()


def states(n1: Node) -> dict[str, str]:
    return {it["pod"]: it["state"] for it in n1.ask("endpoints")["endpoints"]}


def test_a_pod_gets_its_routes_neighbours_and_sysctls_within_a_second(n1: Node) -> None:
    n1.start()
    began = time.monotonic()
    n1.put("web", "10.65.0.2/32", "fd00:65::2/128", mac="aa:bb:cc:00:00:01")
    until(lambda: routes() == [WEB], within_s=1)
    assert time.monotonic() - began < 1
    assert "fd00:65::2 dev caliweb proto 80 metric 512" in ip("-6", "route")
    neighbours = ip("neigh", "show", "nud", "permanent")
    assert "10.65.0.2 dev caliweb lladdr aa:bb:cc:00:00:01 PERMANENT" in neighbours
    assert "fd00:65::2 dev caliweb lladdr aa:bb:cc:00:00:01 PERMANENT" in neighbours
    for path, value in {
        "net/ipv4/conf/caliweb/rp_filter": "1",
        "net/ipv4/conf/caliweb/route_localnet": "0",
        "net/ipv4/conf/caliweb/proxy_arp": "1",
        "net/ipv4/neigh/caliweb/proxy_delay": "0",
        "net/ipv4/conf/caliweb/forwarding": "1",
        "net/ipv6/conf/caliweb/accept_ra": "0",
        "net/ipv6/conf/caliweb/accept_dad": "0",
        "net/ipv6/conf/caliweb/forwarding": "1",
        "net/ipv4/ip_forward": "1",
        "net/ipv4/conf/all/ignore_routes_with_linkdown": "1",
        "net/ipv6/conf/all/forwarding": "1",
    }.items():
        assert sysctl(path) == value, path
    assert states(n1) == {"default/web": "up"}
    n1.remove("web")
    until(lambda: routes() == [], within_s=1)
    assert "aa:bb:cc:00:00:01" not in ip("neigh", "show", "nud", "permanent")


def test_a_flush_of_all_our_routes_is_repaired_within_a_second(n1: Node) -> None:
    veth("calidb")
    n1.put("web", "10.65.0.2/32")
    n1.put("db", "10.65.0.3/32")
    n1.start()
    assert routes() == [WEB, DB]
    ip("route", "flush", "proto", "80")
    until(lambda: routes() == [WEB, DB], within_s=1)


def test_without_an_agent_a_flush_is_not_repaired(n1: Node) -> None:
    n1.put("web", "10.65.0.2/32")
    n1.start()
    assert n1.end() == 0
    ip("route", "flush", "proto", "80")
    time.sleep(0.3)
    assert routes() == []


def test_a_flipped_mac_and_a_removed_neighbour_are_put_back(n1: Node) -> None:
    n1.put("web", "10.65.0.2/32", mac="aa:bb:cc:00:00:01")
    n1.start()
    ip("link", "set", "caliweb", "address", "02:00:00:00:00:01")
    until(lambda: "ee:ee:ee:ee:ee:ee" in ip("link", "show", "caliweb"), within_s=1)
    ip("neigh", "del", "10.65.0.2", "dev", "caliweb")
    until(lambda: "10.65.0.2" in ip("neigh", "show", "nud", "permanent"), within_s=1)
    ip("neigh", "replace", "10.65.0.2", "lladdr", "02:00:00:00:00:02", "dev", "caliweb", "nud", "permanent")
    until(lambda: "aa:bb:cc:00:00:01" in ip("neigh", "show", "nud", "permanent"), within_s=1)


def test_a_changed_sysctl_is_put_back(n1: Node) -> None:
    n1.put("web", "10.65.0.2/32")
    n1.start()
    written = len(n1.lines("sysctls written"))
    for path, value in {
        "net/ipv4/conf/caliweb/rp_filter": "0",
        "net/ipv4/conf/caliweb/proxy_arp": "0",
        "net/ipv4/ip_forward": "0",
        "net/ipv6/conf/all/forwarding": "0",
    }.items():
        wanted = sysctl(path)
        Path("/proc/sys", path).write_text(value)
        until(lambda path=path, wanted=wanted: sysctl(path) == wanted, within_s=1)  # type: ignore[misc]
    assert sysctl("net/ipv4/conf/caliweb/forwarding") == sysctl("net/ipv6/conf/caliweb/forwarding") == "1"
    time.sleep(0.2)
    assert len(n1.lines("sysctls written")) - written <= 8, (
        "its own writes, told by the kernel, are not written again"
    )


def test_another_programs_route_with_our_key_is_left_alone_and_named(n1: Node) -> None:
    veth("up0")
    ip("route", "add", "10.65.0.2/32", "dev", "up0", "proto", "static")
    n1.put("web", "10.65.0.2/32")
    veth("calidb")
    n1.put("db", "10.65.0.3/32")
    n1.start()
    assert routes() == ["10.65.0.2 dev up0 proto static scope link", DB]
    (refused,) = n1.ask("health")["refused"]
    assert (refused["table"], refused["key"]) == ("routes", "10.65.0.2/32")
    assert "held by proto static dev up0" in refused["reason"]
    assert states(n1) == {"default/web": "down", "default/db": "up"}
    assert not n1.ask("health")["ready"]
    ip("route", "del", "10.65.0.2/32", "dev", "up0", "proto", "static")
    until(lambda: routes() == [WEB, DB], within_s=1)
    assert n1.ask("health")["ready"]


def test_a_link_that_goes_down_and_up_has_its_route_again(n1: Node) -> None:
    n1.put("web", "10.65.0.2/32")
    n1.start()
    ip("link", "set", "caliweb", "down")
    until(lambda: states(n1) == {"default/web": "down"}, within_s=1)
    assert routes() == []
    ip("link", "set", "caliweb", "up")
    until(lambda: routes() == [WEB], within_s=1)


def test_an_interface_that_comes_after_its_endpoint_is_served_at_once(n1: Node) -> None:
    n1.start()
    n1.put("db", "10.65.0.3/32")
    until(lambda: states(n1) == {"default/db": "down"})
    veth("calidb")
    until(lambda: routes() == [DB], within_s=1)
    until(lambda: states(n1) == {"default/db": "up"}, within_s=1)
    assert sysctl("net/ipv4/conf/calidb/rp_filter") == "1"


def test_sigterm_and_sigkill_change_nothing_and_a_restart_repairs_without_touching_what_is_right(n1: Node) -> None:
    veth("calidb")
    n1.put("web", "10.65.0.2/32")
    n1.put("db", "10.65.0.3/32")
    n1.start()
    assert n1.end(signal.SIGTERM) == 0
    assert routes() == [WEB, DB]
    n1.start()
    n1.end(signal.SIGKILL)
    assert routes() == [WEB, DB]
    ip("route", "del", "10.65.0.3/32")
    ip("route", "add", "10.65.0.99/32", "dev", "caliweb", "proto", "80")
    with subprocess.Popen(["ip", "-4", "monitor", "route"], stdout=subprocess.PIPE, text=True) as monitor:
        time.sleep(0.1)
        n1.start()
        until(lambda: routes() == [WEB, DB])
        time.sleep(0.1)
        monitor.terminate()
        told = monitor.communicate(timeout=5)[0]
    assert [line.strip() for line in told.splitlines()] == [
        DB, "Deleted 10.65.0.99 dev caliweb proto 80 scope link"
    ]  # fmt: skip


def test_garbage_in_the_store_is_shown_and_nothing_is_lost(n1: Node) -> None:
    veth("calidb")
    n1.put("web", "10.65.0.2/32")
    n1.put("db", "10.65.0.3/32")
    n1.start()
    n1.write("n1-k8s-web-eth0", "\x00\x01 spec: {{{")
    n1.write("n1-k8s-new-eth0", "kind: Nonsense\n")
    until(lambda: len(n1.ask("health")["problems"]) == 2)
    problems = {problem["name"]: problem["where"] for problem in n1.ask("health")["problems"]}
    assert set(problems) == {"default/n1-k8s-web-eth0", "default/n1-k8s-new-eth0"}
    assert routes() == [WEB, DB]
    n1.remove("db")
    until(lambda: states(n1) == {"default/web": "up"})
    assert routes() == [WEB, DB], "one object was never readable: it might be the one that wants this route"
    n1.remove("new")
    until(lambda: routes() == [WEB])


def test_the_store_going_away_leaves_the_kernel_as_it_is_and_is_followed_when_it_is_back(n1: Node) -> None:
    veth("calidb")
    n1.put("web", "10.65.0.2/32")
    n1.start()
    n1.store.rename(n1.folder / "away")
    until(lambda: not n1.ask("health")["datastore_reachable"])
    assert [it["name"] for it in n1.ask("health")["conditions"] if "Datastore" in it["name"]] == [
        "DatastoreUnreachable"
    ]
    ip("route", "flush", "proto", "80")
    until(lambda: routes() == [WEB], within_s=1)
    (n1.folder / "away").rename(n1.store)
    n1.put("db", "10.65.0.3/32")
    n1.remove("web")
    until(lambda: routes() == [DB])
    assert n1.ask("health")["datastore_reachable"]


def test_health_is_there_for_machines_when_asked_for(n1: Node) -> None:
    n1.put("web", "10.65.0.2/32")
    n1.put("db", "10.65.0.3/32")  # its interface never comes
    n1.start("--metrics-port", "19091")

    def get(path: str) -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", 19091, timeout=5)
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    status, text = get("/metrics")
    assert status == 200
    lines = text.splitlines()
    assert 'felixpy_keys_wanted{table="routes"} 2.0' in lines
    assert 'felixpy_keys_refused{table="routes"} 1.0' in lines
    assert "felixpy_in_sync 1.0" in lines
    assert (get("/live")[0], get("/ready")[0], get("/else")[0]) == (200, 503, 404)
    n1.remove("db")
    until(lambda: get("/ready")[0] == 200)


def test_felixpy_routes_joins_what_is_wanted_with_what_the_kernel_has(n1: Node) -> None:
    for name in ("up0", "calidb"):
        veth(name)
    ip("route", "add", "10.65.0.3/32", "dev", "up0", "proto", "static")
    ip("route", "add", "blackhole", "10.65.0.0/26", "proto", "bird", "metric", "1024")
    n1.put("web", "10.65.0.2/32")
    n1.put("db", "10.65.0.3/32")
    n1.start()
    document = n1.routes()
    rows = {row["prefix"]: row for row in document["routes"]}
    assert document["missing"] == ["birdpy"]
    web = rows["10.65.0.2/32"]
    assert (web["wanted"], web["installed"], web["origin"]["name"]) == (True, True, "default/web")
    assert (rows["10.65.0.3/32"]["installed"], rows["10.65.0.0/26"]["wanted"]) == (False, None)
    assert "held by proto static dev up0" in rows["10.65.0.3/32"]["reason"]
    assert n1.end() == 0
    ip("route", "del", "10.65.0.2/32")
    rows = {row["prefix"]: row for row in n1.routes()["routes"]}
    assert (rows["10.65.0.2/32"]["wanted"], rows["10.65.0.2/32"]["installed"]) == (True, False)


def test_who_fights_over_a_route_is_named_and_not_fought_without_end(n1: Node) -> None:
    n1.put("web", "10.65.0.2/32")
    n1.start()
    for _ in range(3):
        ip("route", "flush", "proto", "80")
        until(lambda: routes() == [WEB])
        time.sleep(1)
    (condition,) = [it for it in n1.ask("health")["conditions"] if it["name"] == "Contested"]
    assert "routes 10.65.0.2/32: someone else changed it" in condition["message"]
    assert len(n1.lines("route contested")) == 1


def test_a_second_agent_is_refused_and_a_nameless_one_too(n1: Node) -> None:
    n1.start()
    second = n1.run_once(n1.environment)
    assert second.returncode == 1
    assert second.stderr.startswith(f"felixpy: felixpy already runs here as pid {n1.agents[0].pid}")
    elsewhere = n1.run_once({**n1.environment, "FELIXPY_RUN_DIR": str(n1.folder / "elsewhere")})
    assert elsewhere.returncode == 1
    assert "another one, with another run folder, already keeps this network namespace" in elsewhere.stderr
    nameless = n1.run_once({**n1.environment, "FELIXPY_NODE": ""})
    assert nameless.returncode == 2
    assert "give --node NAME or set FELIXPY_NODE" in nameless.stderr


def nft(*words: str) -> str:
    return subprocess.run(["nft", *words], check=True, capture_output=True, text=True, timeout=10).stdout


def test_ipv6_sources_of_pods_are_checked_and_the_check_is_kept(n1: Node) -> None:
    n1.put("web", "10.65.0.2/32")
    n1.start("--resync-s", "1")
    assert "felixpy_guard" not in nft("list", "tables"), "without an IPv6 pod there is nothing to check"
    n1.put("web", "10.65.0.2/32", "fd00:65::2/128")
    until(lambda: "felixpy_guard" in nft("list", "tables"))
    assert "fib saddr . iif oif missing" in nft("list", "ruleset")
    assert "nat" not in nft("list", "ruleset")
    nft("flush", "ruleset")
    until(lambda: "felixpy_guard" in nft("list", "tables"))


def test_an_advertised_default_route_survives_ipv6_forwarding(n1: Node) -> None:
    veth("eth7")
    ip("-6", "route", "add", "default", "via", "fe80::1", "dev", "eth7", "proto", "ra", "metric", "1024")
    n1.start()
    assert sysctl("net/ipv6/conf/eth7/accept_ra") == "2"
    assert sysctl("net/ipv6/conf/all/forwarding") == "1"
    order = [path for line in n1.lines("sysctls written") for path in line["values"]]
    assert order.index("net/ipv6/conf/eth7/accept_ra") < order.index("net/ipv6/conf/all/forwarding")


def test_the_nodes_address_is_written_when_asked_for(n1: Node) -> None:
    veth("eth7")
    ip("addr", "add", "192.0.2.7/24", "dev", "eth7")
    n1.start("--ip", "auto", "--ip-autodetection-method", "interface=eth7")
    file = n1.store / "nodes" / "n1.yaml"
    until(lambda: file.exists() and "192.0.2.7/24" in file.read_text())
    ip("addr", "del", "192.0.2.7/24", "dev", "eth7")
    ip("addr", "add", "192.0.2.8/24", "dev", "eth7")
    until(lambda: "192.0.2.8/24" in file.read_text())
