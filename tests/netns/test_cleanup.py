"""After `cleanup` the kernel is as it was before installation, and what is not ours is still there."""

import asyncio
import os
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path

import pytest

from felixpy.daemon.pidfile import claim
from felixpy.datastore.files import FilesDatastore
from felixpy.model.resources import IPPool, Metadata, Resource
from tests.namespaces import Namespace

pytestmark = pytest.mark.root

LISTINGS = (
    "ip -4 route show table all", "ip -6 route show table all", "ip rule", "ip -6 rule", "ip nexthop", "ip neigh",
    "nft list ruleset",
)  # fmt: skip
FOREIGN = (
    "ip route add blackhole 203.0.113.0/24 proto bird metric 1024",  # another's, with our number, outside every pool
    "ip route add blackhole 10.65.9.0/26 proto static metric 1024",
    "ip route add blackhole 10.65.8.0/26 proto bird metric 32",
    "ip route add blackhole 198.51.100.0/24 proto 80",
    "ip neigh add 172.20.0.77 lladdr 02:00:00:00:00:77 dev eth1 nud permanent",
    "nft add table ip6 others",
)
BIRDPYS = (
    "ip route add blackhole 10.65.1.0/26 proto bird metric 1024",
    "ip route add 10.65.2.0/26 via 172.20.0.2 proto bird metric 1024",
    "ip -6 route add fd65::200/122 via fd20::2 proto bird metric 1024",
)
FELIXPYS = (
    "ip route add 10.65.1.2 dev cali1 proto 80",
    "ip -6 route add fd65::102 dev cali1 proto 80 metric 512",
    "ip neigh add 10.65.1.2 lladdr 02:00:00:00:00:02 dev cali1 nud permanent",
    "nft add table ip6 felixpy_guard",
    "nft add chain ip6 felixpy_guard source { type filter hook prerouting priority raw; }",
)
LISTED = {
    "birdpy": ["route 10.65.1.0/26", "route 10.65.2.0/26", "route fd65::200/122"],
    "felixpy": [
        "route 10.65.1.2/32", "route fd65::102/128", "neighbour 10.65.1.2 dev cali1",
        "nftables table ip6 felixpy_guard",
    ],
}  # fmt: skip


def prepared(netns: Namespace) -> dict[str, str]:
    """A machine with links, addresses and what belongs to others; its state before installation."""
    for name, address, address6 in (("eth1", "172.20.0.1/24", "fd20::1/64"), ("cali1", None, None)):
        netns.run("ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}p")
        for end in (name, f"{name}p"):  # no link-local address, whose routes come and go on their own
            netns.run("ip", "link", "set", end, "addrgenmode", "none", "up")
        if address and address6:
            netns.run("ip", "address", "add", address, "dev", name)
            netns.run("ip", "address", "add", address6, "dev", name, "nodad")
    for line in FOREIGN:
        netns.run(*line.split())
    return state(netns)


def state(netns: Namespace) -> dict[str, str]:
    """Everything that cleanup has to leave as it was."""
    return {line: netns.run(*line.split()) for line in LISTINGS}


def program(name: str, folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """One command of either program, in the test's own namespace."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("FELIXPY_", "BIRDPY_"))} | {
        "FELIXPY_NODE": "n1", "FELIXPY_RUN_DIR": str(folder / "run"), "FELIXPY_STATE_DIR": str(folder / "state"),
    }  # fmt: skip
    command = [sys.executable, "-m", name, *words, "--datastore", f"files:{folder / 'store'}"]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=30, check=False)


def with_pools(folder: Path) -> None:
    """A store with the two pools."""
    (folder / "store").mkdir()
    pools = {"pool4": "10.65.0.0/16", "pool6": "fd65::/64"}

    async def create() -> None:
        store = FilesDatastore(folder / "store")
        for name, cidr in pools.items():
            await store.create(Resource(Metadata(name=name), IPPool(cidr=ip_network(cidr))))
        await store.close()

    asyncio.run(create())


def test_cleanup_leaves_the_kernel_as_it_was_before_installation(netns: Namespace, tmp_path: Path) -> None:
    with_pools(tmp_path)
    before = prepared(netns)
    for line in (*BIRDPYS, *FELIXPYS):
        netns.run(*line.split())
    installed = state(netns)
    assert installed != before
    for name, listed in LISTED.items():
        dry = program(name, tmp_path, "cleanup", "--dry-run")
        assert (dry.returncode, sorted(dry.stdout.splitlines())) == (0, sorted(listed)), dry.stderr
    assert state(netns) == installed
    for name, listed in LISTED.items():
        done = program(name, tmp_path, "cleanup")
        assert (done.returncode, sorted(done.stdout.splitlines())) == (0, sorted(listed)), done.stderr
    assert state(netns) == before
    for name in LISTED:
        again = program(name, tmp_path, "cleanup")
        assert (again.returncode, again.stdout) == (0, "")


@pytest.mark.parametrize("name", ["birdpy", "felixpy"])
def test_cleanup_refuses_while_the_daemon_runs_and_names_it(netns: Namespace, tmp_path: Path, name: str) -> None:
    with_pools(tmp_path)
    prepared(netns)
    for line in (*BIRDPYS, *FELIXPYS):
        netns.run(*line.split())
    installed = state(netns)
    held = claim(tmp_path / "run" / f"{name}.pid", name)
    try:
        done = program(name, tmp_path, "cleanup")
    finally:
        held.release()
    assert done.returncode == 1
    assert f"already runs here as pid {os.getpid()}" in done.stderr
    assert state(netns) == installed


def test_without_a_store_only_what_is_surely_ours_goes(netns: Namespace, tmp_path: Path) -> None:
    prepared(netns)
    for line in (*BIRDPYS, *FELIXPYS):
        netns.run(*line.split())
    installed = state(netns)
    done = program("birdpy", tmp_path, "cleanup")
    assert done.stdout == ""
    assert "10.65.1.0/26 stays" in done.stderr
    assert state(netns) == installed
