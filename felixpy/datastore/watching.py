"""Events of a files store: everything of each kind first, then what changes, for ever.

inotify only says where to look again; what is there is read when the consumer asks for the next event. So a burst of
writes to one object is one event, and only the newest state of it is ever decoded.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path
from typing import Any, Protocol

from felixpy.datastore.folder import Folder
from felixpy.datastore.inotify import DELETE_SELF, FOLDERS, ISDIR, MOVE_SELF, MOVED_FROM, UNMOUNT, Inotify
from felixpy.model.errors import InvalidResource
from felixpy.model.resources import Kind, Resource, Spec, kind_of
from felixpy.model.snapshot import Broken, Event, Gone, Listed, Put

# Editors save by renaming the old file to a backup before they write the new one, and no session may go down for
# that. Our own deletion is an unlink, which counts at once.
EDITOR_S = 0.1

Dirty = tuple[Kind, str | None]  # an object, or None: the whole kind


class Reader(Protocol):
    """What a watch reads from."""

    async def list(self, kind: type[Spec]) -> Listed:
        """All objects of a kind."""
        ...

    def read(self, kind: Kind, name: str) -> Resource[Any] | None:
        """One object."""
        ...


class Changes:
    """What has to be looked at again, in the order in which it was first noticed."""

    def __init__(self, folder: Folder, kinds: Collection[Kind]) -> None:
        self._folder = folder
        self._kinds = {folder.of(kind): kind for kind in kinds}
        self._dirty: dict[Dirty, None] = {}
        self._some = asyncio.Event()

    def everything(self) -> None:
        """List all kinds again."""
        self._dirty.clear()
        for kind in self._kinds.values():
            self._mark(kind, None)

    def note(self, folder: Path | None, file: str, mask: int) -> None:
        """One event of inotify."""
        if folder is None or (folder == self._folder.root and mask & (DELETE_SELF | MOVE_SELF | UNMOUNT)):
            self.everything()
        elif folder == self._folder.root:
            if (kind := self._kinds.get(folder / file)) is not None:
                self._mark(kind, None)
        elif (kind := self._kinds.get(folder)) is not None:
            if mask & ISDIR:
                return
            name = self._folder.name(kind, file)
            if name is None or (kind, None) in self._dirty:
                return
            if mask & MOVED_FROM:
                asyncio.get_running_loop().call_later(EDITOR_S, self._mark, kind, name)
            else:
                self._mark(kind, name)

    async def next(self) -> Dirty:
        """Wait for the next thing to look at."""
        while not self._dirty:
            self._some.clear()
            await self._some.wait()
        first = next(iter(self._dirty))
        del self._dirty[first]
        return first

    def _mark(self, kind: Kind, name: str | None) -> None:
        self._dirty[kind, name] = None
        self._some.set()


async def watch(
    reader: Reader, folder: Folder, inotify: Callable[[], Inotify], kinds: Collection[type[Spec]]
) -> AsyncIterator[Event]:
    """As `Datastore.watch`. Unreachable when the store's folder goes away: nothing is reported as gone then."""
    changes = Changes(folder, [kind_of(kind) for kind in kinds])
    changes.everything()
    source = inotify()
    source.listen(changes.note)
    try:
        while True:
            kind, name = await changes.next()
            yield await _list(reader, folder, source, kind) if name is None else _look(reader, kind, name)
    finally:
        source.leave(changes.note)


async def _list(reader: Reader, folder: Folder, source: Inotify, kind: Kind) -> Listed:
    """Watch first, list then: nothing that happens in between is missed."""
    source.add(folder.root, FOLDERS)
    source.add(folder.of(kind))
    return await reader.list(kind.spec)


def _look(reader: Reader, kind: Kind, name: str) -> Event:
    try:
        resource = reader.read(kind, name)
    except InvalidResource as error:
        return Broken(kind.spec, name, error)
    return Gone(kind.spec, name) if resource is None else Put(kind.spec, resource)
