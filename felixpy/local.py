"""Join: the endpoints that this node's CNI server makes, ahead of the datastore.

A pod must not wait until its endpoint has been written, watched and come back. The CNI server says here what it is
about to publish, waits until the kernel has it, and publishes then; the datastore's own echo changes nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable

from felixpy.desired.endpoints import Ahead, Endpoints
from felixpy.model.resources import Resource, WorkloadEndpoint

REMEMBER_S = 300.0  # how long the datastore may go on showing what was removed here


class LocalEndpoints:
    """Put, remove, and wait for the kernel. The agent reads it; the CNI server, in the same loop, writes it."""

    def __init__(self) -> None:
        self.ahead = Ahead()
        self._removed: dict[tuple[str, str], float] = {}  # name and container id -> when
        self._change: Callable[[], None] = lambda: None
        self._wanted = 0  # changes so far
        self._done = 0  # of them, those that a pass has worked on
        self._passed = asyncio.Condition()
        self._reasons: dict[str, tuple[str, ...]] = {}
        self._forgotten: Callable[[], Awaitable[None]] | None = None

    def put(self, endpoint: Resource[WorkloadEndpoint]) -> None:
        """This endpoint is to be programmed now; its container id tells it from others of its name.

        Until the datastore shows an endpoint with this name and container id, this one counts; from then on the
        datastore does.
        """
        self.ahead = self.ahead.put(endpoint)
        self._changed()

    def remove(self, name: str, container_id: str, version: str = "") -> None:
        """This endpoint's routes and neighbours are to go now, whatever the datastore still shows of it.

        `version` is that of the object it shows now: the same container may be given the endpoint again.
        """
        self.ahead = self.ahead.remove(name, container_id, version)
        self._removed[name, container_id] = asyncio.get_running_loop().time()
        self._changed()

    async def settled(self, name: str) -> tuple[str, ...]:
        """Wait until every change made so far was brought to the kernel; why `name` is not served, () when it is.

        For a removed endpoint () means that nothing of it is left. The caller bounds the wait: while the kernel does
        not answer at all this does not return.
        """
        wanted = self._wanted
        async with self._passed:
            await self._passed.wait_for(lambda: self._done >= wanted)
        return self._reasons.get(name, ())

    async def forgotten(self) -> None:
        """Wait until the kernel knows no connection of the addresses that left before this call (`settled` first)."""
        if self._forgotten is not None:
            await self._forgotten()

    # The agent's half.

    def forgets(self, forgotten: Callable[[], Awaitable[None]]) -> None:
        """Somebody forgets connections, and this waits for it."""
        self._forgotten = forgotten

    def follow(self, change: Callable[[], None]) -> None:
        """Call `change` whenever there is something new."""
        self._change = change

    @property
    def wanted(self) -> int:
        """How many changes there were; a pass notes it before it works."""
        return self._wanted

    def over(self, stored: Endpoints) -> Endpoints:
        """The endpoints that count: `stored` with ours laid over them. What the datastore shows is forgotten here."""
        self.ahead = self.ahead.after(stored)
        old = asyncio.get_running_loop().time() - REMEMBER_S
        if forgotten := [removed for removed, at in self._removed.items() if at < old]:
            self.ahead = self.ahead.forget(forgotten)
            for removed in forgotten:
                del self._removed[removed]
        return self.ahead.over(stored)

    async def passed(self, wanted: int, reasons: dict[str, tuple[str, ...]]) -> None:
        """A pass has worked on the first `wanted` changes; `reasons` by endpoint for those that are not served."""
        self._reasons = reasons
        async with self._passed:
            self._done = max(self._done, wanted)
            self._passed.notify_all()

    def _changed(self) -> None:
        self._wanted += 1
        self._change()
