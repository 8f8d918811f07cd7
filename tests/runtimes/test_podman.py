"""podman with its CNI backend and felixpy as its network: host ports, twenty at once, podman killed."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.cluster.images import BUSYBOX
from tests.runtimes.host import UPLINK, Host, missing, until

pytestmark = [
    pytest.mark.root,
    pytest.mark.timeout(240),
    pytest.mark.skipif(bool(missing("podman", "runc", "conmon")), reason=missing("podman", "runc", "conmon")),
]

FILES = {
    "/etc/containers/containers.conf": """
[network]
network_backend = "cni"
cni_plugin_dirs = ["/opt/cni/bin"]
default_network = "k8s-pod-network"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
""",
    "/etc/containers/storage.conf": """
[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"
""",
    "/etc/containers/policy.json": '{"default": [{"type": "insecureAcceptAnything"}]}',
}
PAGE = 'mkdir /www; echo "$0" > /www/index.html; exec httpd -f -p 80 -h /www'


@pytest.fixture(scope="module")
def podman(machine: Host, image: Path) -> Host:
    for path, text in FILES.items():
        machine.write(path, text)
    machine.load("podman", "load", file=image)
    return machine


def nat(machine: Host) -> list[str]:
    """The rules of portmap for a container."""
    return [line for line in machine.run("iptables", "-t", "nat", "-S").splitlines() if "CNI-DN" in line]


def test_a_host_port_leads_from_outside_into_the_pod_and_goes_with_it(podman: Host) -> None:
    before = set(nat(podman))  # what a podman that was killed has left: portmap knows no GC of ours
    web = ("--name", "web", "-p", "8080:80", BUSYBOX, "sh", "-c", PAGE, "hello")
    podman.run("podman", "run", "-d", f"--cgroup-parent={podman.group}", *web)
    got = until(lambda: podman.client("curl", "-s", "--max-time", "3", f"http://{UPLINK}:8080/").stdout)
    assert got == "hello\n"
    (endpoint,) = podman.listed("workloadendpoints")
    assert endpoint["spec"]["pod"] == "web"
    address = endpoint["spec"]["ipNetworks"][0].partition("/")[0]
    assert podman.client("curl", "-s", "--max-time", "3", f"http://{address}/").stdout == "hello\n", (
        "by its own address"
    )
    assert set(nat(podman)) > before
    podman.run("podman", "rm", "-f", "-t", "0", "web")
    until(lambda: not podman.left())
    until(lambda: set(nat(podman)) == before)
    assert podman.client("curl", "-s", "--max-time", "1", f"http://{UPLINK}:8080/").returncode != 0


def started(machine: Host, name: str, *flags: str) -> "subprocess.Popen[bytes]":
    podman = ("podman", "run", "-d", f"--cgroup-parent={machine.group}", "--name", name)
    command = machine.command(*podman, *flags, BUSYBOX, "sleep", "300")
    with (machine.folder / "podman.log").open("ab") as log:
        return subprocess.Popen(command, env=machine.env, stdout=subprocess.DEVNULL, stderr=log)


def test_twenty_at_once_with_host_ports_leave_nothing(podman: Host) -> None:
    before = set(nat(podman))
    twenty = [started(podman, f"p{number}", "-p", f"{9000 + number}:80") for number in range(20)]
    assert [each.wait(120) for each in twenty] == [0] * 20, podman.logs()
    assert len({endpoint["spec"]["ipNetworks"][0] for endpoint in podman.listed("workloadendpoints")}) == 20
    podman.run("podman", "rm", "-f", "-t", "0", "-a")
    until(lambda: not podman.left())
    until(lambda: set(nat(podman)) == before)


def test_podman_killed_in_the_middle_leaks_nothing_that_garbage_collection_does_not_find(podman: Host) -> None:
    """A podman that dies between ADD and its own note of it never calls DEL: its namespace stays, and what is in it.

    What puts that right is the specification's GC: all attachments but those that the runtime still knows.
    """
    middle = [started(podman, f"k{number}", "-p", f"{9100 + number}:80") for number in range(12)]
    until(lambda: len(podman.listed("workloadendpoints")) >= 3, 60)
    assert podman.kill("podman") > 0
    for each in middle:
        each.wait(60)
    until(lambda: removed(podman), 60)
    config = {"cniVersion": "1.1.0", "name": "k8s-pod-network", "type": "felixpy", "cni.dev/valid-attachments": []}
    podman.run("env", "CNI_COMMAND=GC", "CNI_PATH=/opt/cni/bin", "/opt/cni/bin/felixpy", given=json.dumps(config))
    for name in podman.run("ls", "/run/netns").split():
        if name != "outside":
            podman.run("ip", "netns", "delete", name)
    until(lambda: not podman.left())
    podman.run(
        "podman",
        "run",
        "--rm",
        f"--cgroup-parent={podman.group}",
        "--cap-add=net_raw",
        BUSYBOX,
        "ping",
        "-c1",
        UPLINK,
    )
    until(lambda: not podman.left())


def removed(machine: Host) -> bool:
    """Whether podman has no containers left. Its own leftovers of a kill take several attempts (shm is busy)."""
    machine.try_run("podman", "rm", "-f", "-t", "0", "-a")
    return not machine.run("podman", "ps", "-aq").split()
