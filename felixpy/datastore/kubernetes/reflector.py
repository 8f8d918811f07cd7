"""One kind of the API server, listed once and then followed; whoever watches it shares this copy. Edge.

A list says what there is, a watch from its version on says what changes, bookmarks keep that version young. When the
server does not remember the version any more (410) the list is read again and compared by key, so that nothing that
was deleted meanwhile is kept. While the server is away the copy stands.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from felixpy.datastore.kubernetes.api import JSON, LIST_PATIENCE_S, METADATA, Rejected, Request, query
from felixpy.datastore.kubernetes.discovery import Way
from felixpy.datastore.kubernetes.pods import pod_of
from felixpy.model.errors import InvalidResource, Trouble, Unreachable
from felixpy.model.resources import Node, Resource, Spec, WorkloadEndpoint, kind_of
from felixpy.model.snapshot import Listed

WATCH_S = (300, 600)  # how long the server keeps one watch: at random, so that clients do not return together
OVERTIME_S = 30.0  # a watch that the server has not ended by then is dead
BACKOFF_S = (0.5, 15.0)
PAGE = 500  # objects of one answer
NO_VERSION = (Node, WorkloadEndpoint)  # parts of objects that others write all the time: compared without version
MAX_LINE = 8 << 20  # one event


class Meta(msgspec.Struct, rename="camel"):
    """metav1.ListMeta."""

    resource_version: str = ""
    continue_: str = msgspec.field(name="continue", default="")


class Page(msgspec.Struct):
    """One answer to a list."""

    items: list[msgspec.Raw] | None = None
    metadata: Meta = msgspec.field(default_factory=Meta)


class Change(msgspec.Struct):
    """One line of a watch."""

    type: str
    object: msgspec.Raw


class Head(msgspec.Struct, rename="camel"):
    """`metadata` of any object, as far as a watch needs it."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""


class Headed(msgspec.Struct):
    """Any object; of an ERROR event, a metav1.Status."""

    metadata: Head = msgspec.field(default_factory=Head)
    code: int = 0
    message: str = ""


@dataclass(slots=True)
class Copy:
    """What is known of one kind."""

    objects: dict[str, Resource[Any]] = field(default_factory=dict)
    broken: dict[str, InvalidResource] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)  # the server's name -> ours, where they differ
    uids: dict[str, str] = field(default_factory=dict)  # of this node's Pods, by the server's name
    listed: bool = False
    version: str = ""  # of the server, from which to go on; "" means that the list has to be read

    def of(self, kind: type[Spec]) -> Listed:
        """All of it."""
        return Listed(kind, dict(self.objects), dict(self.broken))


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
        same = same and all(_equal(self.kind, self.copy.objects[name], it) for name, it in fresh.objects.items())
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
                            self._take(_understood(line, Change))
            except TimeoutError:
                return

    def _take(self, change: Change) -> None:
        data = bytes(change.object)
        head = _understood(data, Headed)
        if change.type == "ERROR":
            raise Rejected(head.code, "", head.message)
        if change.type == "DELETED":
            self._gone(_key(head.metadata))
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


async def listed(way: Way, kind: type[Spec]) -> Copy:
    """All of `kind` that the scope shows, as the server has it now, page by page."""
    place = await way.place(kind)
    fresh = Copy(listed=True)
    token, first = "", True
    while token or first:
        first = False
        path = place.collection() + query(limit=PAGE, **{"continue": token}, **place.selectors)
        accept = METADATA.format("List") if place.metadata_only else JSON
        body = await way.api.call(Request("GET", path, accept=accept, patience_s=LIST_PATIENCE_S))
        page = _understood(body, Page)
        for item in page.items or ():
            put(way, kind, fresh, bytes(item))
        token, fresh.version = page.metadata.continue_, page.metadata.resource_version
        await asyncio.sleep(0)
    return fresh


def put(way: Way, kind: type[Spec], copy: Copy, data: bytes) -> str:
    """Decode an object into `copy`; its name when something of it changed, else ""."""
    head = _understood(data, Headed).metadata
    server_name = _key(head)
    name = copy.names.get(server_name, server_name)
    if kind is WorkloadEndpoint:
        copy.uids[server_name] = head.uid
    try:
        resource = way.objects.decode(kind_of(kind), data)
    except InvalidResource as error:
        copy.broken[name] = error
        return name
    if resource is None:  # a Pod that is no endpoint, or no longer
        was = copy.objects.pop(name, None)
        return name if copy.broken.pop(name, None) or was else ""
    repaired = copy.broken.pop(name, None)
    if resource.name != server_name:
        name = copy.names[server_name] = resource.name
    before, copy.objects[name] = copy.objects.get(name), resource
    return name if repaired or before is None or not _equal(kind, before, resource) else ""


def _equal(kind: type[Spec], before: Resource[Any], after: Resource[Any]) -> bool:
    if kind in NO_VERSION:
        after = replace(after, meta=replace(after.meta, version=before.meta.version))
    return before == after


def _key(head: Head) -> str:
    return f"{head.namespace}/{head.name}" if head.namespace else head.name


def _understood(data: bytes, wanted: type[Any]) -> Any:
    try:
        return msgspec.json.decode(data, type=wanted)
    except msgspec.MsgspecError as error:
        raise Unreachable(f"the API server's answer is no {wanted.__name__}: {error}") from error


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line
        if len(rest) > MAX_LINE:
            raise Unreachable(f"the API server sent a line of more than {MAX_LINE >> 20} MiB")
