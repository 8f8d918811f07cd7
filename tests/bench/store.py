"""What the files store costs: a write with and without the disk, a list, an event in another process."""

import asyncio
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import msgspec

from felixpy.datastore.encode import encode
from felixpy.datastore.files import FilesDatastore
from felixpy.model.resources import IPAMBlock, Metadata, Resource
from tests.bench.table import Bench, Goal, Row, Series

WATCHER = textwrap.dedent(
    """
    import asyncio, sys, time
    from pathlib import Path
    from felixpy.datastore.files import FilesDatastore
    from felixpy.model.resources import IPAMBlock

    async def main():
        async for _ in FilesDatastore(Path(sys.argv[1])).watch([IPAMBlock]):
            print(time.monotonic(), flush=True)

    asyncio.run(main())
    """
)


def block(number: int = 0) -> Resource[IPAMBlock]:
    """A full-size block; its name says which."""
    cidr = ip_network((int(ip_network("10.0.0.0/8").network_address) + number * 64, 26))
    spec = IPAMBlock(cidr=cidr, allocations=(None,) * 64, unallocated=tuple(range(64)))
    return Resource(Metadata(f"b{number}"), spec)


def store(bench: Bench) -> Row:
    """Blocks in a folder on this machine's disk."""
    count = 2000 if bench.quick else 10_000
    writes = {sync: asyncio.run(writing(bench, sync)) for sync in (True, False)}
    first, again = asyncio.run(listing(bench, count))
    seen = asyncio.run(noticing(bench))
    series = [
        Series("update of a block, fsync of file and folder", "ms", writes[True]),
        Series("the same without fsync", "ms", writes[False]),
        Series(f"list of {count} blocks, never read before", "ms", first, base=True),
        Series(f"list of {count} unchanged blocks", "ms", again),
        Series("begin of a write to its event in another process", "ms", seen),
    ]
    goals = [Goal("event in another process, ms", series[4].median, 1.5)]
    return Row("files store", series, goals)


async def writing(bench: Bench, sync: bool) -> tuple[float, ...]:
    """Milliseconds of each of several updates of one object."""
    folder = bench.scratch / f"write-{sync}"
    folder.mkdir()
    files = FilesDatastore(folder, sync=sync)
    made = await files.create(block())
    took = []
    for number in range(bench.rounds * 20):
        spec = msgspec.structs.replace(made.spec, sequence_number=number + 1)
        began = time.perf_counter()
        made = await files.update(replace(made, spec=spec))
        took.append((time.perf_counter() - began) * 1e3)
    return tuple(took)


async def listing(bench: Bench, count: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Milliseconds of lists by a store that has read nothing, and of the next lists by the same."""
    folder = bench.scratch / "list"
    (folder / "ipamblocks").mkdir(parents=True)
    for number in range(count):
        data = msgspec.json.encode(encode(block(number)))
        (folder / "ipamblocks" / f"b{number}.yaml").write_bytes(data)
    first, again = list[float](), list[float]()
    for _ in range(bench.rounds):
        files = FilesDatastore(folder)
        for took in (first, again):
            began = time.perf_counter()
            listed = await files.list(IPAMBlock)
            took.append((time.perf_counter() - began) * 1e3)
            assert len(listed.objects) == count
    return tuple(first), tuple(again)


async def noticing(bench: Bench) -> tuple[float, ...]:
    """Milliseconds from the begin of a write (without fsync) to its event in another process, idle before."""
    folder = bench.scratch / "watch"
    folder.mkdir()
    files = FilesDatastore(Path(folder), sync=False)
    made = await files.create(block())
    watcher = subprocess.Popen([sys.executable, "-c", WATCHER, str(folder)], stdout=subprocess.PIPE, text=True)
    took = []
    try:
        assert watcher.stdout is not None
        watcher.stdout.readline()
        for number in range(bench.rounds * 20):
            await asyncio.sleep(0.01)
            spec = msgspec.structs.replace(made.spec, sequence_number=number + 1)
            began = time.monotonic()
            made = await files.update(replace(made, spec=spec))
            took.append((float(watcher.stdout.readline()) - began) * 1e3)
    finally:
        watcher.kill()
        watcher.communicate()
    return tuple(took)
