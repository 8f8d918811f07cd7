"""Allocation by several processes on one files store, killed at random."""

import asyncio
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from felixpy.datastore.files import FilesDatastore
from felixpy.ipam.blocks import Owner, assigned, held, in_use
from felixpy.ipam.collect import Problem, problems
from felixpy.ipam.repair import mend
from felixpy.model.resources import IPAMBlock, IPAMHandle, WorkloadEndpoint
from felixpy.model.snapshot import AnyResource
from tests.ipam_world import pool, snapshot, trouble, world

NODES = ("n1", "n1", "n2", "n3", "n4", "n5", "n6", "n7")  # two of the eight processes call themselves n1
LASTS_S = 5.0
PODS_AT_LEAST = 20  # on a busy machine it lasts until then
GIVE_UP_S = 60.0
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


def churn(folder: Path, store: FilesDatastore) -> None:
    chance = random.Random(7)
    workers = [Worker(node, folder) for node in NODES]
    for seed, worker in enumerate(workers):
        worker.start(seed)
    began, seed = time.monotonic(), len(workers)
    while time.monotonic() < began + LASTS_S or (few(store) and time.monotonic() < began + GIVE_UP_S):
        time.sleep(KILL_EVERY_S)
        victim = chance.choice(workers)
        victim.kill()
        victim.start(seed)
        seed += 1
    for worker in workers:
        worker.kill()


def few(store: FilesDatastore) -> bool:
    return len(asyncio.run(store.list(WorkloadEndpoint)).objects) <= PODS_AT_LEAST


async def prepare(store: FilesDatastore) -> None:
    store.prepare()
    made: list[AnyResource] = [pool(cidr="10.65.0.0/22", block_size=29)]
    source = world(*made, nodes=sorted(set(NODES)))
    for kind_objects in (await snapshot(source)).kinds.values():
        for resource in kind_objects.values():
            await store.create(resource)


async def fifo_is_kept(store: FilesDatastore) -> None:
    """The next address of each block is the one that stands first in its queue."""
    for name, block in (await store.list(IPAMBlock)).objects.items():
        if block.spec.unallocated and (block.spec.affinity or "").startswith("host:"):
            _, addresses = assigned(block.spec, 1, Owner("net.next"))
            assert addresses == (block.spec.cidr[block.spec.unallocated[0]],), name


async def mended(store: FilesDatastore) -> tuple[list[Problem], list[Problem]]:
    """What check found and --fix did, and what check finds after that."""
    first = await trouble(store)
    for _ in range(3):
        seen = await snapshot(store)
        if not await mend(store, problems(seen, time.time()), seen, time.time()):
            break
    return first, await trouble(store)


def test_no_address_is_doubled_and_fix_mends_exactly_what_the_killed_left(tmp_path: Path) -> None:
    store = FilesDatastore(tmp_path / "store")
    asyncio.run(prepare(store))
    churn(tmp_path, store)
    before = asyncio.run(snapshot(store))
    endpoints = before.of(WorkloadEndpoint)
    running = {endpoint.meta.name for endpoint in endpoints.values()}
    begun = {handle for path in tmp_path.glob("journal-*") for handle in path.read_text().split()}
    found, left = asyncio.run(mended(store))
    assert {problem.kind for problem in found} <= {"leaked", "count", "owner", "unfinished"}, found
    for problem in found:  # nothing but what a killed process had begun and not ended
        if problem.kind in ("leaked", "count"):
            assert problem.about in begun, problem
            assert problem.kind == "count" or problem.about not in running, problem
    assert left == []
    seen = asyncio.run(snapshot(store))
    assert seen.of(WorkloadEndpoint) == endpoints, "a repair changed a running pod"
    addresses = [n for e in endpoints.values() for n in e.spec.ip_networks]
    assert len(addresses) == len(set(addresses)) == len(seen.of(IPAMHandle))
    assert sum(in_use(block.spec) for block in seen.of(IPAMBlock).values()) == len(addresses)
    held_by = {b.spec.cidr[o]: e.handle_id for b in seen.of(IPAMBlock).values() for o, e in held(b.spec)}
    for endpoint in endpoints.values():
        assert [held_by[n.network_address] for n in endpoint.spec.ip_networks] == [endpoint.meta.name]
    asyncio.run(fifo_is_kept(store))
    assert len(addresses) > PODS_AT_LEAST, "the test did too little to prove anything"
