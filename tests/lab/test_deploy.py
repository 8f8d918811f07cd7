"""Labs on the real kernel: what a topology asks for is there, and nothing is there when it is gone."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from felixpy.lab import namespaces as ns
from tests.lab.conftest import Labs

pytestmark = pytest.mark.lab

HOSTS = """
name: NAME
topology:
  kinds: {linux: {image: alpine}}
  nodes:
    a: {kind: linux, exec: [ip address add 10.1.0.1/24 dev eth1], env: {COLOUR: red}}
    b: {kind: linux, exec: [ip address add 10.1.0.2/24 dev eth1], sysctls: {net.ipv4.ip_forward: 0}}
    sw: {kind: bridge}
  links:
    - endpoints: ["a:eth1", "sw:p1"]
    - endpoints: ["b:eth1", "sw:p2"]
      mtu: 1400
    - endpoints: ["a:eth2", "b:eth2"]
      ipv4: [10.2.0.0/31, 10.2.0.1/31]
"""


def world() -> dict[str, set[str]]:
    """What a lab could leave behind on this machine: names, mounts, processes."""
    names = Path("/run/netns")
    inits = set()
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if "felixpy.lab.init" in process.read_text():
                inits.add(process.parent.name)
        except OSError:  # it has just ended
            continue
    return {
        "netns": {entry.name for entry in names.iterdir()} if names.is_dir() else set(),
        "mounts": {point for point, kind in ns.mounts() if kind == "nsfs"},
        "processes": inits,
    }


@pytest.fixture
def untouched(labs: Labs) -> Iterator[None]:
    """Nothing of this test's labs is left; other labs, which may come and go, are not looked at."""
    yield
    left = world()
    for name in labs.names:
        assert not [one for one in (*left["netns"], *left["mounts"]) if f"-{name}-" in one]


def test_hosts_reach_each_other_through_a_bridge_and_directly(labs: Labs) -> None:
    file = labs.write(HOSTS)
    labs.deploy(file)
    (name,) = labs.names
    assert "1 received" in labs.run(name, "a", "ping", "-c1", "-W2", "10.1.0.2")
    assert "1 received" in labs.run(name, "a", "ping", "-c1", "-W2", "10.2.0.1")
    assert labs.run(name, "b", "cat", "/sys/class/net/eth1/mtu") == "1400\n"
    assert labs.run(name, "b", "cat", "/proc/sys/net/ipv4/ip_forward") == "0\n"
    assert labs.run(name, "a", "sh", "-c", "echo $COLOUR; hostname; cat /etc/hostname") == "red\na\na\n"


def test_a_node_has_its_own_run_etc_and_processes(labs: Labs) -> None:
    labs.deploy(labs.write(HOSTS))
    (name,) = labs.names
    labs.run(name, "a", "sh", "-c", "echo x > /run/mine; echo x > /etc/mine; echo x > /tmp/mine-lab")
    assert labs.run(name, "b", "sh", "-c", "ls /run /tmp /etc | grep -c mine || true") == "0\n"
    assert not Path("/etc/mine").exists()
    assert not Path("/tmp/mine-lab").exists()
    processes = labs.run(name, "a", "ps", "-e", "-o", "pid=")
    assert processes.split()[0] == "1"
    assert len(processes.split()) < 5


def test_namespaces_are_named_as_containerlab_names_containers(labs: Labs) -> None:
    labs.deploy(labs.write("prefix: fl\n" + HOSTS.lstrip()))
    (name,) = labs.names
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout.split()
    assert {f"fl-{name}-a", f"fl-{name}-b", f"fl-{name}-sw"} <= set(listed)


def test_binds_appear_where_the_host_has_nothing(labs: Labs, tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "x").write_text("bound\n")
    file = labs.write("""
name: NAME
topology:
  nodes:
    a:
      kind: linux
      image: alpine
      binds:
        - conf/x:/opt/not/there/x:ro
        - conf:/data
        - __clabNodeDir__:/own
""")
    labs.deploy(file)
    (name,) = labs.names
    assert labs.run(name, "a", "cat", "/opt/not/there/x", "/data/x") == "bound\nbound\n"
    assert labs.felixpy("lab", "exec", "a", "--", "sh", "-c", "echo no > /opt/not/there/x").returncode != 0
    labs.run(name, "a", "sh", "-c", "echo yes > /data/y; echo mine > /own/z")
    assert (tmp_path / "conf" / "y").read_text() == "yes\n"
    assert not Path("/opt/not").exists()
    assert not Path("/data").exists()


def test_a_second_deployment_says_that_the_lab_is_up(labs: Labs) -> None:
    file = labs.write(HOSTS)
    labs.deploy(file)
    (name,) = labs.names

    def holders() -> set[str]:
        return {(place / "holder").read_text() for place in (labs.folder / name / "nodes").iterdir()}

    before = holders()
    assert "is up already" in labs.deploy(file)
    assert holders() == before
    labs.deploy(file, "--reconfigure")
    assert not holders() & before


def test_two_labs_at_once_do_not_meet(labs: Labs) -> None:
    first, second = labs.write(HOSTS), labs.write(HOSTS)
    labs.deploy(first)
    labs.deploy(second)
    one, two = labs.names
    assert "1 received" in labs.run(one, "a", "ping", "-c1", "-W2", "10.1.0.2")
    assert labs.felixpy("lab", "exec", "a", "--", "true").returncode == 2
    assert labs.felixpy("lab", "destroy", "--lab", one).returncode == 0
    assert "1 received" in labs.run(two, "a", "ping", "-c1", "-W2", "10.1.0.2")


@pytest.mark.usefixtures("untouched")
def test_destroy_leaves_nothing(labs: Labs) -> None:
    file = labs.write(HOSTS)
    labs.deploy(file)
    (name,) = labs.names
    holders = [int((place / "holder").read_text().split()[0]) for place in (labs.folder / name / "nodes").iterdir()]
    assert all(ns.start_time(pid) for pid in holders)
    assert labs.felixpy("lab", "destroy", "-t", str(file)).returncode == 0
    assert not any(ns.start_time(pid) for pid in holders)
    assert not labs.folder.exists()


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("seconds", [0.12, 0.2, 0.28, 0.4])
def test_a_deployment_killed_in_the_middle_is_removed_whole(labs: Labs, seconds: float) -> None:
    file = labs.write(HOSTS)
    mine = str(labs.folder)
    process = subprocess.Popen(
        [sys.executable, "-m", "felixpy", "lab", "deploy", "-t", str(file)], env=labs.env, stderr=subprocess.DEVNULL
    )
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
    labs.felixpy("lab", "destroy", "--all")
    time.sleep(0.2)  # a node that was just starting sees that its lab is gone, and ends
    left = [pid for pid in world()["processes"] if mine in Path(f"/proc/{pid}/cmdline").read_text()]
    assert left == []
    assert not labs.folder.exists()


def test_a_namespace_of_that_name_that_is_not_ours_is_never_touched(labs: Labs) -> None:
    file = labs.write(HOSTS)
    (name,) = labs.names
    foreign = f"clab-{name}-b"
    subprocess.run(["ip", "netns", "add", foreign], check=True)
    try:
        done = labs.felixpy("lab", "deploy", "-t", str(file))
        assert done.returncode == 1
        assert f"network namespace {foreign} exists already" in done.stderr
        labs.felixpy("lab", "destroy", "--all")
        assert Path("/run/netns", foreign).exists()
    finally:
        subprocess.run(["ip", "netns", "delete", foreign], check=True)


@pytest.mark.usefixtures("untouched")
def test_a_refused_topology_makes_nothing(labs: Labs) -> None:
    file = labs.write(HOSTS.replace("image: alpine", "image: alpine, binds: [absent.conf:/etc/x]"))
    done = labs.felixpy("lab", "deploy", "-t", str(file))
    assert done.returncode == 2
    assert "node a: binds:" in done.stderr
    assert "absent.conf does not exist" in done.stderr
    assert not labs.folder.exists()


@pytest.mark.usefixtures("untouched")
def test_a_link_that_the_kernel_refuses_takes_the_whole_lab_back(labs: Labs) -> None:
    file = labs.write(HOSTS.replace("ipv4: [10.2.0.0/31, 10.2.0.1/31]", "ipv6: ['::1/128', 'ff02::1/64']"))
    done = labs.felixpy("lab", "deploy", "-t", str(file))
    assert done.returncode == 1
    assert "ip address add" in done.stderr
    assert not labs.folder.exists()


def test_a_failing_exec_line_is_named_and_the_lab_stands(labs: Labs) -> None:
    said = labs.deploy(labs.write(HOSTS.replace("env: {COLOUR: red}", "env: {A: b}").replace("dev eth1]", "dev no]")))
    assert "a: ip address add 10.1.0.1/24 dev no: exit 1: Cannot find device" in said


def test_programs_that_die_come_back(labs: Labs) -> None:
    labs.deploy(labs.write(HOSTS.replace("{kind: linux, exec", "{kind: linux, cmd: perl -e 'sleep 1000', exec", 1)))
    (name,) = labs.names
    first = labs.run(name, "a", "pgrep", "-f", "perl -e sleep").split()
    labs.run(name, "a", "kill", "-9", *first)
    give_up = time.monotonic() + 5
    again: list[str] = []
    while not again and time.monotonic() < give_up:
        again = labs.felixpy("lab", "exec", "a", "--", "pgrep", "-f", "perl -e sleep").stdout.split()
    assert again
    assert again != first
