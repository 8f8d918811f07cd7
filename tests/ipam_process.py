"""A process that attaches and detaches pods, addresses and endpoints only, until it is killed.

`python -m tests.ipam_process STORE NODE JOURNAL SEED`; JOURNAL gets the handle before anything is asked for.
"""

import asyncio
import random
import sys
from ipaddress import ip_network
from pathlib import Path

from felixpy.datastore.files import FilesDatastore
from felixpy.ipam.errors import Shortage
from felixpy.model.resources import Metadata, Resource, WorkloadEndpoint
from tests.ipam_world import allocator, request


async def work(store: FilesDatastore, node: str, journal: Path, seed: int) -> None:
    chance = random.Random(seed)
    process = allocator(store, node)
    running: list[Resource[WorkloadEndpoint]] = []

    async def come(handle: str) -> None:
        with journal.open("a") as file:
            file.write(handle + "\n")
        try:
            addresses = await process.assign(request(handle, 4))
        except Shortage:
            return
        spec = WorkloadEndpoint(node=node, ip_networks=tuple(ip_network(a) for a in addresses))
        running.append(await store.create(Resource(Metadata(handle, "default"), spec)))

    async def go(endpoint: Resource[WorkloadEndpoint]) -> None:
        await store.delete(endpoint)
        await process.release(endpoint.meta.name)

    for turn in range(10_000):
        names = [f"net.{node}-{seed}-{turn}-{number}" for number in range(chance.randint(1, 5))]
        leaving = [running.pop(chance.randrange(len(running))) for _ in range(chance.randint(0, 4)) if running]
        await asyncio.gather(*map(come, names), *map(go, leaving))


if __name__ == "__main__":
    store, node, journal, seed = sys.argv[1:]
    asyncio.run(work(FilesDatastore(Path(store)), node, Path(journal), int(seed)))
