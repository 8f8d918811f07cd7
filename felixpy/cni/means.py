"""What the CNI calls of one agent work with, made once and passed to each."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from felixpy.cni.facts import Facts
from felixpy.cni.journal import Journal
from felixpy.cni.wires import Wires
from felixpy.daemon.logs import Log
from felixpy.datastore.source import Datastore
from felixpy.ipam.allocator import Allocator
from felixpy.local import LocalEndpoints

SETTLE_S = 5.0  # the kernel answers in milliseconds; longer means that something is broken

WriteSetting = Callable[[str, str], Awaitable[int]]  # path below /proc/sys, value -> errno or 0


@dataclass(frozen=True, slots=True)
class Means:
    """Datastore, kernel, allocator and the agent's local endpoints, for the pods of `node`."""

    node: str
    store: Datastore
    local: LocalEndpoints
    allocator: Allocator
    facts: Facts
    journal: Journal
    wires: Wires
    log: Log
    clock: Callable[[], float] = time.time
    _locks: "WeakValueDictionary[str, asyncio.Lock]" = field(default_factory=WeakValueDictionary)

    @asynccontextmanager
    async def alone(self, key: str) -> AsyncIterator[None]:
        """One call at a time for what has this key: a host interface."""
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        async with lock:
            yield

    async def settled(self, endpoint: str) -> tuple[str, ...]:
        """Why the kernel does not have what this endpoint needs; empty when it has. TimeoutError after SETTLE_S."""
        async with asyncio.timeout(SETTLE_S):
            return await self.local.settled(endpoint)

    async def gone(self, endpoint: str) -> None:
        """Until the kernel has nothing of a removed endpoint, connections included. TimeoutError after SETTLE_S."""
        async with asyncio.timeout(SETTLE_S):
            await self.local.settled(endpoint)
            await self.local.forgotten()
