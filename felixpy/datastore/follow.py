"""The newest state of several kinds, for a consumer that works at its own pace."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import suppress

from felixpy.datastore.source import Datastore
from felixpy.model.resources import Spec
from felixpy.model.snapshot import Snapshot


async def follow(datastore: Datastore, kinds: Collection[type[Spec]]) -> AsyncIterator[Snapshot]:
    """The snapshot once all `kinds` were listed, then again whenever something changed.

    What happens while the consumer is busy is one snapshot, the newest. An error of the watch is raised here.
    Close it (`contextlib.aclosing`) or cancel its task to stop watching.
    """
    latest = Snapshot()
    changed = asyncio.Event()

    async def gather() -> None:
        nonlocal latest
        async for event in datastore.watch(kinds):
            latest = latest.after(event)
            changed.set()

    task = asyncio.create_task(gather(), name="follow the datastore")
    task.add_done_callback(lambda _: changed.set())
    try:
        while True:
            await changed.wait()
            changed.clear()
            if task.done():
                await task
                return
            if latest.in_sync(kinds):
                yield latest
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
