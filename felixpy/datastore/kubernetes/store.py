"""The seam's implementation on Kubernetes. Edge: `single` reads and writes objects, `reflector` follows kinds."""

from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any, TypeVar, cast

import msgspec

from felixpy.datastore.duties import Said
from felixpy.datastore.encode import encode
from felixpy.datastore.kubernetes import duties
from felixpy.datastore.kubernetes.access import Access
from felixpy.datastore.kubernetes.api import Api, Rejected
from felixpy.datastore.kubernetes.copies import listed
from felixpy.datastore.kubernetes.discovery import Way
from felixpy.datastore.kubernetes.following import Following
from felixpy.datastore.kubernetes.lease import KubernetesLease
from felixpy.datastore.kubernetes.places import Scope
from felixpy.datastore.kubernetes.pods import pod_named, pod_of
from felixpy.datastore.kubernetes.single import Singles
from felixpy.datastore.metadata import check_name
from felixpy.datastore.shelf import Shelf
from felixpy.model.errors import Conflict, InvalidResource, Trouble
from felixpy.model.resources import (
    KINDS,
    IPAMHandle,
    Namespace,
    Node,
    Pod,
    Resource,
    Spec,
    WorkloadEndpoint,
    kind_of,
)
from felixpy.model.snapshot import Event, Listed

S = TypeVar("S", bound=Spec)


class KubernetesDatastore:
    """A `Datastore` (see source.py) behind one connection. Nothing is asked before the first call."""

    def __init__(self, way: Way) -> None:
        self._way, self.api = way, way.api
        self._singles = Singles(way)
        self._shown: dict[tuple[type[Spec], str], bytes] = {}  # what a list has just shown, for `document`
        keep = way.scope.keep
        self._following = Following(way, Shelf(way.scope.node, *keep) if keep else None)

    @classmethod
    def at(cls, access: Access, scope: Scope | None = None) -> "KubernetesDatastore":
        """The datastore behind `access`, of which `scope` is looked at."""
        return cls(Way(Api(access), scope or Scope()))

    @property
    def target(self) -> str:
        """`kubernetes:KUBECONFIG (CONTEXT)`, or `kubernetes:in-cluster`."""
        return self.api.access.target

    async def get(self, kind: type[S], name: str) -> Resource[S] | None:
        """As `Datastore.get`. For a daemon some answers need no request: see `_at_hand`."""
        wanted = cast("type[Spec]", kind)
        if self._way.scope.node:
            known, found = self._at_hand(wanted, name)
            if known:
                return cast("Resource[S] | None", found)
        return cast("Resource[S] | None", await self._singles.get(wanted, name))

    def _at_hand(self, kind: type[Spec], name: str) -> tuple[bool, Resource[Any] | None]:
        """What is known without asking: this node's Pods and endpoints, Namespaces, handles of our own.

        Pods are attached and detached all the time and this is most of what it costs the server. What a handle's
        write goes by may be old; then the write is refused, and the next answer is the server's.
        """
        if kind is IPAMHandle:
            found = self._singles.known(kind, name)
            return found is not None, found
        if kind is Namespace:
            self._following.keep(kind)
            copy = self._following.copy(kind)
            return copy is not None and name in copy.objects, copy.objects.get(name) if copy else None
        copy = self._following.copy(WorkloadEndpoint) if kind in (WorkloadEndpoint, Pod) else None
        if copy is None:
            return False, None
        if kind is Pod:
            return name in copy.pods, copy.pods.get(name)
        namespace, _, own = name.partition("/")
        seen = name in copy.objects or f"{namespace}/{pod_named(own)}" in copy.pods
        return seen, copy.objects.get(name)

    async def list(self, kind: type[Spec]) -> Listed:
        """As `Datastore.list`: what the scope of this program shows of the kind, as the server has it now."""
        try:
            copy = await listed(self._way, kind)
        except Rejected as error:
            if error.code == 404:
                what = f"{self.target} has no {kind_of(kind).plural}"
                raise Trouble(f"{what}: kubectl apply -f manifests/crds/crds.yaml makes them") from error
            raise
        self._shown |= {(kind, name): data for name, data in copy.raw.items()}
        return copy.of(kind)

    async def document(self, kind: type[Spec], name: str) -> Mapping[str, Any] | None:
        """As `Datastore.document`. Pods and Nodes are shown as the Calico objects that are made of them."""
        data = self._shown.pop((kind, name), None) or await self._singles.read(kind, name)
        if data is None:
            return None
        if kind in (WorkloadEndpoint, Node):
            found = self._way.objects.decode(KINDS[kind], data)
            return None if found is None else encode(found)
        document: dict[str, Any] = msgspec.json.decode(data)
        document["metadata"].pop("managedFields", None)
        return document

    async def create(self, resource: Resource[S], document: Mapping[str, Any] | None = None) -> Resource[S]:
        """As `Datastore.create`. An endpoint is written into its Pod, which has to be there."""
        self._check(resource)
        if isinstance(resource.spec, WorkloadEndpoint):
            if await self.get(WorkloadEndpoint, resource.name) is not None:
                raise Conflict(f"WorkloadEndpoint/{resource.name} exists already in {self.target}")
            copy = self._following.copy(WorkloadEndpoint)
            pod = copy.pods.get(f"{resource.meta.namespace}/{pod_of(cast('Any', resource))}") if copy else None
            return await self._singles.attach(resource, pod.meta.uid if pod else "")
        return await self._singles.create(resource, document)

    async def update(self, resource: Resource[S], document: Mapping[str, Any] | None = None) -> Resource[S]:
        """As `Datastore.update`. A Pod's version changes with its status: for an endpoint the Pod's uid counts."""
        self._check(resource)
        if isinstance(resource.spec, WorkloadEndpoint):
            return await self._singles.attach(resource, resource.meta.uid)
        return await self._singles.update(resource, document)

    async def report(self, kind: type[Spec], name: str, status: Mapping[str, Any]) -> bool:
        """As `StatusStore.report`."""
        return await self._singles.report(kind, name, status)

    async def delete(self, resource: Resource[S]) -> None:
        """As `Datastore.delete`. An endpoint is taken out of its Pod, which stays; a Node is not ours to delete."""
        if isinstance(resource.spec, Node):
            raise Trouble(f"Node {resource.name} is the cluster's own: kubectl delete node {resource.name}")
        if isinstance(resource.spec, WorkloadEndpoint):
            await self._singles.detach(resource)
        else:
            await self._singles.delete(resource)

    def watch(self, kinds: Collection[type[Spec]]) -> AsyncIterator[Event]:
        """As `Datastore.watch`."""
        return self._following.watch(kinds)

    def lease(self, name: str, me: str) -> KubernetesLease:
        """As `Datastore.lease`: a coordination.k8s.io/v1 Lease in this program's namespace."""
        return KubernetesLease(self.api, name, me)

    async def network_up(self, node: str) -> bool:
        """As `Duties.network_up`."""
        return await duties.network_up(self.api, node)

    async def stamp_own(self, node: str) -> tuple[str, ...]:
        """As `Duties.stamp_own`."""
        return await duties.stamp_own(self._way, self._singles, node)

    async def say(self, node: str, said: Said) -> None:
        """As `EventLog.say`."""
        await duties.say(self.api, node, said)

    def whole(self) -> "KubernetesDatastore":
        """As `Datastore.whole`: over the same connection."""
        return KubernetesDatastore(self._way.widened())

    async def close(self) -> None:
        """As `Datastore.close`."""
        await self._following.close()
        await self.api.close()

    def _check(self, resource: Resource[Any]) -> None:
        if problem := check_name(resource.meta.name):
            where = f"{kind_of(resource.spec).name}/{resource.name[:64]}"
            raise InvalidResource(where, "metadata.name", problem)
