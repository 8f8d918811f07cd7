"""The newest state of several kinds, for a consumer that works at its own pace."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import suppress

from felixpy.datastore.source import Datastore
from felixpy.model.errors import Unreachable
from felixpy.model.resources import Spec
from felixpy.model.snapshot import Listed, Snapshot

RETRY_S = 0.5  # while the datastore is not there; nobody tells when it is back

Lost = Callable[[Unreachable], None]


async def follow(
    datastore: Datastore, kinds: Collection[type[Spec]], lost: Lost | None = None
) -> AsyncIterator[Snapshot]:
    """The snapshot once all `kinds` were listed, then again whenever something changed.

    What happens while the consumer is busy is one snapshot, the newest. While the datastore is not there the last
    state stands; `lost` is called once for each time it goes away. Close this (`contextlib.aclosing`) or cancel its
    task to stop watching.
    """
    latest = Snapshot()
    changed = asyncio.Event()

    async def gather() -> None:
        nonlocal latest
        reachable = True
        while True:
            try:
                async for event in datastore.watch(kinds):
                    before, latest = latest, latest.after(event)
                    if latest is not before:
                        changed.set()
                    reachable |= not (isinstance(event, Listed) and event.stale)
            except Unreachable as error:
                if reachable and lost is not None:
                    lost(error)
                reachable = False
            await asyncio.sleep(RETRY_S)

    task = asyncio.create_task(gather(), name="follow the datastore")
    task.add_done_callback(lambda _: changed.set())
    try:
        while True:
            await changed.wait()
            changed.clear()
            if task.done():
                await task  # a bug in what it called: not ours to hide
            if latest.in_sync(kinds):
                yield latest
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
