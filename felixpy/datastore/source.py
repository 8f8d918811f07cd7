"""The seam: what every datastore can do. `files` and `kubernetes` implement it; one contract suite runs on both."""

from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any, Protocol, TypeVar

from felixpy.datastore.lease import Lease
from felixpy.model.resources import Resource, Spec
from felixpy.model.snapshot import Event, Listed

S = TypeVar("S", bound=Spec)


class Datastore(Protocol):
    """Resources by kind and name, with compare-and-swap. Names are `name` or `namespace/name`.

    Every call may raise Unreachable. A write merges the fields we know into what is stored, so fields that we do
    not know survive.
    """

    @property
    def target(self) -> str:
        """Where this is, for people: `files:/var/lib/felixpy/store`."""
        ...

    async def get(self, kind: type[S], name: str) -> Resource[S] | None:
        """The object, or None when there is none. InvalidResource when it cannot be decoded."""
        ...

    async def list(self, kind: type[Spec]) -> Listed:
        """All objects of one kind, and those that cannot be decoded."""
        ...

    async def create(self, resource: Resource[S], document: Mapping[str, Any] | None = None) -> Resource[S]:
        """Store a new object; Conflict when the name is taken. Returns it with uid and version filled in.

        With `document`, that is stored: the object as its author wrote it, of which `resource` was decoded.
        """
        ...

    async def update(self, resource: Resource[S], document: Mapping[str, Any] | None = None) -> Resource[S]:
        """Replace exactly the object that was read (version, uid, digest); Conflict when it is another by now.

        With `document` nothing of the stored object survives but its identity.
        """
        ...

    async def delete(self, resource: Resource[S]) -> None:
        """Remove exactly the object that was read; Conflict when it is another by now; success when it is gone."""
        ...

    def watch(self, kinds: Collection[type[Spec]]) -> AsyncIterator[Event]:
        """Listed for each kind first, then changes as they happen, for ever. A lost watch is listed again.

        Unreachable when the datastore goes away: watch again then (`follow` does). What was known stays in force.
        """
        ...

    def lease(self, name: str, me: str) -> Lease:
        """The lease `name` (a DNS-1123 label), to be held as `me`; nothing is read or taken yet."""
        ...

    def whole(self) -> "Datastore":
        """The same store as who works for all nodes sees it; a daemon's own view may show its node's objects only.

        It shares what this one has open: `close` this one.
        """
        ...

    async def close(self) -> None:
        """Let go of descriptors and connections."""
        ...


class StatusStore(Datastore, Protocol):
    """A datastore as who fills the `status` of objects needs it."""

    async def report(self, kind: type[Spec], name: str, status: Mapping[str, Any]) -> bool:
        """Write fields of an object's `status`, None to remove one; its spec stays. False when it is gone."""
        ...


class DocumentStore(StatusStore, Protocol):
    """A datastore as the command line needs it: it also shows objects as they are stored."""

    async def document(self, kind: type[Spec], name: str) -> Mapping[str, Any] | None:
        """The object as it is stored, also with what we do not know of it; None when there is none."""
        ...
