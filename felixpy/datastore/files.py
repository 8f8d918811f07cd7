"""The files store: one YAML file per resource in a folder that several processes of one machine share.

Reading needs no lock, for files are replaced by rename. Decoded objects are kept by the digest of their bytes, so a
list of ten thousand unchanged blocks decodes none of them again.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

from felixpy.datastore.decode import decode_as, decode_kind
from felixpy.datastore.documents import load_document
from felixpy.datastore.encode import encode, merge, to_bytes, with_status, written
from felixpy.datastore.fast import FastDecoder
from felixpy.datastore.file_lease import FileLease
from felixpy.datastore.folder import Folder
from felixpy.datastore.inotify import Inotify
from felixpy.datastore.metadata import check_name
from felixpy.datastore.remembered import Remembered
from felixpy.datastore.shelf import Shelf
from felixpy.datastore.swap import Swap, digest
from felixpy.datastore.watching import watch
from felixpy.model.errors import Conflict, InvalidResource
from felixpy.model.resources import KINDS, Kind, Resource, Secret, Spec, kind_of
from felixpy.model.snapshot import Event, Listed

S = TypeVar("S", bound=Spec)
Any_ = Resource[Any]

Written = tuple[Any_, bytes]  # an object, and the file that holds it

BATCH = 64  # objects read before other tasks of the loop get their turn


class FilesDatastore:
    """A `Datastore` (see source.py) in a folder. `sync=False` leaves the writing to the kernel, for benchmarks.

    With `shelf` what was watched is written down there, and is what a watch shows while the folder is away.
    """

    def __init__(self, root: Path, *, sync: bool = True, shelf: Shelf | None = None) -> None:
        self._folder = Folder(root)
        self._swap = Swap(self._folder, sync)
        self._fast = FastDecoder()
        self._decoded: dict[str, tuple[str, Any_ | InvalidResource]] = {}
        self._inotify: Inotify | None = None
        self._remembered = Remembered(shelf) if shelf else None

    @property
    def target(self) -> str:
        """`files:DIR`."""
        return self._folder.target

    def exists(self) -> bool:
        """Whether the store's folder is there."""
        return self._folder.root.is_dir()

    def prepare(self) -> None:
        """Make the store's folder if there is none."""
        try:
            self._folder.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._folder.trouble(self._folder.root, error) from error

    async def get(self, kind: type[S], name: str) -> Resource[S] | None:
        """As `Datastore.get`; InvalidResource also when the file says it is another object."""
        return self.read(KINDS[cast("type[Spec]", kind)], name)

    async def list(self, kind: type[Spec]) -> Listed:
        """As `Datastore.list`; a file that vanishes while listing is not there."""
        objects: dict[str, Any_] = {}
        broken: dict[str, InvalidResource] = {}
        for number, name in enumerate(self._folder.names(kind_of(kind))):
            if number % BATCH == BATCH - 1:
                await asyncio.sleep(0)
            try:
                resource = self.read(kind_of(kind), name)
            except InvalidResource as error:
                broken[name] = error
            else:
                if resource is not None:
                    objects[name] = resource
        return Listed(kind, objects, broken)

    async def document(self, kind: type[Spec], name: str) -> Mapping[str, Any] | None:
        """As `Datastore.document`."""
        path = self._folder.path(KINDS[kind], name)
        data = self._folder.read(path)
        return None if data is None else cast("Mapping[str, Any]", load_document(data, str(path)))

    async def create(self, resource: Resource[S], document: Mapping[str, Any] | None = None) -> Resource[S]:
        """As `Datastore.create`."""
        kind, path = self._place(resource)

        def content(before: bytes | None, version: int) -> Written:
            if before is not None:
                raise Conflict(f"{kind.name}/{resource.name} exists already in {self.target}")
            uid, created = str(uuid.uuid4()), float(int(time.time()))
            meta = replace(resource.meta, uid=uid, created=created, version=str(version))
            stamped = replace(resource, meta=meta)
            return stamped, to_bytes(kind, encode(stamped) if document is None else written(document, stamped))

        return await self._put(kind, path, content)

    async def update(self, resource: Resource[S], document: Mapping[str, Any] | None = None) -> Resource[S]:
        """As `Datastore.update`. A broken object, named by the digest in its InvalidResource, may be replaced too."""
        kind, path = self._place(resource)

        def content(before: bytes | None, version: int) -> Written:
            old = self._expect(kind, resource, before)
            uid = (old.meta.uid if old else "") or resource.meta.uid or str(uuid.uuid4())
            created = (old.meta.created if old else 0.0) or resource.meta.created or float(int(time.time()))
            new = replace(resource, meta=replace(resource.meta, uid=uid, version=str(version), created=created))
            stored = load_document(before, str(path)) if old and before else None
            if document is not None:
                return new, to_bytes(kind, written(document, new, stored))
            return new, to_bytes(kind, merge(stored, old, new) if old and stored else encode(new))

        return await self._put(kind, path, content)

    async def report(self, kind: type[Spec], name: str, status: Mapping[str, Any]) -> bool:
        """As `StatusStore.report`. Who writes the spec at the same moment is not undone."""
        found = await self.get(cast("type[Any]", kind), name)
        if found is None:
            return False
        known, path = self._place(found)

        def content(before: bytes | None, version: int) -> Written:
            if before is None:
                raise Conflict(f"{known.name}/{name} is gone from {self.target}")
            old = self._decode(known, name, before, digest(before))
            if isinstance(old, InvalidResource):
                raise old
            new = replace(old, meta=replace(old.meta, version=str(version)))
            stored = cast("Mapping[str, Any]", load_document(before, str(path)))
            return new, to_bytes(known, merge(with_status(stored, status), old, new))

        try:
            await self._put(known, path, content)
        except Conflict:
            return False
        return True

    async def delete(self, resource: Resource[S]) -> None:
        """As `Datastore.delete`."""
        kind, path = self._place(resource)

        def check(before: bytes) -> None:
            self._agree(kind, resource, before)

        await self._swap.remove(path, check)

    def watch(self, kinds: Collection[type[Spec]]) -> AsyncIterator[Event]:
        """As `Datastore.watch`."""
        events = watch(self, self._folder, self._events, kinds)
        return events if self._remembered is None else self._remembered.watch(events, kinds)

    def lease(self, name: str, me: str) -> FileLease:
        """As `Datastore.lease`."""
        return FileLease(self._folder, name, me)

    def whole(self) -> "FilesDatastore":
        """As `Datastore.whole`: it shows everything as it is."""
        return self

    async def close(self) -> None:
        """Let go of the inotify descriptor; what is still to be written down is written."""
        if self._remembered is not None:
            self._remembered.close()
        if self._inotify is not None:
            self._inotify.close()
            self._inotify = None

    def read(self, kind: Kind, name: str) -> Any_ | None:
        """One object as it is now; None when there is none."""
        file = self._folder.file(kind, name)
        try:
            data = self._folder.read(file)
        except InvalidResource as error:
            error.digest = digest(b"")
            raise
        if data is None:
            self._decoded.pop(file, None)
            return None
        mark = digest(data)
        known = self._decoded.get(file)
        if known is None or known[0] != mark:
            known = self._decoded[file] = (mark, self._decode(kind, name, data, mark))
        if isinstance(known[1], InvalidResource):
            raise known[1].with_traceback(None)
        return known[1]

    def _decode(self, kind: Kind, name: str, data: bytes, mark: str) -> Any_ | InvalidResource:
        where = self._folder.file(kind, name)
        try:
            resource = self._fast.decode(kind, data, mark) if kind.machine_written else None
            if resource is None:
                document = load_document(data, where)
                resource = replace(decode_as(decode_kind(document, where), document, where), digest=mark)
            _check_place(kind, name, resource, where)
        except InvalidResource as error:
            error.digest = mark
            return error
        return resource

    def _expect(self, kind: Kind, resource: Any_, before: bytes | None) -> Any_ | None:
        if before is None:
            raise Conflict(f"{kind.name}/{resource.name} is gone from {self.target}")
        return self._agree(kind, resource, before)

    def _agree(self, kind: Kind, resource: Any_, before: bytes) -> Any_ | None:
        """The object in `before` if it is exactly the one that `resource` was read from; else Conflict."""
        now = digest(before)
        known = self._decoded.get(self._folder.file(kind, resource.name))
        decoded = known[1] if known and known[0] == now else self._decode(kind, resource.name, before, now)
        old = None if isinstance(decoded, InvalidResource) else decoded
        if resource.digest:
            same = resource.digest == now
        else:
            mine, stored = resource.meta, old.meta if old else None
            same = stored is not None and (mine.uid, mine.version) == (stored.uid, stored.version)
        if not same:
            raise Conflict(f"{kind.name}/{resource.name} changed in {self.target} since it was read")
        return old

    def _place(self, resource: Any_) -> tuple[Kind, Path]:
        kind = kind_of(resource.spec)
        if problem := check_name(resource.meta.name):
            raise InvalidResource(f"{kind.name}/{resource.name[:64]}", "metadata.name", problem)
        return kind, self._folder.path(kind, resource.name)

    async def _put(self, kind: Kind, path: Path, content: Callable[[bytes | None, int], Written]) -> Any_:
        made: Any_ | None = None

        def data_of(before: bytes | None, version: int) -> bytes:
            nonlocal made
            made, data = content(before, version)
            return data

        data = await self._swap.put(path, data_of, kind.spec is Secret)
        mark = digest(data)
        if made is not None and kind.machine_written and not made.meta.deleting and not made.unknown:
            decoded = replace(made, digest=mark)  # what a program made needs no reading back
        else:
            read = self._decode(kind, cast("str", self._folder.name(kind, path.name)), data, mark)
            if isinstance(read, InvalidResource):
                raise read
            decoded = read
        self._decoded[str(path)] = (mark, decoded)
        return decoded

    def _events(self) -> Inotify:
        if self._inotify is None:
            self._inotify = Inotify()
        return self._inotify


def _check_place(kind: Kind, name: str, resource: Any_, where: str) -> None:
    """A file holds the object that its name says."""
    found = kind_of(resource.spec)
    if found is not kind:
        raise InvalidResource(where, "kind", f"is {found.name} in the folder of {kind.plural}: move the file")
    if resource.name != name:
        raise InvalidResource(where, "metadata.name", f"is {resource.name}, not what the file is named: rename one")
