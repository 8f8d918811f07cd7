"""What a files store was last seen to hold, for who starts while it is away: a mount that is not there, a disk. Edge.

The same shelf as on Kubernetes, of each daemon for itself. Of endpoints only this node's are written down: they are
the many objects, and nobody needs another node's while the store is away.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import aclosing
from functools import partial
from typing import cast

from felixpy.datastore.shelf import Objects, Shelf
from felixpy.model.errors import Unreachable
from felixpy.model.resources import Spec, WorkloadEndpoint
from felixpy.model.snapshot import Event, Gone, Listed, Put


class Remembered:
    """One daemon's memory of its store: as seen by this process, else as written down by an earlier one."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._known: dict[type[Spec], Objects | None] = {}

    async def watch(self, events: AsyncIterator[Event], kinds: Collection[type[Spec]]) -> AsyncGenerator[Event, None]:
        """`events`, remembered; when they end because the store is away, first what is known of `kinds` (stale)."""
        try:
            async with aclosing(cast("AsyncGenerator[Event, None]", events)):
                async for event in events:
                    self._take(event)
                    yield event
        except Unreachable:
            for kind in kinds:
                if (objects := self._recall(kind)) is not None:
                    yield Listed(kind, dict(objects), stale=True)
            raise

    def close(self) -> None:
        """Write what is still due."""
        self._shelf.close()

    def _recall(self, kind: type[Spec]) -> Objects | None:
        if kind not in self._known:
            self._known[kind] = self._shelf.load(kind)
        return self._known[kind]

    def _take(self, event: Event) -> None:
        known = self._known.get(event.kind)
        if known is None:
            known = self._known[event.kind] = {}
        match event:
            case Listed(kind, objects, broken):
                kept = {name: known[name] for name in broken if name in known}
                known = self._known[kind] = {**kept, **objects}
            case Put(_, resource):
                known[resource.name] = resource
            case Gone(_, name):
                known.pop(name, None)
            case _:
                return  # what was known of a broken object stays
        self._shelf.note(event.kind, "", partial(self._ours, known))

    def _ours(self, known: Objects) -> Objects:
        """What is worth writing down."""
        node = self._shelf.node
        return {
            name: it
            for name, it in known.items()
            if not isinstance(it.spec, WorkloadEndpoint) or it.spec.node == node
        }
