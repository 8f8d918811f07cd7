"""A datastore in memory, for tests and for working things out offline. It passes the files store's contract suite."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import replace
from itertools import count
from typing import Any, TypeVar, cast

from felixpy.model.errors import Conflict
from felixpy.model.resources import Resource, Spec, kind_of
from felixpy.model.snapshot import AnyResource, Event, Gone, Listed, Put

S = TypeVar("S", bound=Spec)


class MemoryDatastore:
    """Resources by kind and name. Every call gives way to other tasks once, so that races show.

    Several tasks may share one instance: it is then the one store of several nodes.
    """

    def __init__(self, resources: Collection[AnyResource] = ()) -> None:
        self._objects: dict[type[Spec], dict[str, AnyResource]] = {}
        self._versions = count(1)
        self._watchers: list[tuple[frozenset[type[Spec]], asyncio.Queue[Event]]] = []
        self._leases: dict[str, MemoryLease] = {}
        for resource in resources:
            self._put(resource, uid=self._stamp())

    @property
    def target(self) -> str:
        """`memory`."""
        return "memory"

    async def get(self, kind: type[S], name: str) -> Resource[S] | None:
        """The object, or None."""
        await asyncio.sleep(0)
        return cast("Resource[S] | None", self._of(cast("type[Spec]", kind)).get(name))

    async def list(self, kind: type[Spec]) -> Listed:
        """All objects of one kind; none is ever broken here."""
        await asyncio.sleep(0)
        return Listed(kind, dict(self._of(kind)))

    async def create(self, resource: Resource[S], document: Mapping[str, Any] | None = None) -> Resource[S]:
        """Store a new object; Conflict when the name is taken. What `document` has beyond it is not kept here."""
        await asyncio.sleep(0)
        if resource.name in self._of(kind_of(resource.spec).spec):
            raise Conflict(f"{kind_of(resource.spec).name} {resource.name} exists already")
        return self._put(resource, uid=self._stamp())

    async def update(self, resource: Resource[S], document: Mapping[str, Any] | None = None) -> Resource[S]:
        """Replace exactly the object that was read, else Conflict. Nothing happens when nothing differs."""
        await asyncio.sleep(0)
        stored = self._same(resource)
        if stored is None:
            raise Conflict(f"{kind_of(resource.spec).name} {resource.name} is gone")
        return self._put(resource, uid=stored.meta.uid)

    async def report(self, kind: type[Spec], name: str, status: Mapping[str, Any]) -> bool:
        """As `StatusStore.report`; nothing here shows a status."""
        await asyncio.sleep(0)
        stored = self._of(kind).get(name)
        if stored is not None:
            self._put(stored, uid=stored.meta.uid)
        return stored is not None

    async def delete(self, resource: Resource[S]) -> None:
        """Remove exactly the object that was read; success when it is gone."""
        await asyncio.sleep(0)
        if self._same(resource) is not None:
            kind = kind_of(resource.spec).spec
            del self._of(kind)[resource.name]
            self._tell(Gone(kind, resource.name))

    async def watch(self, kinds: Collection[type[Spec]]) -> AsyncIterator[Event]:
        """Listed for each kind, then every change."""
        queue: asyncio.Queue[Event] = asyncio.Queue()
        for kind in kinds:
            queue.put_nowait(Listed(kind, dict(self._of(kind))))
        watcher = (frozenset(kinds), queue)
        self._watchers.append(watcher)
        try:
            while True:
                yield await queue.get()
        finally:
            self._watchers.remove(watcher)

    def lease(self, name: str, me: str) -> "MemoryLease":
        """As `Datastore.lease`."""
        return MemoryLease(self._leases, name, me)

    def whole(self) -> "MemoryDatastore":
        """As `Datastore.whole`: it shows everything as it is."""
        return self

    async def close(self) -> None:
        """Nothing to let go of."""

    def _of(self, kind: type[Spec]) -> dict[str, AnyResource]:
        return self._objects.setdefault(kind, {})

    def _stamp(self) -> str:
        return str(next(self._versions))

    def _same(self, resource: AnyResource) -> AnyResource | None:
        """The stored object if it is the one that was read, None if there is none; else Conflict."""
        stored = self._of(kind_of(resource.spec).spec).get(resource.name)
        read = (resource.meta.uid, resource.meta.version)
        if stored is not None and read != (stored.meta.uid, stored.meta.version):
            raise Conflict(f"{kind_of(resource.spec).name} {resource.name} was changed by another")
        return stored

    def _put(self, resource: Resource[S], *, uid: str) -> Resource[S]:
        meta = replace(resource.meta, uid=uid, version=self._stamp(), created=resource.meta.created or time.time())
        stored = replace(resource, meta=meta)
        kind = kind_of(resource.spec).spec
        self._of(kind)[stored.name] = stored
        self._tell(Put(kind, stored))
        return stored

    def _tell(self, event: Event) -> None:
        for kinds, queue in self._watchers:
            if event.kind in kinds:
                queue.put_nowait(event)


class MemoryLease:
    """As `Lease`: whoever asks first has it until it lets go."""

    def __init__(self, held: "dict[str, MemoryLease]", name: str, me: str) -> None:
        self._held, self._name, self._me = held, name, me

    async def hold(self) -> bool:
        """As `Lease.hold`."""
        await asyncio.sleep(0)
        return self._held.setdefault(self._name, self) is self

    async def holder(self) -> str:
        """As `Lease.holder`."""
        found = self._held.get(self._name)
        return "" if found is None else found._me

    async def let_go(self) -> None:
        """As `Lease.let_go`."""
        if self._held.get(self._name) is self:
            del self._held[self._name]
