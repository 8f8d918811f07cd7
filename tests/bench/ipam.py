"""What the allocator does on the files store: addresses per second, one after the other and as they come."""

import asyncio
import time
from pathlib import Path

from felixpy.datastore.files import FilesDatastore
from felixpy.ipam.allocate import Request
from felixpy.ipam.allocator import Allocator
from felixpy.ipam.blocks import Owner
from felixpy.ipam.pools import Rules, Wish
from felixpy.model.addresses import IPv4Network
from felixpy.model.resources import IPAMConfig, IPPool, Metadata, Resource
from tests.bench.table import Bench, Row, Series

WAITING = 64  # pods that a node attaches at once
RULES = Rules(
    pools=(Resource(Metadata("p"), IPPool(cidr=IPv4Network("10.64.0.0/16"), block_size=26)),),
    config=IPAMConfig(strict_affinity=True, max_blocks_per_host=1000),
)


async def rules() -> Rules:
    """The same for every request: the agent follows them."""
    return RULES


def allocation(bench: Bench) -> Row:
    """Addresses with block, handle and affinity on this machine's disk, each answered before it counts."""
    count = 1000 if bench.quick else 10_000
    few = count // 10
    without = tuple(
        asyncio.run(taking(bench.scratch / f"a{i}", count, WAITING, sync=False)) for i in range(bench.rounds)
    )
    series = [
        Series(f"{count} allocations, {WAITING} waiting, without fsync", "per s", without),
        Series(f"{few} allocations, one by one, without fsync", "per s",
               (asyncio.run(taking(bench.scratch / "b", few, 1, sync=False)),)),
        Series(f"{few} allocations, {WAITING} waiting, fsync of files and folders", "per s",
               (asyncio.run(taking(bench.scratch / "c", few, WAITING, sync=True)),)),
        Series(f"{few} allocations, one by one, fsync of files and folders", "per s",
               (asyncio.run(taking(bench.scratch / "d", few, 1, sync=True)),)),
    ]  # fmt: skip
    return Row("allocation", series, [])


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
