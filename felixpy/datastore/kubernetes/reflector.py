"""One kind of the API server, listed once and then followed; whoever watches it shares this copy. Edge.

A list says what there is, a watch from its version on says what changes, bookmarks keep that version young. When the
server does not remember the version any more (410) the list is read again and compared by key, so that nothing that
was deleted meanwhile is kept. While the server is away the copy stands.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from felixpy.datastore.kubernetes.api import JSON, METADATA, Rejected, Request, query
from felixpy.datastore.kubernetes.copies import Change, Copy, Headed, equal, key_of, listed, put, understood
from felixpy.datastore.kubernetes.discovery import Way
from felixpy.datastore.kubernetes.pods import pod_of
from felixpy.model.errors import Trouble, Unreachable
from felixpy.model.resources import Resource, Spec, kind_of

WATCH_S = (300, 600)  # how long the server keeps one watch: at random, so that clients do not return together
OVERTIME_S = 30.0  # a watch that the server has not ended by then is dead
BACKOFF_S = (0.5, 15.0)
MAX_LINE = 8 << 20  # one event


class Follower:
    """One consumer: what changed since it last asked, and why nothing comes."""

    def __init__(self) -> None:
        self.dirty: dict[tuple[type[Spec], str | None], None] = {}
        self.trouble: BaseException | None = None
        self.news = asyncio.Event()

    async def until(self, wanted: tuple[type[Spec], str | None] | None = None) -> None:
        """Wait for `wanted` to be new, or for anything; raise what the follower was told of trouble."""
        while not (wanted in self.dirty if wanted else self.dirty):
            if self.trouble is not None:
                raise self.trouble
            self.news.clear()
            await self.news.wait()

    def mark(self, kind: type[Spec], name: str | None) -> None:
        """An object changed; None: all of the kind is new."""
        if name is None:
            for key in [key for key in self.dirty if key[0] is kind]:
                del self.dirty[key]
        elif (kind, None) in self.dirty:
            return
        self.dirty[kind, name] = None
        self.news.set()

    def fail(self, trouble: BaseException) -> None:
        """The server does not answer, or following it came to an end."""
        self.trouble = trouble
        self.news.set()


class Reflector:
    """Keeps the copy of one kind. `run` until cancelled."""

    def __init__(self, way: Way, kind: type[Spec]) -> None:
        self.kind, self.copy = kind, Copy()
        self.connected = False
        self.followers: set[Follower] = set()
        self._way = way
        self._trouble: Trouble | None = None

    def join(self, follower: Follower) -> None:
        """Tell `follower` all there is, as soon as the server has confirmed it, and every change from then on."""
        self.followers.add(follower)
        if self.connected:
            follower.mark(self.kind, None)
        elif self._trouble is not None:
            follower.fail(self._trouble)

    async def run(self) -> None:
        """List, watch, and when that ends go on where it ended."""
        wait = BACKOFF_S[0]
        failures = 0
        while True:
            try:
                if not self.copy.version:
                    await self._list()
                await self._watch()
                wait, failures = BACKOFF_S[0], 0
                continue
            except Rejected as error:
                if error.code == 410:
                    self.copy.version = ""
                    failures += 1
                    if failures == 1:
                        continue
                what = f"list and watch {kind_of(self.kind).plural}"
                trouble: Trouble = Unreachable(f"{self._way.api.access.target}: {what}: {error}")
            except Unreachable as error:
                trouble = error
            failures += 1
            if failures > 1 or not self.connected:  # one lost connection is mended by the next
                self._lost(trouble)
            if failures == 1:
                wait = BACKOFF_S[0]
            await asyncio.sleep(random.uniform(wait / 2, wait))  # noqa: S311  (spreads clients, keeps no secret)
            wait = min(wait * 2, BACKOFF_S[1])

    def uid_of(self, endpoint: Resource[Any]) -> str:
        """The uid of an endpoint's Pod, when it was seen."""
        return self.copy.uids.get(f"{endpoint.meta.namespace}/{pod_of(endpoint)}", "")

    def _lost(self, trouble: Trouble) -> None:
        self._trouble, self.connected = trouble, False
        for follower in self.followers:
            follower.fail(trouble)

    def _found(self) -> None:
        """The server answers: whoever joined or was told of trouble meanwhile gets everything."""
        if not self.connected:
            self._trouble, self.connected = None, True
            for follower in self.followers:
                follower.mark(self.kind, None)

    async def _list(self) -> None:
        self._replace(await listed(self._way, self.kind))

    def _replace(self, fresh: Copy) -> None:
        """Take over a new list: an object that cannot be read any more keeps its last good value."""
        for name in fresh.broken:
            if name in self.copy.objects:
                fresh.objects.setdefault(name, self.copy.objects[name])
        same = self.copy.listed and self.copy.broken.keys() == fresh.broken.keys()
        same = same and self.copy.objects.keys() == fresh.objects.keys()
        same = same and all(equal(self.kind, self.copy.objects[name], it) for name, it in fresh.objects.items())
        self.copy = fresh
        if not same or not self.connected:
            for follower in self.followers:
                follower.mark(self.kind, None)
        self._trouble, self.connected = None, True

    async def _watch(self) -> None:
        place = await self._way.place(self.kind)
        patience = random.randint(*WATCH_S)  # noqa: S311
        path = place.collection() + query(
            watch=1,
            allowWatchBookmarks="true",
            resourceVersion=self.copy.version,
            timeoutSeconds=patience,
            **place.selectors,
        )
        accept = METADATA.format("") if place.metadata_only else JSON
        async with self._way.api.open(Request("GET", path, accept=accept)) as (stream, connection):
            self._found()
            try:
                async with asyncio.timeout(patience + OVERTIME_S):
                    async with aclosing(_lines(connection.chunks(stream))) as lines:
                        async for line in lines:
                            self._take(understood(line, Change))
            except TimeoutError:
                return

    def _take(self, change: Change) -> None:
        data = bytes(change.object)
        head = understood(data, Headed)
        if change.type == "ERROR":
            raise Rejected(head.code, "", head.message)
        if change.type == "DELETED":
            self._gone(key_of(head.metadata))
        elif change.type != "BOOKMARK" and (name := put(self._way, self.kind, self.copy, data)):
            self._tell(name)
        self.copy.version = head.metadata.resource_version

    def _gone(self, server_name: str) -> None:
        name = self.copy.names.pop(server_name, server_name)
        self.copy.uids.pop(server_name, None)
        known = self.copy.objects.pop(name, None)
        broken = self.copy.broken.pop(name, None)
        if known is not None or broken is not None:
            self._tell(name)

    def _tell(self, name: str) -> None:
        for follower in self.followers:
            follower.mark(self.kind, name)


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line
        if len(rest) > MAX_LINE:
            raise Unreachable(f"the API server sent a line of more than {MAX_LINE >> 20} MiB")
