"""Several nodes on one store in memory, whose processes can be killed between any two writes."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping
from ipaddress import ip_network
from typing import Any, TypeVar

from felixpy.datastore.lease import Lease
from felixpy.datastore.memory import MemoryDatastore
from felixpy.datastore.source import Datastore
from felixpy.ipam.allocate import Request
from felixpy.ipam.allocator import Allocator
from felixpy.ipam.blocks import Owner
from felixpy.ipam.collect import KINDS_READ, Problem, problems
from felixpy.ipam.pools import Rules, Wish, rules_of
from felixpy.model.resources import (
    IPAMConfig,
    IPPool,
    IPReservation,
    Metadata,
    Node,
    Resource,
    Spec,
    WorkloadEndpoint,
)
from felixpy.model.snapshot import AnyResource, Event, Listed, Snapshot

S = TypeVar("S", bound=Spec)


class Killed(Exception):
    """What a task of a process meets that was killed: it does nothing any more."""


class Process:
    """One process's view of a store: after `writes` more writes it is killed, before or after the last of them."""

    def __init__(self, store: Datastore, writes: int | None = None, *, after: bool = False, pace: int = 0) -> None:
        self.store, self.left, self.after, self.pace, self.dead = store, writes, after, pace, False
        self.target = store.target

    async def _turn(self) -> None:
        for _ in range(self.pace):
            await asyncio.sleep(0)
        if self.dead:
            raise Killed

    async def _write(self, doing: Any) -> Any:
        try:
            await self._turn()
        except Killed:
            doing.close()
            raise
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.dead = True
                if not self.after:
                    doing.close()
                    raise Killed
        done = await doing
        await self._turn()
        return done

    async def get(self, kind: type[S], name: str) -> Resource[S] | None:
        await self._turn()
        return await self.store.get(kind, name)

    async def list(self, kind: type[Spec]) -> Listed:
        await self._turn()
        return await self.store.list(kind)

    async def create(self, resource: Resource[S], document: Mapping[str, Any] | None = None) -> Resource[S]:
        made: Resource[S] = await self._write(self.store.create(resource, document))
        return made

    async def update(self, resource: Resource[S], document: Mapping[str, Any] | None = None) -> Resource[S]:
        made: Resource[S] = await self._write(self.store.update(resource, document))
        return made

    async def delete(self, resource: Resource[S]) -> None:
        await self._write(self.store.delete(resource))

    def watch(self, kinds: Collection[type[Spec]]) -> AsyncIterator[Event]:
        return self.store.watch(kinds)

    def lease(self, name: str, me: str) -> Lease:
        return self.store.lease(name, me)

    def whole(self) -> Datastore:
        return self

    async def close(self) -> None:
        """The store lives on."""


def pool(name: str = "p", cidr: str = "10.65.0.0/24", **fields: Any) -> Resource[IPPool]:
    size = 26 if ":" not in cidr else 122
    return Resource(Metadata(name), IPPool(cidr=ip_network(cidr), **{"block_size": size, **fields}))


def config(**fields: Any) -> Resource[IPAMConfig]:
    return Resource(Metadata("default"), IPAMConfig(**fields))


def world(*resources: AnyResource, nodes: Collection[str] = ("n1", "n2", "n3")) -> MemoryDatastore:
    return MemoryDatastore([*(Resource(Metadata(name), Node()) for name in nodes), *resources])


async def snapshot(store: Datastore) -> Snapshot:
    now = Snapshot()
    for kind in (*KINDS_READ, IPReservation):
        now = now.after(await store.list(kind))
    return now


def allocator(store: Datastore, node: str = "n1", clock: Any = time.time) -> Allocator:
    async def rules() -> Rules:
        return rules_of(await snapshot(store), node)

    return Allocator(store, node, rules, clock)


def request(handle: str, *families: int, **fields: Any) -> Request:
    wishes = tuple(Wish(family) for family in families)  # type: ignore[arg-type]
    return Request(Owner(handle, {"pod": handle, "node": "n"}), wishes, **fields)


async def endpoint(store: Datastore, handle: str, addresses: Collection[Any]) -> None:
    """What a finished ADD leaves: without it `check` calls the addresses leaked."""
    networks = tuple(ip_network(address) for address in addresses)
    await store.create(Resource(Metadata(handle, "default"), WorkloadEndpoint(node="n1", ip_networks=networks)))


async def trouble(store: Datastore) -> list[Problem]:
    return problems(await snapshot(store), time.time())
