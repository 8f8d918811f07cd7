"""One kind of the API server, listed once and then followed; whoever watches it shares this copy. Edge.

A list says what there is, a watch from its version on says what changes, bookmarks keep that version young. When the
server does not remember the version any more (410) the list is read again and compared by key, so that nothing that
was deleted meanwhile is kept. While the server is away the copy stands.
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, suppress

from felixpy.datastore.kubernetes.api import JSON, METADATA, Rejected, Request, query
from felixpy.datastore.kubernetes.copies import Change, Copy, Headed, equal, key_of, listed, put, understood
from felixpy.datastore.kubernetes.discovery import Way
from felixpy.model.errors import InvalidResource, Trouble, Unreachable
from felixpy.model.resources import (
    BGPFilter,
    CalicoNodeStatus,
    EndpointSlice,
    IPAMConfig,
    IPReservation,
    Spec,
    kind_of,
)

WATCH_S = (300, 600)  # how long the server keeps one watch: at random, so that clients do not return together
OVERTIME_S = 30.0  # a watch that the server has not ended by then is dead
BACKOFF_S = (0.5, 15.0)
ABSENT_S = 120.0  # before it is asked again for what it does not have
SURE = 2  # a server that has just started does not know its CRDs at once
SHORT_S = 1.0  # a watch that ends sooner is not begun again at once
MAX_LINE = 8 << 20  # one event
OPTIONAL: tuple[type[Spec], ...] = (BGPFilter, IPReservation, CalicoNodeStatus, IPAMConfig, EndpointSlice)


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
    """Keeps the copy of one kind, or of one object of it. `run` until cancelled."""

    def __init__(self, way: Way, kind: type[Spec], name: str = "", known: Copy | None = None) -> None:
        self.kind, self.name, self.copy = kind, name, known or Copy()
        self.connected = False
        self.followers: set[Follower] = set()
        self.changed: Callable[[Reflector], None] = lambda _: None  # for who keeps the copy on disk
        self._way = way
        self._trouble: Trouble | None = None
        self._told = False  # somebody was told of it
        self._consistent = False  # the next list is to be read from etcd, not from the server's cache

    def join(self, follower: Follower) -> None:
        """Tell `follower` all there is, as soon as the server has confirmed it, and every change from then on.

        While the server is away it is told what was known before. Why there is no more is told once: whoever comes
        again waits here until there is.
        """
        self.followers.add(follower)
        if self.connected or (self._trouble is not None and self.copy.listed):
            follower.mark(self.kind, None)
        if self._trouble is not None and not self._told:
            self._told = True
            follower.fail(self._trouble)

    async def run(self) -> None:
        """List, watch, and when that ends go on where it ended."""
        failures = 0
        while True:
            begun = time.monotonic()
            try:
                if not self.copy.version:
                    await self._list()
                await self._watch()
                failures = 0
                await asyncio.sleep(0.0 if time.monotonic() - begun > SHORT_S else SHORT_S)
                continue
            except Rejected as error:
                if error.code == 410 and self.copy.version:  # too much has happened since, or the server is new
                    self.copy.version = ""
                    continue
                trouble = self._rejected(error, failures)
            except Unreachable as error:
                trouble = error
                self._consistent |= not self.copy.version
            if trouble is not None and (failures or not self.connected):  # one lost connection is mended by the next
                self._lost(trouble)
            wait = min(BACKOFF_S[0] * 2**failures, BACKOFF_S[1]) if trouble is not None else ABSENT_S
            failures = min(failures + 1, 10)
            await asyncio.sleep(random.uniform(wait / 2, wait))  # noqa: S311  (spreads clients, keeps no secret)

    def _rejected(self, error: Rejected, failures: int) -> Trouble | None:
        """What it means that the server said no; None when there is nothing to see and that is an answer."""
        what = f"list and watch {kind_of(self.kind).plural}{f' {self.name}' if self.name else ''}"
        if error.code in (403, 404) and self.name:  # one object that we may not see costs this object only
            reason = f"cannot be read: {error}"
            where = f"{kind_of(self.kind).name}/{self.name}"
            self._replace(Copy(broken={self.name: InvalidResource(where, "", reason)}, listed=True))
            return None
        if error.code == 404 and self.kind in OPTIONAL and not self.copy.objects and failures >= SURE:
            self._replace(Copy(listed=True))  # an older Calico's cluster does not have this kind
            return None
        return Unreachable(f"{self._way.api.access.target}: {what}: {error}")

    def _lost(self, trouble: Trouble) -> None:
        first, self._trouble, self.connected = self._trouble is None, trouble, False
        for follower in self.followers:
            if first and self.copy.listed:
                follower.mark(self.kind, None)
            if first:
                self._told = True
                follower.fail(trouble)

    def _found(self) -> None:
        """The server answers: whoever joined or was told of trouble meanwhile gets everything."""
        if not self.connected:
            self._trouble, self._told, self.connected = None, False, True
            for follower in self.followers:
                follower.mark(self.kind, None)

    async def _list(self) -> None:
        """From the server's cache, which must not be older than what this process has read or written itself."""
        since = "" if self._consistent else self._way.seen.get(self.kind, "0")
        self._replace(await listed(self._way, self.kind, self.name, since))
        self._consistent = False

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
        if not same:
            self.changed(self)
        self._trouble, self._told, self.connected = None, False, True

    async def _watch(self) -> None:
        place = await self._way.place(self.kind)
        if self.name:
            place = place.only(self.name)
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
            with suppress(TimeoutError):
                async with asyncio.timeout(patience + OVERTIME_S):
                    async with aclosing(_lines(connection.chunks(stream))) as lines:
                        async for line in lines:
                            self._take(understood(line, Change))

    def _take(self, change: Change) -> None:
        data = bytes(change.object)
        head = understood(data, Headed)
        if change.type == "ERROR":
            self._way.api.counts.refused(head.code)
            raise Rejected(head.code, "", head.message)
        if change.type == "DELETED":
            self._gone(key_of(head.metadata))
        elif change.type != "BOOKMARK" and (name := put(self._way, self.kind, self.copy, data)):
            self._tell(name)
        self.copy.version = head.metadata.resource_version

    def _gone(self, server_name: str) -> None:
        name = self.copy.names.pop(server_name, server_name)
        self.copy.pods.pop(server_name, None)
        known = self.copy.objects.pop(name, None)
        broken = self.copy.broken.pop(name, None)
        if known is not None or broken is not None:
            self._tell(name)

    def _tell(self, name: str) -> None:
        self.changed(self)
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
