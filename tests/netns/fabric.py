"""A fabric of real routers for tests: one bridge, nodes with a birdpy each, and other speakers beside them.

fabric = Fabric(netns, tmp_path)
n1 = fabric.node("n1", 1)            # 172.20.0.1 and fd20::1 on eth1, a Node resource, blocks 10.65.1.0/26 ...
n1.start()                           # its birdpy
with fabric.beside(9): ...           # this thread at 172.20.0.9, for the helpers of tests/speakers.py
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from felixpy.daemon.status import ask
from felixpy.datastore.files import FilesDatastore
from felixpy.model.errors import Unreachable
from felixpy.model.resources import (
    BGPConfiguration,
    BlockAffinity,
    IPPool,
    Metadata,
    Node,
    NodeBGP,
    Resource,
    Spec,
)
from tests.namespaces import CLONE_NEWNET, LIBC, Namespace
from tests.speakers import eventually

POOLS = {"pool4": IPPool(cidr=ip_network("10.65.0.0/16"), block_size=26)}
POOLS |= {"pool6": IPPool(cidr=ip_network("fd65::/64"), block_size=122)}


@dataclass(slots=True)
class Machine:
    """One node: its namespace, its folders and its router."""

    name: str
    namespace: Namespace
    folder: Path
    store: Path
    process: "subprocess.Popen[bytes] | None" = None
    extra: dict[str, str] = field(default_factory=dict)  # further settings of its router, by environment

    @property
    def env(self) -> dict[str, str]:
        """What its programs are started with."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("FELIXPY_", "BIRDPY_"))}
        return kept | {
            "FELIXPY_NODE": self.name,
            "FELIXPY_RUN_DIR": str(self.folder / "run"),
            "FELIXPY_STATE_DIR": str(self.folder / "state"),
            "FELIXPY_DATASTORE": f"files:{self.store}",
            **self.extra,
        }

    def birdpy(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run `birdpy` in the node to its end."""
        return subprocess.run(
            self._command(*words), env=self.env, pass_fds=(self.namespace.fd,), capture_output=True, text=True,
            timeout=30, check=False,
        )  # fmt: skip

    def start_birdpy(self, *words: str) -> "subprocess.Popen[str]":
        """`birdpy` left running in the node; the caller waits for its end."""
        return subprocess.Popen(
            self._command(*words), env=self.env, pass_fds=(self.namespace.fd,), text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )  # fmt: skip

    def start(self) -> None:
        """Start its router in the background."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self._command("run"), env=self.env, pass_fds=(self.namespace.fd,), stdin=subprocess.DEVNULL,
                stdout=log, stderr=log,
            )  # fmt: skip

    def _command(self, *words: str) -> list[str]:
        enter = ["nsenter", f"--net=/proc/self/fd/{self.namespace.fd}", "--"]
        return [*enter, sys.executable, "-m", "birdpy", *words]

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End its router."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(10)
            self.process = None

    def exabgp(self) -> int:
        """The pid of its ExaBGP."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return int(eventually(lambda: children.read_text().split())[0])

    def ask(self, what: str, **arguments: Any) -> Any:
        """Ask its router; None while it does not answer."""
        try:
            return ask(self.folder / "run" / "birdpy.sock", what, **arguments)
        except Unreachable:
            return None

    def up(self, address: str) -> bool:
        """Whether its session with `address` is established."""
        known = self.ask("peers") or {"peers": []}
        return any(p["address"] == address and p["state"] == "established" for p in known["peers"])

    def paths(self, prefix: str) -> list[Any]:
        """All paths to `prefix` in its RIB."""
        known = self.ask("rib", prefix=prefix) or {"entries": []}
        return [path for entry in known["entries"] if entry["prefix"] == prefix for path in entry["paths"]]

    def routes(self) -> dict[str, str]:
        """The kernel's routes: `10.65.2.0/26` -> `via 172.20.0.2 dev eth1 proto bird`."""
        found = {}
        for family in ("-4", "-6"):
            for route in json.loads(self.namespace.run("ip", family, "-j", "route") or "[]"):
                hops = route.get("nexthops", [route])
                ways = " + ".join(f"via {h['gateway']} dev {h['dev']}" for h in hops if "gateway" in h)
                way = ways or route.get("type") or f"dev {route['dev']}"
                found[route["dst"]] = f"{way} proto {route.get('protocol', 'boot')}"
        return found

    def log(self) -> str:
        """What its router said so far."""
        return (self.folder / "log").read_text()


@dataclass(slots=True)
class Fabric:
    """The bridge, the store that all nodes share, and the nodes. `ground` is the namespace of the bridge."""

    ground: Namespace
    folder: Path
    machines: list[Machine] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ground.run("ip", "link", "add", "br0", "type", "bridge")
        self.ground.run("ip", "link", "set", "br0", "up")
        (self.folder / "store").mkdir()
        self.put(default=BGPConfiguration(), **POOLS)

    def put(self, **specs: Spec) -> None:
        """Create resources by name; `_` in a name stands for `-`."""
        self.write([Resource(Metadata(name=name.replace("_", "-")), spec) for name, spec in specs.items()])

    def write(self, resources: list[Resource[Any]]) -> None:
        """Create these resources in the store."""

        async def create() -> None:
            store = FilesDatastore(self.folder / "store")
            for resource in resources:
                await store.create(resource)
            await store.close()

        asyncio.run(create())

    def change(self, resource: Resource[Any]) -> None:
        """Replace one resource."""

        async def update() -> None:
            store = FilesDatastore(self.folder / "store")
            found: Resource[Any] | None = await store.get(type(resource.spec), resource.name)
            assert found is not None
            kept = replace(resource.meta, version=found.meta.version, uid=found.meta.uid)
            await store.update(replace(resource, meta=kept, digest=found.digest))
            await store.close()

        asyncio.run(update())

    def remove(self, kind: type[Spec], name: str) -> None:
        """Delete one resource."""

        async def delete() -> None:
            store = FilesDatastore(self.folder / "store")
            found: Resource[Any] | None = await store.get(kind, name)
            assert found is not None
            await store.delete(found)
            await store.close()

        asyncio.run(delete())

    def plug(self, number: int, namespace: Namespace) -> None:
        """Put `namespace` on the bridge: eth1 with 172.20.0.N and fd20::N."""
        port = f"e{number}"
        self.ground.run("ip", "link", "add", port, "type", "veth", "peer", "name", f"p{number}")
        self.ground.run("ip", "link", "set", port, "master", "br0", "up")
        self.ground.run("ip", "link", "set", f"p{number}", "netns", f"/proc/{os.getpid()}/fd/{namespace.fd}")
        namespace.run("ip", "link", "set", f"p{number}", "name", "eth1", "up")
        namespace.run("ip", "address", "add", f"172.20.0.{number}/24", "dev", "eth1")
        namespace.run("ip", "address", "add", f"fd20::{number}/64", "dev", "eth1", "nodad")

    def machine(self, name: str) -> Machine:
        """A node's namespace and folders, without anything in them."""
        folder = self.folder / name
        folder.mkdir()
        made = Machine(name, self.ground.another(), folder, self.folder / "store")
        self.machines.append(made)
        return made

    def node(self, name: str, number: int) -> Machine:
        """A node on the bridge with its Node resource, one block of each family, and an address in each block."""
        made = self.machine(name)
        self.plug(number, made.namespace)
        address4, address6 = f"172.20.0.{number}/24", f"fd20::{number}/64"
        self.write([Resource(Metadata(name=name), Node(bgp=NodeBGP(ipv4_address=address4, ipv6_address=address6)))])
        self.claim(name, f"10.65.{number}.0/26", f"fd65::{number}00/122")
        made.namespace.run("ip", "address", "add", f"10.65.{number}.1/32", "dev", "lo")
        return made

    def claim(self, node: str, *blocks: str) -> None:
        """Confirmed blocks of a node."""
        self.write(
            [
                Resource(
                    Metadata(name=f"{node}-{block.replace('.', '-').replace(':', '-').replace('/', '-')}"),
                    BlockAffinity(cidr=ip_network(block), node=node, state="confirmed"),
                )
                for block in blocks
            ]
        )

    @contextlib.contextmanager
    def beside(self, number: int) -> Iterator[Namespace]:
        """This thread in a new namespace on the bridge, for speakers that are started from it; then back."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        stranger = self.ground.another()
        self.plug(number, stranger)
        assert LIBC.setns(stranger.fd, CLONE_NEWNET) == 0
        try:
            yield stranger
        finally:
            assert LIBC.setns(before, CLONE_NEWNET) == 0
            os.close(before)

    def close(self) -> None:
        """End every router."""
        for machine in self.machines:
            machine.kill()


@contextlib.contextmanager
def watched(machine: Machine) -> Iterator[list[str]]:
    """The lines of `ip monitor route` in a node while the block runs; in the list when it has ended.

    Without those about link-local addresses: the kernel makes them whenever duplicate address detection ends.
    """
    lines: list[str] = []
    process = machine.namespace.start("ip", "monitor", "route")
    time.sleep(0.2)
    try:
        yield lines
    finally:
        process.terminate()
        lines += [line for line in process.communicate(timeout=5)[0].splitlines() if "fe80:" not in line]


def lost(machine: Machine, source: str, target: str, count: int) -> "subprocess.Popen[str]":
    """Start `count` pings, 100 a second; `lost_of` tells how many were not answered."""
    return machine.namespace.start("ping", "-q", "-i", "0.01", "-c", str(count), "-W", "1", "-I", source, target)


def lost_of(process: "subprocess.Popen[str]") -> int:
    """How many pings were lost."""
    said = process.communicate(timeout=60)[0]
    line = next(line for line in said.splitlines() if "packets transmitted" in line)
    sent, received = int(line.split()[0]), int(line.split()[3])
    return sent - received


__all__ = ["Fabric", "Machine", "eventually", "lost", "lost_of", "watched"]
