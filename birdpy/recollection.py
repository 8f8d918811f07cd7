"""What an earlier life knew of the datastore, and whether it may be announced while the datastore is away. Edge: one
small file in the run folder, which no reboot survives.

A block is announced on an earlier time's word only if that time was this boot and less than the restart time ago (the
peers still hold what they were told then), for the same Node object, and with its blackhole still in the kernel: what
was away for longer may have been given to another node by now.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import msgspec

from birdpy.orders import Orders
from birdpy.saved import boot_id
from felixpy.kernel.routes import KernelRoutes
from felixpy.model.errors import InvalidResource
from felixpy.model.resources import BlockAffinity, IPAMBlock, IPPool, Node, Spec
from felixpy.model.routes import Route, RouteKey, RouteKind
from felixpy.model.snapshot import Snapshot

FILE_NAME = "birdpy-alive.json"
BEAT_S = 10.0  # what it is wrong by at most makes an earlier life seem older, never younger
NOT_YET = "it is not announced until the datastore is back"
GROUND: frozenset[type[Spec]] = frozenset({Node, IPPool, BlockAffinity, IPAMBlock})  # of which own blocks follow


class Alive(msgspec.Struct, frozen=True):
    """The file's content."""

    node: str
    uid: str  # of the Node object
    boot_id: str
    at: float  # seconds of CLOCK_BOOTTIME


class Recollection:
    """One life's use of what the one before it knew."""

    def __init__(self, path: Path, node: str, routes: KernelRoutes) -> None:
        self._path, self._node, self._routes = path, node, routes
        self._earlier = load(path)
        self._started = time.clock_gettime(time.CLOCK_BOOTTIME)
        self._found: Mapping[RouteKey, Route] | None = None
        self._refusing = False

    async def trusted(self, made: Orders, snapshot: Snapshot) -> Orders:
        """`made` of `snapshot`, without what must not be announced before the datastore is back."""
        self._refusing = False
        if not snapshot.stale:
            return made
        made = replace(made, recalled=True)
        if not snapshot.stale & GROUND:
            return made
        if self._found is None:
            self._found = await self._routes.read()
        restart_s = max((session.graceful_restart_s for session in made.speaker.sessions), default=0)
        why = distrust(self._earlier, self._present(snapshot, self._started), restart_s)
        self._refusing = bool(why)
        held = {key for key, route in self._found.items() if route.kind is RouteKind.BLACKHOLE}
        blackholes = {key: route for key, route in made.blackholes.items() if key in held and not why}
        gone = {key.prefix for key in made.blackholes.keys() - blackholes.keys()} if not why else set(made.paths)
        why = why or "its blackhole was not in the kernel any more"
        problems = (InvalidResource(f"block {p}", "", f"{why}: {NOT_YET}") for p in sorted(gone, key=str))
        return replace(
            made,
            paths={prefix: path for prefix, path in made.paths.items() if prefix not in gone},
            blackholes=blackholes,
            problems=(*made.problems, *problems),
        )

    async def keep(self, serving: Callable[[], Snapshot | None]) -> None:
        """Write down, again and again, that the routes of the snapshot that `serving` tells are announced."""
        while True:
            snapshot = serving()
            if snapshot is not None and not self._refusing:
                with suppress(OSError):  # costs the next life its memory, no more
                    save(self._path, self._present(snapshot, time.clock_gettime(time.CLOCK_BOOTTIME)))
            await asyncio.sleep(BEAT_S)

    def _present(self, snapshot: Snapshot, at: float) -> Alive:
        return Alive(self._node, uid_of(self._node, snapshot), boot_id(), at)


def distrust(earlier: Alive | None, present: Alive, restart_s: float) -> str:
    """Why nothing that `earlier` announced may be announced at `present`; "" when it may. Pure."""
    if earlier is None or earlier.boot_id != present.boot_id:
        return "nothing was announced since this machine was started"
    if (earlier.node, earlier.uid) != (present.node, present.uid):
        return "what was announced last was another Node's"
    if present.at - earlier.at >= restart_s:
        return f"birdpy was away for longer than the restart time of {restart_s:g} s"
    return ""


def uid_of(node: str, snapshot: Snapshot) -> str:
    """The uid of the Node object; "" when there is none."""
    found = snapshot.of(Node).get(node)
    return found.meta.uid if found else ""


def save(path: Path, alive: Alive) -> None:
    """Write it down. OSError when the folder cannot be written."""
    draft = path.with_name(f".{path.name}.draft")
    draft.write_bytes(msgspec.json.encode(alive))
    draft.rename(path)


def load(path: Path) -> Alive | None:
    """What an earlier life wrote; None when there is no usable file."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Alive)
    except (OSError, ValueError):  # msgspec's errors are ValueErrors
        return None


__all__ = ["FILE_NAME", "Alive", "Recollection", "distrust", "load", "save"]
