"""What the allocator does on the files store: addresses per second, one after the other and as pods come at once."""

import asyncio
import os
import time
from pathlib import Path

from felixpy.datastore.files import FilesDatastore
from felixpy.ipam.allocate import Request
from felixpy.ipam.allocator import Allocator
from felixpy.ipam.blocks import Owner
from felixpy.ipam.pools import Rules, Wish
from felixpy.model.addresses import IPv4Network
from felixpy.model.resources import IPAMConfig, IPPool, Metadata, Resource
from tests.bench.table import Bench, Goal, Row, Series

WAITING = 64  # pods that a node attaches at once
RULES = Rules(
    pools=(Resource(Metadata("p"), IPPool(cidr=IPv4Network("10.64.0.0/16"), block_size=26)),),
    config=IPAMConfig(strict_affinity=True, max_blocks_per_host=1000),
)


async def rules() -> Rules:
    """The same for every request: the agent follows them."""
    return RULES


def allocation(bench: Bench) -> Row:
    """Addresses with block, handle and affinity on this machine's disk; each counts when it is answered."""
    count = 1000 if bench.quick else 10_000
    few = count // 10
    series = []
    for sync, number in ((False, count), (True, few)):
        how = "with fsync of file and folder" if sync else "without fsync"
        bare = files(bench.scratch / f"bare-{sync}", few, sync=sync)
        many = asyncio.run(taking(bench.scratch / f"many-{sync}", number, WAITING, sync=sync))
        single = asyncio.run(taking(bench.scratch / f"single-{sync}", few, 1, sync=sync))
        series += [
            Series(f"{few} files made and renamed, nothing else, {how}", "per s", (bare,), base=True),
            Series(f"{number} allocations, {WAITING} waiting, {how}", "per s", (many,)),
            Series(f"{few} allocations, one by one, {how}", "per s", (single,)),
        ]
    goals = [
        Goal("allocations per second without fsync", series[1].median, 2000, at_least=True),
        Goal("allocations per second with fsync", series[4].median, 300, at_least=True),
    ]
    return Row("allocation of addresses", series, goals)


async def taking(folder: Path, count: int, waiting: int, *, sync: bool) -> float:
    """Allocations per second while `waiting` callers ask one after the other."""
    folder.mkdir()
    node = Allocator(FilesDatastore(folder, sync=sync), "n1", rules)
    numbers = iter(range(count))

    async def caller() -> None:
        for number in numbers:
            await node.assign(Request(Owner(f"net.{number:064x}", {"pod": f"p{number}", "node": "n1"}), (Wish(4),)))

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(waiting)))
    return count / (time.perf_counter() - began)


def files(folder: Path, count: int, *, sync: bool) -> float:
    """Files per second that this file system takes as the store writes them, without a store."""
    folder.mkdir()
    began = time.perf_counter()
    for number in range(count):
        descriptor = os.open(folder / ".tmp", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        os.write(descriptor, b"x" * 500)
        if sync:
            os.fsync(descriptor)
        os.close(descriptor)
        (folder / ".tmp").rename(folder / f"{number}.yaml")
        if sync:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            os.fsync(descriptor)
            os.close(descriptor)
    return count / (time.perf_counter() - began)
