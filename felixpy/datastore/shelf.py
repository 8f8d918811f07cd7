"""What was known of the datastore, written down, so that a daemon that starts while it is away can go on.

One file per kind, replaced by rename, mode 0600 in a folder of mode 0700. Secrets are not written to the folder that
survives a reboot: theirs is on a tmpfs, beside the sockets, and goes with the node's memory. What is read back counts
as an earlier time's word: nothing is erased because of it. Edge.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from felixpy.datastore.decode import decode_as
from felixpy.datastore.encode import encode
from felixpy.model.errors import InvalidResource
from felixpy.model.resources import Kind, Resource, Secret, Spec, kind_of

SOON_S = 0.2  # a burst of changes is one write
LATER_S = 10.0  # for a kind of more than MANY objects: all nodes of a great cluster
MANY = 200

Objects = dict[str, Resource[Any]]


class Written(msgspec.Struct):
    """A file."""

    node: str
    items: list[dict[str, Any]]


@dataclass(slots=True)
class Shelf:
    """The files of one daemon of `node`. A disk that takes nothing costs the memory of the next start, no more."""

    node: str
    folder: Path
    secrets: Path
    _due: dict[Path, tuple[asyncio.TimerHandle, Callable[[], Objects]]] = field(default_factory=dict)

    def load(self, kind: type[Spec], name: str = "") -> Objects | None:
        """What was written of a kind (or of one object); None when there is nothing to go by."""
        path = self._path(kind_of(kind), name)
        try:
            found = msgspec.json.decode(path.read_bytes(), type=Written)
            if found.node != self.node:
                return None
            resources: list[Resource[Any]] = [decode_as(kind_of(kind), item, str(path)) for item in found.items]
        except (OSError, ValueError, InvalidResource, RecursionError):
            return None
        return {resource.name: resource for resource in resources}

    def note(self, kind: type[Spec], name: str, objects: Callable[[], Objects]) -> None:
        """`objects` has changed: write it soon."""
        path = self._path(kind_of(kind), name)
        if path in self._due:
            return
        delay = LATER_S if len(objects()) > MANY else SOON_S
        handle = asyncio.get_running_loop().call_later(delay, self._write, path, objects)
        self._due[path] = (handle, objects)

    def close(self) -> None:
        """Write what is still due."""
        for path, (handle, objects) in list(self._due.items()):
            handle.cancel()
            self._write(path, objects)

    def _path(self, kind: Kind, name: str) -> Path:
        folder = self.secrets if kind.spec is Secret else self.folder
        return folder / ".".join(part.replace("/", ".") for part in (kind.plural, name, "json") if part)

    def _write(self, path: Path, objects: Callable[[], Objects]) -> None:
        self._due.pop(path, None)
        items = [encode(resource) for resource in objects().values()]
        temporary = path.with_name(f".{path.name}")
        with suppress(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(Written(self.node, items)))
            temporary.replace(path)
