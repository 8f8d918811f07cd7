"""What a runtime, a disk and an administrator can do wrong: one clear answer each, and nothing left behind."""

import json
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from felixpy.daemon.unix import short_address
from tests.namespaces import Namespace
from tests.netns.agent_process import Node, ip, node, until
from tests.netns.cni_plugin import Answer, Runtime, apply, devices, document, in_use, journal, path_of, pings, trouble

POOL = document("IPPool", "four", cidr="10.65.0.0/30", blockSize=30)


@pytest.fixture
def runtime(netns: Namespace, tmp_path: Path) -> Iterator[Runtime]:
    """A node with an address and no pool yet."""
    with node(tmp_path) as made:
        netns.run("ip", "address", "add", "10.0.0.1/32", "dev", "lo")
        apply(made, document("Node", "n1"), document("IPAMConfig", "default", strictAffinity=True))
        made.start()
        yield Runtime(made)


def nothing_is_left(node: Node) -> None:
    assert (devices(), journal(node), in_use(node), trouble(node)) == ([], [], 0, [])
    assert ip("route", "show", "proto", "80") == ""


def raw(runtime: Runtime, stdin: bytes, **env: str) -> Answer:
    """The plugin with this stdin and with or without these variables."""
    given = {"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "c1", "CNI_IFNAME": "eth0", "CNI_NETNS": "/nowhere", **env}
    done = subprocess.run(
        runtime.program,
        check=False,
        env={**runtime.node.environment, **{key: value for key, value in given.items() if value}},
        input=stdin,
        capture_output=True,
        timeout=20,
    )
    return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())


GOOD = json.dumps({"cniVersion": "1.0.0", "name": "k8s-pod-network", "type": "felixpy"}).encode()


@pytest.mark.parametrize(
    ("stdin", "env", "code", "says"),
    [
        (b"{", {}, 6, "no JSON"),
        (b"", {"CNI_CONTAINERID": ""}, 4, "CNI_CONTAINERID not set"),
        (GOOD, {"CNI_IFNAME": ""}, 4, "CNI_IFNAME not set"),
        (GOOD, {"CNI_NETNS": ""}, 4, "CNI_NETNS not set"),
        (GOOD, {"CNI_COMMAND": "EAT"}, 4, "CNI_COMMAND is 'EAT'"),
        (GOOD, {"CNI_COMMAND": ""}, 4, "CNI_COMMAND is ''"),
        (GOOD, {}, 3, "/nowhere cannot be opened"),
        (GOOD, {"CNI_NETNS": "/etc/hostname"}, 3, "is no network namespace"),
        (GOOD, {"CNI_NETNS": "/proc/self/ns/uts"}, 3, "is no network namespace"),
        (GOOD.replace(b"1.0.0", b"9.9.9"), {}, 1, "this plugin speaks"),
    ],
)
def test_a_wrong_call_is_one_clear_error(
    runtime: Runtime, stdin: bytes, env: dict[str, str], code: int, says: str
) -> None:
    answer = raw(runtime, stdin, **env)
    assert (answer.code, answer.json["code"], answer.stderr) == (1, code, "")
    assert says in f"{answer.json['msg']}: {answer.json.get('details')}"
    nothing_is_left(runtime.node)


@pytest.mark.parametrize(
    ("pools", "says"),
    [
        ([], "no IPv4 pool serves this request: there is none"),
        ([{"disabled": True}], "pool four: it is disabled"),
        ([{"ipipMode": "Always"}], "ipipMode is Always: there is no encapsulation here"),
        ([{"nodeSelector": "rack == 'r9'"}], "nodeSelector \"rack == 'r9'\" does not select this node"),
        ([{"assignmentMode": "Manual"}], "only when it is asked for by name"),
    ],
)
def test_without_a_pool_that_serves_the_reason_is_said(
    runtime: Runtime, netns: Namespace, pools: list[dict[str, Any]], says: str
) -> None:
    for fields in pools:
        apply(runtime.node, document("IPPool", "four", cidr="10.65.0.0/26", **fields))
    answer = runtime.call("ADD", "web", netns.another())
    assert (answer.code, answer.json["code"]) == (1, 100)
    assert says in answer.json["details"]
    until(lambda: not devices())
    nothing_is_left(runtime.node)


def test_a_full_pool_refuses_one_pod_and_keeps_the_others(runtime: Runtime, netns: Namespace) -> None:
    apply(runtime.node, POOL)
    pods = [netns.another() for _ in range(5)]
    answers = [runtime.call("ADD", f"p{number}", pod) for number, pod in enumerate(pods)]
    assert [answer.code for answer in answers] == [0, 0, 0, 0, 1]
    assert answers[4].json["code"] == 100
    assert "No IPs available in pools: [10.65.0.0/30]" in answers[4].json["details"]
    assert runtime.call("DEL", "p0", pods[0]).code == 0
    assert runtime.add("p5", pods[4]).addresses == answers[0].addresses
    until(lambda: len(devices()) == 4)
    assert (in_use(runtime.node), trouble(runtime.node)) == (4, [])


def test_an_interface_of_that_name_in_the_pod_is_refused_and_rolled_back(runtime: Runtime, netns: Namespace) -> None:
    apply(runtime.node, POOL)
    pod = netns.another()
    pod.run("ip", "link", "add", "eth0", "type", "bridge")
    answer = runtime.call("ADD", "web", pod)
    assert (answer.code, answer.json["code"]) == (1, 101)
    until(lambda: not devices())
    nothing_is_left(runtime.node)
    assert runtime.add("web", netns.another()).addresses == ["10.65.0.1"]


def test_a_route_that_somebody_else_holds_is_named_and_the_pod_rolled_back(
    runtime: Runtime, netns: Namespace
) -> None:
    apply(runtime.node, POOL)
    ip("route", "add", "10.65.0.0/32", "dev", "lo", "proto", "static")
    answer = runtime.call("ADD", "web", netns.another())
    assert (answer.code, answer.json["code"]) == (1, 101)
    assert "static" in answer.json["details"]
    until(lambda: not devices())
    nothing_is_left(runtime.node)
    assert "10.65.0.0 dev lo proto static" in ip("route")


def test_a_block_that_turned_to_garbage_is_named_and_untouched(runtime: Runtime, netns: Namespace) -> None:
    apply(runtime.node, POOL)
    runtime.add("web", netns.another())
    path = runtime.node.store / "ipamblocks" / "10-65-0-0-30.yaml"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    answer = runtime.call("ADD", "db", netns.another())
    assert answer.code == 1
    assert "10-65-0-0-30.yaml" in json.dumps(answer.json)
    assert path.read_bytes() == whole[: len(whole) // 2]
    path.write_bytes(whole)
    assert runtime.call("ADD", "db", netns.another()).code == 0
    until(lambda: trouble(runtime.node) == [])


def test_garbage_on_the_socket_does_not_stop_the_agent(runtime: Runtime, netns: Namespace) -> None:
    apply(runtime.node, POOL)
    for garbage in (
        b"",
        b"GET / HTTP/1.0\r\n\r\n",
        b"x" * 5000,
        b"felixpy-cni 1 99 99\nshort",
        b"felixpy-cni 1 1 1\n",
    ):
        with socket.socket(socket.AF_UNIX) as agent, short_address(runtime.node.folder / "run" / "cni.sock") as where:
            agent.connect(where)
            socket.send_fds(agent, [garbage], [0, 0, 0])
    assert runtime.add("web", netns.another()).code == 0
    assert (runtime.node.folder / "run" / "cni.sock").stat().st_mode & 0o777 == 0o600


def test_a_full_disk_refuses_pods_until_there_is_room_again(netns: Namespace, tmp_path: Path) -> None:
    netns.run("ip", "address", "add", "10.0.0.1/32", "dev", "lo")
    with node(tmp_path) as made:
        apply(made, document("Node", "n1"), document("IPAMConfig", "default", strictAffinity=True), POOL)
        start_on_a_small_disk(made)
        runtime = Runtime(made)
        first = runtime.add("one", netns.another())
        inside = ("nsenter", f"--target={made.agents[-1].pid}", "--mount", "--")
        ballast = made.store / "ballast"
        subprocess.run([*inside, "sh", "-c", f"cat /dev/zero > {ballast}"], check=False, capture_output=True)
        refused = runtime.call("ADD", "two", netns.another())
        assert (refused.code, refused.json["code"]) == (1, 11)
        assert "No space left on device" in refused.json["details"]
        assert pings(netns, first.addresses[0])
        subprocess.run([*inside, "rm", str(ballast)], check=True)
        assert runtime.call("DEL", "two", "").code == 0
        again = runtime.add("two", netns.another())
        assert again.addresses != first.addresses
        until(lambda: len(devices()) == 2)
        check = [*inside, sys.executable, "-m", "felixpy", "ipam", "check"]
        done = subprocess.run(check, check=False, env=made.environment, capture_output=True, text=True, timeout=20)
        assert (done.returncode, done.stdout) == (0, ""), done.stdout + made.log.read_text()


def start_on_a_small_disk(made: Node) -> None:
    """The agent in a mount namespace of its own, its store on a file system of 400 KiB."""
    script = (
        f"cp -a {made.store} {made.store}.was && mount -t tmpfs -o size=400k none {made.store} && "
        f"cp -a {made.store}.was/. {made.store}/ && exec {sys.executable} -m felixpy run"
    )
    with made.log.open("ab") as log:
        command = ["unshare", "--mount", "sh", "-c", script]
        made.agents.append(subprocess.Popen(command, env=made.environment, stderr=log))
    until(made.ready)


def test_a_state_folder_that_is_no_folder_refuses_pods_and_does_not_end_the_agent(
    netns: Namespace, tmp_path: Path
) -> None:
    netns.run("ip", "address", "add", "10.0.0.1/32", "dev", "lo")
    with node(tmp_path) as made:
        apply(made, document("Node", "n1"), document("IPAMConfig", "default", strictAffinity=True), POOL)
        (made.folder / "state").write_text("a file where the folder should be")
        made.start()
        refused = Runtime(made).call("ADD", "web", netns.another())
        assert (refused.code, refused.json["code"]) == (1, 11)
        assert "the journal cannot be written" in refused.json["details"]
        (made.folder / "state").unlink()
        assert Runtime(made).call("ADD", "web", netns.another()).code == 0
        assert len(made.lines("tombstones not heeded")) == 1
        assert made.agents[-1].poll() is None


def test_more_calls_than_descriptors_wait_and_are_answered(runtime: Runtime, netns: Namespace) -> None:
    apply(runtime.node, document("IPPool", "four", cidr="10.65.0.0/26"))
    pid = runtime.node.agents[-1].pid
    open_now = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (open_now + 12, hard))
    pods = [netns.another() for _ in range(12)]
    plugins = [runtime.start("ADD", f"p{number}", path_of(pod)) for number, pod in enumerate(pods)]
    answers = [runtime.ended(plugin) for plugin in plugins]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
    assert runtime.node.agents[-1].poll() is None
    assert runtime.add("late", netns.another()).code == 0
    for number, answer in enumerate(answers):
        assert answer.code == 0 or answer.json["code"] in (3, 11, 101, 999)
        assert runtime.call("DEL", f"p{number}", pods[number]).code == 0
    until(lambda: len(devices()) == 1)
    assert (in_use(runtime.node), trouble(runtime.node)) == (1, [])
