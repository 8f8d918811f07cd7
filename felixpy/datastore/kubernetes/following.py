"""Watches of several kinds at once, and which objects a node has no need to watch. Edge.

Services and EndpointSlices are the many objects of a cluster: they are watched only while service addresses are
announced. Of all Secrets only those are watched that a session names as its password.
"""

import asyncio
from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

from felixpy.datastore.kubernetes.copies import Copy
from felixpy.datastore.kubernetes.discovery import Way
from felixpy.datastore.kubernetes.reflector import Follower, Reflector
from felixpy.datastore.shelf import Shelf
from felixpy.model.resources import (
    BGPConfiguration,
    BGPPeer,
    EndpointSlice,
    Resource,
    Secret,
    Service,
    Spec,
)
from felixpy.model.snapshot import Broken, Event, Gone, Listed, Put

Key = tuple[type[Spec], str]  # a kind, or one object of it
GATED: tuple[type[Spec], ...] = (Secret, Service, EndpointSlice)


@dataclass(frozen=True, slots=True)
class Needs:
    """What the configuration of BGP asks for."""

    secrets: frozenset[str] = frozenset()  # `namespace/name`
    services: bool = False

    def keys(self, kind: type[Spec]) -> list[Key]:
        """What has to be watched of a gated kind."""
        if kind is Secret:
            return [(Secret, name) for name in sorted(self.secrets)]
        return [(kind, "")] if self.services else []


def needs(configurations: Collection[Resource[Any]], peers: Collection[Resource[Any]], namespace: str) -> Needs:
    """The Secrets that are named as passwords, and whether any service address is announced."""
    default = next((one.spec for one in configurations if one.meta.name == "default"), BGPConfiguration())
    passwords = [default.node_mesh_password, *(peer.spec.password for peer in peers)]
    named = [one.secret_key_ref.name for one in passwords if one is not None and one.secret_key_ref is not None]
    ranges = (*default.service_cluster_ips, *default.service_external_ips, *default.service_load_balancer_ips)
    return Needs(frozenset(f"{namespace}/{name}" for name in named), any(one.cidr is not None for one in ranges))


class Following:
    """Everything that one process watches. Kinds that several of its parts watch are listed and watched once."""

    def __init__(self, way: Way, shelf: Shelf | None = None) -> None:
        self._way, self._shelf = way, shelf
        self._running: dict[Key, tuple[Reflector, asyncio.Task[None]]] = {}

    def copy(self, kind: type[Spec]) -> Copy | None:
        """What is known of a kind that is watched, as long as the server confirms it."""
        found = self._running.get((kind, ""))
        return found[0].copy if found and found[0].connected else None

    def keep(self, kind: type[Spec]) -> None:
        """Watch a kind from now on, for who reads single objects of it again and again."""
        self._reflector((kind, ""))

    async def watch(self, kinds: Collection[type[Spec]]) -> AsyncGenerator[Event, None]:
        """As `Datastore.watch`."""
        gated = [kind for kind in kinds if kind in GATED and self._way.scope.node]
        follower, open_for = Follower(), None
        plain = [kind for kind in kinds if kind not in gated]
        try:
            for kind in plain:
                self._reflector((kind, "")).join(follower)
            for kind in plain:  # in their order, before any change
                await follower.until((kind, None))
                yield self._event(follower, kind, None)
            while True:
                if gated and (wanted := self._needs()) != open_for:
                    for kind in gated:
                        self._gate(kind, wanted, follower)
                    open_for = wanted
                await follower.until()
                kind, name = next(iter(follower.dirty))
                if kind not in gated:
                    yield self._event(follower, kind, name)
                elif (event := self._gated_event(follower, kind, wanted)) is not None:
                    yield event
        finally:
            for reflector, _ in self._running.values():
                reflector.followers.discard(follower)

    async def close(self) -> None:
        """End all of it."""
        tasks = [task for _, task in self._running.values()]
        self._running.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._shelf is not None:
            self._shelf.close()

    def _needs(self) -> Needs:
        known = [self._running[kind, ""][0].copy for kind in (BGPConfiguration, BGPPeer)]
        return needs(known[0].objects.values(), known[1].objects.values(), self._way.scope.namespace)

    def _gate(self, kind: type[Spec], wanted: Needs, follower: Follower) -> None:
        """Watch what is needed of `kind` and no more."""
        keys = wanted.keys(kind)
        for key in [key for key in self._running if key[0] is kind and key not in keys]:
            self._running[key][0].followers.discard(follower)
            if not self._running[key][0].followers:
                self._running.pop(key)[1].cancel()
        for key in keys:
            if follower not in self._reflector(key).followers:
                self._reflector(key).join(follower)
        follower.mark(kind, None)

    def _event(self, follower: Follower, kind: type[Spec], name: str | None) -> Event:
        """What is known now of something that changed."""
        del follower.dirty[kind, name]
        reflector = self._running[kind, ""][0]
        copy = reflector.copy
        if name is None:
            return copy.of(kind, stale=not reflector.connected)
        if name in copy.broken:
            return Broken(kind, name, copy.broken[name])
        return Put(kind, copy.objects[name]) if name in copy.objects else Gone(kind, name)

    def _gated_event(self, follower: Follower, kind: type[Spec], wanted: Needs) -> Listed | None:
        """All that is needed of a gated kind, once each part of it was listed."""
        for key in [key for key in follower.dirty if key[0] is kind]:
            del follower.dirty[key]
        parts = [self._running[key][0] for key in wanted.keys(kind)]
        if not all(part.copy.listed for part in parts):
            return None  # it will be marked again
        together = Copy()
        for part in parts:
            together.objects |= part.copy.objects
            together.broken |= part.copy.broken
        return together.of(kind, stale=not all(part.connected for part in parts))

    def _reflector(self, key: Key) -> Reflector:
        if key not in self._running:
            written = self._shelf.load(*key) if self._shelf else None
            reflector = Reflector(self._way, *key, None if written is None else Copy(written, listed=True))
            reflector.changed = self._changed
            task = asyncio.create_task(reflector.run(), name=f"follow {key[0].__name__} {key[1]}".strip())
            task.add_done_callback(partial(_ended, reflector))
            self._running[key] = (reflector, task)
        return self._running[key][0]

    def _changed(self, reflector: Reflector) -> None:
        if self._shelf is not None:
            self._shelf.note(reflector.kind, reflector.name, lambda: reflector.copy.objects)


def _ended(reflector: Reflector, task: asyncio.Task[None]) -> None:
    """A bug in it is not ours to hide: whoever follows gets it."""
    if not task.cancelled() and (error := task.exception()) is not None:
        for follower in reflector.followers:
            follower.fail(error)
