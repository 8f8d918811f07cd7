"""containerd with felixpy as its network, by `ctr run --cni`: one container, fifty at once, containerd killed."""

import subprocess
import time
from pathlib import Path

import pytest

from tests.cluster.images import BUSYBOX
from tests.runtimes.host import UPLINK, Host, missing, until

pytestmark = [
    pytest.mark.root,
    pytest.mark.timeout(240),
    pytest.mark.skipif(bool(missing("containerd", "ctr", "runc")), reason=missing("containerd", "ctr", "runc")),
]

CONFIG = """version = 2
oom_score = 0
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]
"""
MANY = 50
PING = f"ping -c1 -W2 {UPLINK}"


@pytest.fixture(scope="module")
def containerd(machine: Host, image: Path) -> Host:
    machine.write("/etc/containerd/config.toml", CONFIG)
    start(machine)
    machine.load("ctr", "images", "import", "-", file=image)
    return machine


def container(machine: Host, name: str, *command: str) -> list[str]:
    """The words that run a container in the foreground."""
    return ["ctr", "run", "--rm", "--cni", f"--cgroup={machine.group}/{name}", BUSYBOX, name, *command]


def start(machine: Host) -> None:
    machine.start("containerd", "-c", "/etc/containerd/config.toml")
    until(lambda: machine.try_run("ctr", "version").returncode == 0)


def started(machine: Host, name: str, *command: str) -> "subprocess.Popen[str]":
    """A container in the foreground of a ctr that runs on."""
    pipe = subprocess.PIPE
    return subprocess.Popen(
        machine.command(*container(machine, name, *command)), env=machine.env, stdin=subprocess.DEVNULL, stdout=pipe,
        stderr=pipe, text=True,
    )  # fmt: skip


def test_a_container_has_an_address_and_reaches_the_node_and_leaves_nothing(containerd: Host) -> None:
    said = containerd.run(*container(containerd, "one", "sh", "-c", f"ip -4 -o addr show eth0; ip route; {PING}"))
    assert "inet 10.65.0." in said and "default via 169.254.1.1 dev eth0" in said
    assert ", 0% packet loss" in said
    until(lambda: not containerd.left())


def test_containers_whose_names_begin_alike_do_not_take_each_others_interface(containerd: Host) -> None:
    alike = [started(containerd, f"container-with-a-long-name-{number}", "sleep", "20") for number in range(2)]
    try:
        until(lambda: len(containerd.listed("workloadendpoints")) == 2)
        until(lambda: len(containerd.run("ip", "route", "show", "proto", "80").splitlines()) == 2)
        assert all(ctr.poll() is None for ctr in alike)
        seen = containerd.left()
        assert len(seen["interfaces"]) == len(seen["routes"]) == 2 and seen["addresses"] == 2, seen
    finally:
        containerd.kill("sleep")
        for ctr in alike:
            ctr.communicate(timeout=30)
    until(lambda: not containerd.left())


def test_fifty_at_once_have_fifty_addresses_and_leave_none(containerd: Host) -> None:
    began = time.monotonic()
    fifty = [started(containerd, f"c{number}", "ip", "-4", "-o", "addr", "show", "eth0") for number in range(MANY)]
    said = [(ctr.communicate(timeout=120), ctr.returncode) for ctr in fifty]
    assert {code for _, code in said} == {0}, [errors for (_, errors), code in said if code] + [containerd.logs()]
    addresses = {output.split("inet ")[1].split("/")[0] for (output, _), _ in said}
    assert len(addresses) == MANY
    until(lambda: not containerd.left())
    print(f"{MANY} containers started and removed in {time.monotonic() - began:.1f} s")


def test_containerd_killed_in_the_middle_leaks_nothing(containerd: Host) -> None:
    count = 20
    middle = [started(containerd, f"k{number}", "sleep", "60") for number in range(count)]
    until(lambda: len(containerd.listed("workloadendpoints")) >= 5, 60)
    assert containerd.kill("containerd") == 1
    start(containerd)
    containerd.kill("sleep")  # those that run on without containerd
    for ctr in middle:
        ctr.communicate(timeout=60)
    until(lambda: not containerd.left())
    said = containerd.run(*container(containerd, "after", "sh", "-c", PING))
    assert ", 0% packet loss" in said
    until(lambda: not containerd.left())
