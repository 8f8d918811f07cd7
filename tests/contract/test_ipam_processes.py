"""Allocation by several processes on one files store, killed at random."""

import asyncio
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from felixpy.datastore.files import FilesDatastore
from felixpy.ipam.blocks import in_use
from felixpy.ipam.collect import Problem
from felixpy.model.resources import IPAMBlock, IPAMHandle, WorkloadEndpoint
from felixpy.model.snapshot import AnyResource
from tests.ipam_world import allocator, pool, snapshot, trouble, world

NODES = ("n1", "n1", "n2", "n3", "n4")  # two processes call themselves n1
LASTS_S = 5.0
KILL_EVERY_S = 0.25


@dataclass
class Worker:
    node: str
    folder: Path
    seed: int = 0
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def journal(self) -> Path:
        return self.folder / f"journal-{self.seed}"

    def start(self, seed: int) -> None:
        self.seed = seed
        command = [sys.executable, "-m", "tests.ipam_process"]
        arguments = [str(self.folder / "store"), self.node, str(self.journal), str(seed)]
        self.process = subprocess.Popen([*command, *arguments], stderr=subprocess.PIPE)

    def kill(self) -> None:
        """Not before it is at work, and without a fault of its own."""
        assert self.process is not None
        while not self.journal.exists() and self.process.poll() is None:
            time.sleep(0.01)
        self.process.kill()
        _, errors = self.process.communicate()
        assert self.process.returncode == -9, errors.decode()


def churn(folder: Path) -> None:
    chance = random.Random(7)
    workers = [Worker(node, folder) for node in NODES]
    for seed, worker in enumerate(workers):
        worker.start(seed)
    end, seed = time.monotonic() + LASTS_S, len(workers)
    while time.monotonic() < end:
        time.sleep(KILL_EVERY_S)
        victim = chance.choice(workers)
        victim.kill()
        victim.start(seed)
        seed += 1
    for worker in workers:
        worker.kill()


async def prepare(store: FilesDatastore) -> None:
    store.prepare()
    made: list[AnyResource] = [pool(cidr="10.65.0.0/22", block_size=29)]
    source = world(*made, nodes=sorted(set(NODES)))
    for kind_objects in (await snapshot(source)).kinds.values():
        for resource in kind_objects.values():
            await store.create(resource)


async def repair(store: FilesDatastore, folder: Path) -> list[Problem]:
    """What restarted agents do: release by handle what never became an endpoint. The problems before that."""
    found = await trouble(store)
    running = {endpoint.meta.name for endpoint in (await store.list(WorkloadEndpoint)).objects.values()}
    begun = {handle for path in folder.glob("journal-*") for handle in path.read_text().split()}
    for handle in sorted(begun - running):
        await allocator(store, handle.split(".")[1].split("-")[0]).release(handle)
    return found


def test_no_address_is_doubled_and_none_lost_whoever_is_killed(tmp_path: Path) -> None:
    store = FilesDatastore(tmp_path / "store")
    asyncio.run(prepare(store))
    churn(tmp_path)
    before = asyncio.run(repair(store, tmp_path))
    assert {problem.kind for problem in before} <= {"leaked", "count", "owner"}, before
    after = asyncio.run(trouble(store))
    assert [problem for problem in after if problem.kind != "owner"] == []
    seen = asyncio.run(snapshot(store))
    addresses = [n for e in seen.of(WorkloadEndpoint).values() for n in e.spec.ip_networks]
    assert len(addresses) == len(set(addresses)) == len(seen.of(IPAMHandle))
    assert sum(in_use(block.spec) for block in seen.of(IPAMBlock).values()) == len(addresses)
    assert len(addresses) > 20, "the test did too little to prove anything"
