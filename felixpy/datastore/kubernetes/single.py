"""One object at a time: read, and written by compare-and-swap on its resourceVersion and uid. Edge."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, cast

import msgspec

from felixpy.datastore.kubernetes.api import MERGE, METADATA, Rejected, Request
from felixpy.datastore.kubernetes.discovery import Way
from felixpy.datastore.kubernetes.nodes import node_patch
from felixpy.datastore.kubernetes.pods import attach_patch, detach_patch, pod_named, pod_of
from felixpy.model.errors import Conflict, InvalidResource, Trouble
from felixpy.model.resources import KINDS, Node, Resource, Spec, WorkloadEndpoint, kind_of

KEPT = 1000  # objects whose stored form is remembered between reading and writing

AnyResource = Resource[Any]


class Absent(Conflict):
    """There is nothing under that name."""


class Singles:
    """Reads and writes of single objects.

    A write must keep the fields that we do not know, so it is made over the stored form; what was read or written
    last is remembered for that, which saves a request. It is only ever used for the version that the caller has read.
    """

    def __init__(self, way: Way) -> None:
        self._way = way
        self._stored: OrderedDict[tuple[type[Spec], str], tuple[str, bytes]] = OrderedDict()

    def known(self, kind: type[Spec], name: str) -> AnyResource | None:
        """The object as this process has read or written it last, unless a write has failed since."""
        held = self._stored.get((kind, name))
        return None if held is None else self._decode(kind, held[1])

    async def get(self, kind: type[Spec], name: str) -> AnyResource | None:
        """The object as the server has it now."""
        data = await self.read(kind, name)
        if data is None:
            return None
        found = self._decode(kind, data)
        return found if found is not None and found.name == name else None

    async def read(self, kind: type[Spec], name: str) -> bytes | None:
        """The object in the server's own form; None when there is none."""
        path = await self._path(kind, name)
        if path is None:
            return None
        try:
            data = await self._way.api.call(Request("GET", path))
        except Rejected as error:
            if error.code == 404:
                return None
            raise
        self._remember(kind, name, data)
        return data

    async def create(self, new: AnyResource, document: Mapping[str, Any] | None) -> AnyResource:
        """Store a new object; Conflict when there is one of its name."""
        kind = kind_of(new.spec).spec
        await self._way.discover()
        if kind is Node:
            patch = node_patch(new, None)
            made: dict[str, Any] = {"apiVersion": "v1", "kind": "Node"}
            made["metadata"] = {"name": new.meta.name, **patch["metadata"]}
        else:
            made = self._way.objects.encode(new, document)
            for given_by_the_server in ("resourceVersion", "uid", "creationTimestamp"):
                made["metadata"].pop(given_by_the_server, None)
        path = (await self._way.place(kind)).collection(new.meta.namespace)
        data = await self._write(new, Request("POST", path, msgspec.json.encode(made)))
        return self._known(new, data)

    async def update(self, new: AnyResource, document: Mapping[str, Any] | None) -> AnyResource:
        """Replace exactly what was read; Conflict when it is another by now."""
        kind = kind_of(new.spec).spec
        path = (await self._way.place(kind)).object(new.name)
        stored = await self._as_read(kind, new)
        if kind is Node:
            old = self._decode(Node, msgspec.json.encode(stored))
            made = node_patch(new, old)
            made["metadata"] |= _identity(stored)
            # By its status: who may write that may write annotations too, but nothing that makes others trust a node.
            request = Request("PATCH", f"{path}/status", msgspec.json.encode(made), content=MERGE)
        else:
            made = self._way.objects.encode(new, document, stored)
            made["metadata"] |= _identity(stored)
            request = Request("PUT", path, msgspec.json.encode(made))
        return self._known(new, await self._write(new, request))

    async def report(self, kind: type[Spec], name: str, status: Mapping[str, Any]) -> bool:
        """As `StatusStore.report`: through the subresource where the CRD has one (ours does), else in the object."""
        path = (await self._way.place(kind)).object(name)
        body = msgspec.json.encode({"status": status})
        for target in (f"{path}/status", path):
            try:
                await self._way.api.call(Request("PATCH", target, body, content=MERGE))
            except Rejected as error:
                if error.code != 404:
                    raise
            else:
                return True
        return False

    async def delete(self, old: AnyResource) -> None:
        """Remove exactly what was read; nothing when it is gone."""
        kind = kind_of(old.spec).spec
        wanted = {"uid": old.meta.uid, "resourceVersion": old.meta.version}
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {key: value for key, value in wanted.items() if value},
        }
        path = (await self._way.place(kind)).object(old.name)
        self._stored.pop((kind, old.name), None)
        await self._write(old, Request("DELETE", path, msgspec.json.encode(body)), gone_is_fine=True)

    async def attach(self, endpoint: AnyResource, uid: str) -> AnyResource:
        """Write an endpoint into its Pod. With `uid` only into that one: Conflict when it is another by now."""
        path = self._pod_path(endpoint)
        body = msgspec.json.encode(attach_patch(endpoint, uid))
        try:
            data = await self._write(endpoint, Request("PATCH", path, body, content=MERGE))
        except Absent as error:
            if endpoint.meta.uid:
                raise
            where = f"Pod {endpoint.meta.namespace}/{pod_of(endpoint)} is not in {self._way.api.access.target}"
            raise Trouble(f"{where}: its endpoint has no place") from error
        return self._known(endpoint, data)

    async def detach(self, endpoint: AnyResource) -> None:
        """Take an endpoint out of its Pod; nothing when the Pod is gone."""
        body = msgspec.json.encode(detach_patch(endpoint.meta.uid))
        accept = METADATA.format("")
        request = Request("PATCH", self._pod_path(endpoint), body, accept, MERGE)
        self._stored.pop((WorkloadEndpoint, endpoint.name), None)
        await self._write(endpoint, request, gone_is_fine=True)

    async def _write(self, about: AnyResource, request: Request, *, gone_is_fine: bool = False) -> bytes:
        kind = kind_of(about.spec)
        where = f"{kind.name}/{about.name}"
        try:
            return await self._way.api.call(request)
        except Rejected as error:
            self._stored.pop((kind.spec, about.name), None)
            another = (
                error.code == 422 and "metadata.uid" in error.message
            )  # an object of this name, but not this one
            if error.code == 404 or another:
                if gone_is_fine:
                    return b""
                raise Conflict(f"{where} is gone from {self._way.api.access.target}") from error
            if error.code == 409:
                raise Conflict(f"{where} changed in {self._way.api.access.target}: {error.message}") from error
            if error.code == 422:
                raise InvalidResource(where, "", f"the API server refuses it: {error.message}") from error
            raise

    async def _as_read(self, kind: type[Spec], new: AnyResource) -> dict[str, Any]:
        """The stored form of the object that the caller has read; Conflict when it is another by now."""
        version, data = self._stored.get((kind, new.name), ("", b""))
        if not new.meta.version or version != new.meta.version:
            found = await self.read(kind, new.name)
            if found is None:
                raise Conflict(f"{kind.__name__}/{new.name} is gone from {self._way.api.access.target}")
            data = found
        stored: dict[str, Any] = msgspec.json.decode(data)
        if new.meta.version and _identity(stored) != {"resourceVersion": new.meta.version, "uid": new.meta.uid}:
            raise Conflict(f"{kind.__name__}/{new.name} changed in {self._way.api.access.target} since it was read")
        return stored

    async def _path(self, kind: type[Spec], name: str) -> str | None:
        if kind is not WorkloadEndpoint:
            return (await self._way.place(kind)).object(name)
        namespace, _, own = name.partition("/")
        pod = pod_named(own)
        return f"/api/v1/namespaces/{namespace}/pods/{pod}" if pod else None

    def _pod_path(self, endpoint: AnyResource) -> str:
        pod = pod_of(endpoint)
        if not pod or endpoint.spec.endpoint != "eth0":
            raise Trouble(
                f"WorkloadEndpoint {endpoint.name}: on Kubernetes an endpoint is kept in its Pod, as its eth0: "
                "containers without a Pod and further interfaces have no place"
            )
        return f"/api/v1/namespaces/{endpoint.meta.namespace}/pods/{pod}/status"

    def _decode(self, kind: type[Spec], data: bytes) -> AnyResource | None:
        return self._way.objects.decode(KINDS[kind], data)

    def _known(self, new: AnyResource, data: bytes) -> AnyResource:
        kind = kind_of(new.spec).spec
        found = self._decode(kind, data)
        if found is None:
            raise Conflict(f"{kind.__name__}/{new.name}: its Pod has ended meanwhile")
        self._remember(kind, found.name, data)
        return found

    def _remember(self, kind: type[Spec], name: str, data: bytes) -> None:
        version = cast("dict[str, Any]", msgspec.json.decode(data))["metadata"]["resourceVersion"]
        self._way.seen[kind] = version
        self._stored[kind, name] = (version, data)
        self._stored.move_to_end((kind, name))
        while len(self._stored) > KEPT:
            self._stored.popitem(last=False)


def _identity(stored: Mapping[str, Any]) -> dict[str, str]:
    metadata = stored["metadata"]
    return {"resourceVersion": metadata["resourceVersion"], "uid": metadata["uid"]}
