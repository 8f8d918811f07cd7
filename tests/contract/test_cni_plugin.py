"""The plugin, in Python and in C: both say the same to the agent, do what it says, and end alike without one."""

import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from felixpy.cni import twin, wire
from felixpy.daemon import paths
from felixpy.daemon.unix import bound
from tests.namespaces import CLONE_NEWNET, LIBC, Namespace, netns

__all__ = ["netns"]

SHIM = Path(wire.__file__).with_name("shim.c")
CONFIG = json.dumps({"cniVersion": "1.0.0", "name": "k8s-pod-network", "type": "felixpy"}).encode()
ADD = {"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "c1", "CNI_IFNAME": "eth0", "CNI_NETNS": "/nowhere"}


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler (cc) to build the shim")
    program = tmp_path_factory.mktemp("shim") / "felixpy-cni"
    subprocess.run(
        [compiler, "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-o", str(program), str(SHIM)], check=True
    )
    return program


@pytest.fixture(params=["felixpy cni", "twin", "shim"])
def program(request: pytest.FixtureRequest) -> list[str]:
    match request.param:
        case "felixpy cni":
            return [sys.executable, "-m", "felixpy", "cni"]
        case "twin":
            return [sys.executable, "-I", "-S", str(SHIM.with_name("__main__.py"))]
        case _:
            return [str(request.getfixturevalue("compiled"))]


@dataclass
class FakeAgent:
    """What came, and what it says."""

    folder: Path
    says: bytes
    came: list[bytes] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    replies: bytes = b""

    def serve(self) -> None:
        with bound(self.folder / "cni.sock") as listener:
            listener.setblocking(True)
            listener.listen(1)
            plugin, _ = listener.accept()
            with plugin:
                plugin.settimeout(5)
                message, lent, _, _ = socket.recv_fds(plugin, 1 << 16, 8)
                head, _, rest = message.partition(b"\n")
                while len(rest) < sum(wire.sizes(head)):
                    rest += plugin.recv(1 << 16)
                self.came.append(head + b"\n" + rest)
                self.descriptors += lent
                lines = self.says.split(b"\n")
                for line in [line for line in lines if line.startswith(b"write")]:
                    plugin.sendall(line + b"\n")
                    self.replies += plugin.recv(100)
                plugin.sendall(self.says[self.says.find(b"exit") :] if b"exit" in self.says else b"")


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Callable[[bytes], FakeAgent]]:
    threads = []

    def start(says: bytes) -> FakeAgent:
        made = FakeAgent(tmp_path, says)
        threads.append(threading.Thread(target=made.serve))
        threads[-1].start()
        return made

    yield start
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def run(program: list[str], folder: Path, env: dict[str, str], stdin: bytes = CONFIG) -> tuple[int, str]:
    whole = {**env, "FELIXPY_RUN_DIR": str(folder), "FELIXPY_STATE_DIR": str(folder / "state"), "PATH": "/usr/bin"}
    done = subprocess.run(program, check=False, env=whole, input=stdin, capture_output=True, timeout=30)
    assert done.stderr == b""
    return done.returncode, done.stdout.decode()


def test_version_needs_no_agent(program: list[str], tmp_path: Path) -> None:
    for stdin, version in ((CONFIG, "1.0.0"), (b"", "1.1.0"), (b'{"cniVersion": "7"}', "1.1.0")):
        code, output = run(program, tmp_path, {"CNI_COMMAND": "VERSION"}, stdin)
        assert (code, json.loads(output)) == (
            0,
            {"cniVersion": version, "supportedVersions": ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]},
        )


@pytest.mark.parametrize(("code", "answer"), [(0, b'{"ips": []}\n'), (1, b'{"code": 7}\n'), (0, b"")])
def test_the_agents_answer_and_code_are_the_plugins(
    program: list[str], tmp_path: Path, agent: Callable[[bytes], FakeAgent], code: int, answer: bytes
) -> None:
    made = agent(wire.exit_line(code, answer))
    until_listening(tmp_path)
    assert run(program, tmp_path, ADD) == (code, answer.decode())
    assert wire.parse(made.came[0]) == (ADD, CONFIG)
    assert made.descriptors == []


def test_a_long_configuration_arrives_whole(
    program: list[str], tmp_path: Path, agent: Callable[[bytes], FakeAgent]
) -> None:
    long = CONFIG[:-1] + b', "filler": "' + b"x" * 500_000 + b'"}'
    made = agent(wire.exit_line(0, b""))
    until_listening(tmp_path)
    assert run(program, tmp_path, ADD, long) == (0, "")
    assert wire.parse(made.came[0])[1] == long


def test_namespace_and_socket_are_lent_and_settings_written_in_there(
    program: list[str], tmp_path: Path, agent: Callable[[bytes], FakeAgent], netns: Namespace
) -> None:
    pod = netns.another()
    orders = [
        wire.write_line("net/ipv6/conf/lo/accept_dad", "0"),
        wire.write_line("kernel/core_pattern", "x"),
        wire.write_line("net/../kernel/core_pattern", "x"),
        wire.write_line("net/no/such/setting", "1"),
    ]
    made = agent(b"".join(orders) + wire.exit_line(0, b""))
    until_listening(tmp_path)
    named = tmp_path / "ns"
    named.symlink_to(f"/proc/{threading.get_native_id()}/fd/{pod.fd}")
    assert run(program, tmp_path, {**ADD, "CNI_NETNS": str(named)}) == (0, "")
    assert made.replies == b"done\nfailed 1\nfailed 1\nfailed 2\n"
    setting = Path("/proc/sys/net/ipv6/conf/lo/accept_dad")
    assert pod.inside(setting.read_text) == "0\n" != setting.read_text()
    namespace, netlink = made.descriptors
    with socket.socket(fileno=netlink) as lent:
        assert (lent.family, lent.proto) == (socket.AF_NETLINK, 0)
    here = LIBC.setns(namespace, CLONE_NEWNET)
    assert here == 0 and setting.read_text() == "0\n"
    LIBC.setns(netns.fd, CLONE_NEWNET)


def until_listening(folder: Path) -> None:
    while not (folder / "cni.sock").exists():
        time.sleep(0.01)
    time.sleep(0.05)


def test_an_agent_that_hangs_up_means_try_again(
    program: list[str], tmp_path: Path, agent: Callable[[bytes], FakeAgent]
) -> None:
    agent(b"")
    until_listening(tmp_path)
    code, output = run(program, tmp_path, ADD)
    answer = json.loads(output)
    assert (code, answer["code"], answer["cniVersion"]) == (1, 11, "1.0.0")


def test_without_an_agent_add_waits_ten_seconds_and_says_try_again(program: list[str], tmp_path: Path) -> None:
    began = time.monotonic()
    code, output = run(program, tmp_path / "nobody", ADD)
    assert 9.0 < time.monotonic() - began < 12.0
    assert (code, json.loads(output)["code"]) == (1, 11)
    assert "does not answer" in json.loads(output)["msg"]


def test_without_an_agent_del_leaves_word_and_succeeds(program: list[str], tmp_path: Path) -> None:
    gone = {**ADD, "CNI_COMMAND": "DEL"}
    began = time.monotonic()
    assert run(program, tmp_path, gone) == (0, "")
    assert time.monotonic() - began < 3
    (word,) = (tmp_path / "state" / "cni" / "tombstones").iterdir()
    assert word.name == "c1@eth0"
    assert wire.parse(word.read_bytes()) == (gone, CONFIG)


@pytest.mark.parametrize("env", [{"CNI_CONTAINERID": ""}, {"CNI_CONTAINERID": "../../x"}, {"CNI_IFNAME": ""}])
def test_word_of_a_nameless_container_is_refused(program: list[str], tmp_path: Path, env: dict[str, str]) -> None:
    code, output = run(program, tmp_path, {**ADD, "CNI_COMMAND": "DEL", **env})
    assert (code, json.loads(output)["code"]) == (1, 4)
    assert not (tmp_path / "state").exists()


def test_the_shim_keeps_its_limit() -> None:
    assert len(SHIM.read_text().splitlines()) <= 200


def test_two_builds_of_the_shim_are_the_same_bytes(compiled: Path, tmp_path: Path) -> None:
    """Whoever builds it elsewhere, from another folder, gets what we ship."""
    source = tmp_path / "elsewhere" / "shim.c"
    source.parent.mkdir()
    shutil.copy(SHIM, source)
    flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-static"]
    again = tmp_path / "again"
    subprocess.run(["cc", *flags, "-o", str(again), source.name], check=True, cwd=source.parent)
    assert again.read_bytes() == compiled.read_bytes()


def test_the_twin_looks_where_the_other_commands_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FELIXPY_RUN_DIR", raising=False)
    monkeypatch.delenv("FELIXPY_STATE_DIR", raising=False)
    assert (str(paths.run_dir()), str(paths.state_dir())) == (twin.RUN_DIR, twin.STATE_DIR)
