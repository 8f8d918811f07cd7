"""The seam's implementation on Kubernetes. Edge: `single` reads and writes objects, `reflector` follows kinds."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from functools import partial
from typing import Any, TypeVar, cast

import msgspec

from felixpy.datastore.encode import encode
from felixpy.datastore.kubernetes.access import Access
from felixpy.datastore.kubernetes.api import Api
from felixpy.datastore.kubernetes.copies import listed
from felixpy.datastore.kubernetes.discovery import Way
from felixpy.datastore.kubernetes.lease import KubernetesLease
from felixpy.datastore.kubernetes.places import Scope
from felixpy.datastore.kubernetes.reflector import Follower, Reflector
from felixpy.datastore.kubernetes.single import Singles
from felixpy.datastore.metadata import check_name
from felixpy.model.errors import Conflict, InvalidResource, Trouble
from felixpy.model.resources import Node, Resource, Spec, WorkloadEndpoint, kind_of
from felixpy.model.snapshot import Broken, Event, Gone, Listed, Put

S = TypeVar("S", bound=Spec)


class KubernetesDatastore:
    """A `Datastore` (see source.py) behind one connection. Nothing is asked before the first call."""

    def __init__(self, access: Access | Api, scope: Scope | None = None) -> None:
        self.api = access if isinstance(access, Api) else Api(access)
        self._way = Way(self.api, scope or Scope())
        self._singles = Singles(self._way)
        self._reflectors: dict[type[Spec], tuple[Reflector, asyncio.Task[None]]] = {}

    @property
    def target(self) -> str:
        """`kubernetes:KUBECONFIG (CONTEXT)`, or `kubernetes:in-cluster`."""
        return self.api.access.target

    async def get(self, kind: type[S], name: str) -> Resource[S] | None:
        """As `Datastore.get`. An endpoint of this node comes from the copy that is watched, if there is one."""
        wanted = cast("type[Spec]", kind)
        if wanted is WorkloadEndpoint and wanted in self._reflectors:
            known = self._reflectors[wanted][0].copy.objects.get(name)
            if known is not None:
                return known
        return await self._singles.get(wanted, name)

    async def list(self, kind: type[Spec]) -> Listed:
        """As `Datastore.list`: what the scope of this program shows of the kind, as the server has it now."""
        return (await listed(self._way, kind)).of(kind)

    async def document(self, kind: type[Spec], name: str) -> Mapping[str, Any] | None:
        """As `Datastore.document`. Pods and Nodes are shown as the Calico objects that are made of them."""
        if kind in (WorkloadEndpoint, Node):
            found = await self._singles.get(kind, name)
            return None if found is None else encode(found)
        data = await self._singles.read(kind, name)
        if data is None:
            return None
        document: dict[str, Any] = msgspec.json.decode(data)
        document["metadata"].pop("managedFields", None)
        return document

    async def create(self, resource: Resource[S], document: Mapping[str, Any] | None = None) -> Resource[S]:
        """As `Datastore.create`. An endpoint is written into its Pod, which has to be there."""
        self._check(resource)
        if isinstance(resource.spec, WorkloadEndpoint):
            if await self.get(WorkloadEndpoint, resource.name) is not None:
                raise Conflict(f"WorkloadEndpoint/{resource.name} exists already in {self.target}")
            return await self._singles.attach(resource, self._pod_uid(resource))
        return await self._singles.create(resource, document)

    async def update(self, resource: Resource[S], document: Mapping[str, Any] | None = None) -> Resource[S]:
        """As `Datastore.update`. A Pod's version changes with its status: for an endpoint the Pod's uid counts."""
        self._check(resource)
        if isinstance(resource.spec, WorkloadEndpoint):
            return await self._singles.attach(resource, resource.meta.uid)
        return await self._singles.update(resource, document)

    async def delete(self, resource: Resource[S]) -> None:
        """As `Datastore.delete`. An endpoint is taken out of its Pod, which stays; a Node is not ours to delete."""
        if isinstance(resource.spec, Node):
            raise Trouble(f"Node {resource.name} is the cluster's own: kubectl delete node {resource.name}")
        if isinstance(resource.spec, WorkloadEndpoint):
            await self._singles.detach(resource)
        else:
            await self._singles.delete(resource)

    async def watch(self, kinds: Collection[type[Spec]]) -> AsyncIterator[Event]:
        """As `Datastore.watch`. Kinds that several watch are listed and watched once."""
        follower = Follower()
        try:
            for kind in kinds:
                self._reflector(kind).join(follower)
            for kind in kinds:  # in their order, before any change
                await follower.until((kind, None))
                yield self._event(follower, kind, None)
            while True:
                await follower.until()
                yield self._event(follower, *next(iter(follower.dirty)))
        finally:
            for reflector, _ in self._reflectors.values():
                reflector.followers.discard(follower)

    def lease(self, name: str, me: str) -> KubernetesLease:
        """As `Datastore.lease`: a coordination.k8s.io/v1 Lease in this program's namespace."""
        return KubernetesLease(self.api, name, me)

    def whole(self) -> "KubernetesDatastore":
        """As `Datastore.whole`: over the same connection."""
        return KubernetesDatastore(self.api)

    async def close(self) -> None:
        """As `Datastore.close`."""
        tasks = [task for _, task in self._reflectors.values()]
        self._reflectors.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.api.close()

    def _event(self, follower: Follower, kind: type[Spec], name: str | None) -> Event:
        """What is known now of something that changed."""
        del follower.dirty[kind, name]
        copy = self._reflectors[kind][0].copy
        if name is None:
            return copy.of(kind)
        if name in copy.broken:
            return Broken(kind, name, copy.broken[name])
        return Put(kind, copy.objects[name]) if name in copy.objects else Gone(kind, name)

    def _reflector(self, kind: type[Spec]) -> Reflector:
        if kind not in self._reflectors:
            reflector = Reflector(self._way, kind)
            task = asyncio.create_task(reflector.run(), name=f"follow {kind.__name__}")
            task.add_done_callback(partial(_ended, reflector))
            self._reflectors[kind] = (reflector, task)
        return self._reflectors[kind][0]

    def _pod_uid(self, endpoint: Resource[Any]) -> str:
        """The uid of the Pod that is meant, where this node's Pods are watched."""
        if WorkloadEndpoint not in self._reflectors:
            return ""
        return self._reflectors[WorkloadEndpoint][0].uid_of(endpoint)

    def _check(self, resource: Resource[Any]) -> None:
        if problem := check_name(resource.meta.name):
            where = f"{kind_of(resource.spec).name}/{resource.name[:64]}"
            raise InvalidResource(where, "metadata.name", problem)


def _ended(reflector: Reflector, task: asyncio.Task[None]) -> None:
    """A bug in it is not ours to hide: whoever follows gets it."""
    if not task.cancelled() and (error := task.exception()) is not None:
        for follower in reflector.followers:
            follower.fail(error)
