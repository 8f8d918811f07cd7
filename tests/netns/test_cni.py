"""ADD and DEL through the plugin's own program, the real agent and a real kernel."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from felixpy.cni import wire
from tests.namespaces import Namespace
from tests.netns.agent_process import ip, node, routes, until
from tests.netns.cni_plugin import (
    Runtime,
    apply,
    devices,
    document,
    endpoints,
    in_use,
    journal,
    path_of,
    pings,
    trouble,
)

SHIM = Path(wire.__file__).with_name("shim.c")
GATEWAY, GATEWAY6, MAC = "169.254.1.1", "fe80::ecee:eeff:feee:eeee", "ee:ee:ee:ee:ee:ee"


@pytest.fixture
def runtime(netns: Namespace, tmp_path: Path) -> Iterator[Runtime]:
    """A node with an uplink, pools of both families, and its agent."""
    with node(tmp_path) as made:
        netns.run("ip", "link", "add", "eth0", "mtu", "1400", "type", "veth", "peer", "name", "tor")
        for command in ("link set eth0 up", "link set tor up", "address add 10.0.0.1/24 dev eth0"):
            netns.run("ip", *command.split())
        netns.run("ip", "address", "add", "fd00::1/64", "dev", "eth0", "nodad")
        apply(
            made,
            document("Node", "n1", bgp={"ipv4Address": "10.0.0.1/24"}),
            document("IPPool", "four", cidr="10.65.0.0/24", blockSize=28),
            document("IPPool", "six", cidr="fd00:65::/112"),
            document("IPAMConfig", "default", strictAffinity=True, autoAllocateBlocks=True),
        )
        made.start()
        yield Runtime(made)


def rows(inside: Namespace, *words: str) -> Any:
    return json.loads(inside.run("ip", "-j", *words))


def test_a_pod_has_address_way_out_and_neighbour_and_is_reached(runtime: Runtime, netns: Namespace) -> None:
    pod = netns.another()
    answer = runtime.add("web", pod)
    four, six = answer.addresses
    (host,) = json.loads(ip("-j", "-d", "link", "show", answer.device))
    assert (host["address"], host["mtu"], host["linkinfo"]["info_kind"]) == (MAC, 1400, "veth")
    (link,) = rows(pod, "link", "show", "eth0")
    assert (link["address"], link["mtu"]) == (answer.json["interfaces"][1]["mac"], 1400)
    held = {(a["local"], a["prefixlen"]) for link in rows(pod, "address", "show", "eth0") for a in link["addr_info"]}
    assert held >= {(four, 32), (six, 128)}
    ways = [(r["dst"], r.get("gateway"), r["dev"], r.get("scope")) for r in rows(pod, "route")]
    assert ways == [("default", GATEWAY, "eth0", None), (GATEWAY, None, "eth0", "link")]
    assert ("default", GATEWAY6) in [(r["dst"], r.get("gateway")) for r in rows(pod, "-6", "route")]
    fixed = {n["dst"]: (n["lladdr"], n["state"]) for n in rows(pod, "neigh", "show", "nud", "permanent")}
    assert fixed == {GATEWAY: (MAC, ["PERMANENT"]), GATEWAY6: (MAC, ["PERMANENT"])}
    assert f"{four} dev {answer.device} proto 80 scope link" in ip("route")
    assert pings(netns, four) and pings(netns, six)
    assert pings(pod, "10.0.0.1") and pings(pod, "fd00::1")
    (stored,) = endpoints(runtime.node).values()
    assert stored.name == "default/n1-k8s-web-eth0"
    assert [str(network) for network in stored.spec.ip_networks] == [f"{four}/32", f"{six}/128"]
    assert (stored.spec.interface_name, stored.spec.container_id) == (answer.device, "web0123456789")
    assert journal(runtime.node) == [] and trouble(runtime.node) == []


def test_a_wrong_mac_on_the_nodes_end_is_noticed_by_a_ping(runtime: Runtime, netns: Namespace) -> None:
    pod = netns.another()
    answer = runtime.add("web", pod)
    runtime.node.end()
    ip("link", "set", answer.device, "address", "02:00:00:00:00:01")
    assert not pings(pod, "10.0.0.1")
    ip("link", "set", answer.device, "address", MAC)
    assert pings(pod, "10.0.0.1")


def test_two_pods_of_one_node_reach_each_other_without_a_bridge(runtime: Runtime, netns: Namespace) -> None:
    one, two = netns.another(), netns.another()
    first, second = runtime.add("one", one), runtime.add("two", two)
    for there, back in zip(first.addresses, second.addresses, strict=True):
        assert pings(two, there) and pings(one, back)
    assert ip("link", "show", "type", "bridge") == ""


def test_del_leaves_nothing(runtime: Runtime, netns: Namespace) -> None:
    pod = netns.another()
    before = ip("route"), ip("-6", "route"), ip("neigh", "show", "nud", "permanent")
    runtime.add("web", pod)
    assert runtime.call("DEL", "web", pod).code == 0
    until(lambda: not devices())
    assert (ip("route"), ip("-6", "route"), ip("neigh", "show", "nud", "permanent")) == before
    assert [link["ifname"] for link in rows(pod, "link")] == ["lo"]
    assert endpoints(runtime.node) == {} and in_use(runtime.node) == 0 and trouble(runtime.node) == []
    until(lambda: not journal(runtime.node))


def test_add_twice_answers_the_same_and_del_twice_succeeds(runtime: Runtime, netns: Namespace) -> None:
    pod = netns.another()
    first, second = runtime.add("web", pod), runtime.add("web", pod)
    assert first.json == second.json
    assert runtime.call("CHECK", "web", pod).code == 0
    assert [runtime.call("DEL", "web", pod).code for _ in range(2)] == [0, 0]
    assert runtime.call("DEL", "never-there", "").code == 0
    assert runtime.call("CHECK", "web", pod).json["code"] == 3


def test_a_container_that_loses_its_interface_and_gets_it_back_keeps_it(runtime: Runtime, netns: Namespace) -> None:
    inside = netns.another()
    runtime.add("web", inside)
    assert runtime.call("DEL", "web", inside).code == 0
    again = runtime.add("web", inside)
    time.sleep(0.3)  # by then the datastore has shown the new endpoint, and long before the removal of the old one
    assert pings(inside, "10.0.0.1")
    assert routes() == [f"{again.addresses[0]} dev {again.device} proto 80 scope link"]


def test_a_pods_next_container_takes_over_and_the_old_one_takes_nothing_away(
    runtime: Runtime, netns: Namespace
) -> None:
    old, new = netns.another(), netns.another()
    before = runtime.add("web", old, "old111")
    after = runtime.add("web", new, "new222")
    assert after.device == before.device and after.addresses != before.addresses
    assert runtime.call("DEL", "web", old, "old111").code == 0
    time.sleep(0.3)
    assert devices() == [after.device] and pings(netns, after.addresses[0])
    assert in_use(runtime.node) == 2 and trouble(runtime.node) == []


def test_many_pods_at_once_have_addresses_of_their_own(runtime: Runtime, netns: Namespace) -> None:
    pods = {f"p{number}": netns.another() for number in range(20)}
    plugins = [runtime.start("ADD", name, path_of(pod)) for name, pod in pods.items()]
    answers = [runtime.ended(plugin) for plugin in plugins]
    assert [answer.code for answer in answers] == [0] * 20
    assert len({address for answer in answers for address in answer.addresses}) == 40
    assert all(pings(netns, answer.addresses[0]) for answer in answers)
    plugins = [runtime.start("DEL", name, path_of(pod)) for name, pod in pods.items()]
    assert [runtime.ended(plugin).code for plugin in plugins] == [0] * 20
    until(lambda: not devices())
    assert in_use(runtime.node) == 0 and trouble(runtime.node) == []


@pytest.mark.parametrize("version", ["0.3.1", "0.4.0", "1.0.0", "1.1.0"])
def test_every_version_is_answered_in_its_own_shape(runtime: Runtime, netns: Namespace, version: str) -> None:
    runtime.config["cniVersion"] = version
    answer = runtime.add("web", netns.another()).json
    assert answer["cniVersion"] == version
    assert ("version" in answer["ips"][0]) is version.startswith("0.")
    assert ("mtu" in answer["interfaces"][1]) is (version == "1.1.0")
    assert version in runtime.call("VERSION", "web").json["supportedVersions"]


def test_ipv6_is_switched_on_where_the_runtime_switched_it_off(runtime: Runtime, netns: Namespace) -> None:
    pod = netns.another()
    for scope in ("all", "default"):
        pod.inside(lambda scope=scope: Path(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6").write_text("1"))  # type: ignore[misc]
    answer = runtime.add("web", pod)
    assert pings(netns, answer.addresses[1])


def test_a_deletion_while_no_agent_runs_is_carried_out_by_the_next_one(runtime: Runtime, netns: Namespace) -> None:
    pod = netns.another()
    runtime.add("web", pod)
    runtime.node.end()
    assert runtime.call("DEL", "web", pod).code == 0
    assert in_use(runtime.node) == 2
    runtime.node.start()
    until(lambda: not devices() and not in_use(runtime.node))
    assert endpoints(runtime.node) == {} and trouble(runtime.node) == []
    assert list((runtime.node.folder / "state" / "cni" / "tombstones").iterdir()) == []


def test_an_add_waits_for_an_agent_that_is_being_restarted(runtime: Runtime, netns: Namespace) -> None:
    pod = netns.another()
    runtime.node.end()
    plugin = runtime.start("ADD", "web", path_of(pod))
    time.sleep(0.3)
    runtime.node.start()
    assert runtime.ended(plugin).code == 0
    assert trouble(runtime.node) == []


def test_the_static_plugin_attaches_and_detaches_as_well(runtime: Runtime, netns: Namespace, tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler (cc) to build the shim")
    program = tmp_path / "felixpy-cni"
    subprocess.run([compiler, "-O2", "-static", "-o", str(program), str(SHIM)], check=True)
    pod = netns.another()
    expected = runtime.add("web", pod).json
    runtime.program = (str(program),)
    assert runtime.add("web", pod).json == expected
    other = netns.another()
    answer = runtime.add("db", other)
    assert all(pings(netns, address) for address in answer.addresses)
    assert [runtime.call("DEL", name, where).code for name, where in (("web", pod), ("db", other))] == [0, 0]
    until(lambda: not devices())
    assert in_use(runtime.node) == 0 and trouble(runtime.node) == []


def test_two_interfaces_of_one_pod_are_both_reached_and_go_one_by_one(runtime: Runtime, netns: Namespace) -> None:
    pod = netns.another()
    first = runtime.add("web", pod)
    second = runtime.call("ADD", "web", pod, interface="net1")
    assert second.code == 0, second.text
    assert first.device != second.device and not set(first.addresses) & set(second.addresses)
    for address in (*first.addresses, *second.addresses):
        netns.run("ping", "-c1", "-W2", address)
    assert [route["dev"] for route in rows(pod, "route", "show", "default")] == ["eth0"]
    assert runtime.call("CHECK", "web", pod).code == 0
    assert runtime.call("CHECK", "web", pod, interface="net1").code == 0
    assert runtime.call("DEL", "web", pod, interface="net1").code == 0
    for address in first.addresses:
        netns.run("ping", "-c1", "-W2", address)
    third = runtime.add("other", netns.another())
    assert not set(third.addresses) & set(first.addresses)
    assert runtime.call("DEL", "web", pod).code == 0
    assert list(endpoints(runtime.node)) == ["default/n1-k8s-other-eth0"] and trouble(runtime.node) == []


def test_gc_removes_what_the_runtime_does_not_know(runtime: Runtime, netns: Namespace) -> None:
    runtime.add("kept", netns.another(), "kept1")
    runtime.add("lost", netns.another(), "lost1")
    runtime.config["cni.dev/valid-attachments"] = [{"containerID": "kept1", "ifname": "eth0"}]
    assert runtime.call("GC", "any").code == 0
    assert [endpoint.spec.pod for endpoint in endpoints(runtime.node).values()] == ["kept"]
    assert in_use(runtime.node) == 2 and trouble(runtime.node) == []


def test_status_says_whether_pods_can_be_attached(runtime: Runtime) -> None:
    assert runtime.call("STATUS", "any").code == 0
    apply(runtime.node, document("IPPool", "four", cidr="10.65.0.0/24", blockSize=28, disabled=True))
    apply(runtime.node, document("IPPool", "six", cidr="fd00:65::/112", disabled=True))
    until(lambda: runtime.call("STATUS", "any").json.get("code") == 50)


def test_an_agent_killed_while_pods_arrive_leaves_nothing_half_done(runtime: Runtime, netns: Namespace) -> None:
    pods = {f"p{number}": netns.another() for number in range(16)}
    plugins = {name: runtime.start("ADD", name, path_of(pod)) for name, pod in pods.items()}
    until(lambda: len(devices()) >= 4)
    runtime.node.agents[-1].kill()
    runtime.node.agents[-1].wait()
    runtime.node.start()
    answers = {name: runtime.ended(plugin) for name, plugin in plugins.items()}
    assert {answer.json.get("code", 11) for answer in answers.values()} == {11}, "done, or to be tried again"
    until(lambda: not journal(runtime.node))
    for name, answer in answers.items():
        if answer.code == 0:
            assert pings(netns, answer.addresses[0])
        else:
            assert runtime.call("DEL", name, pods[name]).code == 0
    done = sum(answer.code == 0 for answer in answers.values())
    until(lambda: len(devices()) == done)
    assert (in_use(runtime.node), trouble(runtime.node)) == (2 * done, [])


def test_felixpy_ipam_says_what_the_books_say(runtime: Runtime, netns: Namespace) -> None:
    address = runtime.add("web", netns.another()).addresses[0]

    def felixpy(*words: str) -> "subprocess.CompletedProcess[str]":
        program = [*runtime.program[:3], *words]
        return subprocess.run(
            program, check=False, env=runtime.node.environment, capture_output=True, text=True, timeout=20
        )

    shown = json.loads(felixpy("ipam", "show", "--show-blocks", "-o", "json").stdout)["usage"]
    assert [(u["grouping"], u["used"], u["free"]) for u in shown] == [
        ("IP Pool", 1, 255), ("Block", 1, 15), ("IP Pool", 1, 65535), ("Block", 1, 63),
    ]  # fmt: skip
    assert json.loads(felixpy("ipam", "why", address, "-o", "json").stdout)["endpoints"] == [
        "default/n1-k8s-web-eth0"
    ]
    assert felixpy("ipam", "check").returncode == 0
    refused = felixpy("ipam", "release", address)
    assert refused.returncode == 1 and "in use by default/n1-k8s-web-eth0" in refused.stderr
    assert felixpy("ipam", "release", address, "--force").returncode == 0
    planted = felixpy("ipam", "check")
    assert planted.returncode == 1 and "its block says it is free" in planted.stdout
    assert felixpy("ipam", "why", "nonsense").returncode == 2
