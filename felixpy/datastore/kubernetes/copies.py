"""What is known of one kind, made of the server's lists and changes. Edge."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from felixpy.datastore.kubernetes.api import JSON, LIST_PATIENCE_S, METADATA, Request, query
from felixpy.datastore.kubernetes.discovery import Way
from felixpy.model.errors import InvalidResource, Unreachable
from felixpy.model.resources import KINDS, Node, Pod, Resource, Spec, WorkloadEndpoint, kind_of
from felixpy.model.snapshot import Listed

PAGE = 500  # objects of one answer
NO_VERSION = (Node, WorkloadEndpoint)  # parts of objects that others write all the time: compared without version


class Meta(msgspec.Struct, rename="camel"):
    """metav1.ListMeta."""

    resource_version: str = ""
    continue_: str = msgspec.field(name="continue", default="")


class Page(msgspec.Struct):
    """One answer to a list."""

    items: list[msgspec.Raw] | None = None
    metadata: Meta = msgspec.field(default_factory=Meta)


class Change(msgspec.Struct):
    """One line of a watch."""

    type: str
    object: msgspec.Raw


class Head(msgspec.Struct, rename="camel"):
    """`metadata` of any object, as far as a watch needs it."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""


class Headed(msgspec.Struct):
    """Any object; of an ERROR event, a metav1.Status."""

    metadata: Head = msgspec.field(default_factory=Head)
    code: int = 0
    message: str = ""


@dataclass(slots=True)
class Copy:
    """What is known of one kind."""

    objects: dict[str, Resource[Any]] = field(default_factory=dict)
    broken: dict[str, InvalidResource] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)  # the server's name -> ours, where they differ
    pods: dict[str, Resource[Any]] = field(default_factory=dict)  # the Pods themselves, where endpoints are watched
    raw: dict[str, bytes] = field(default_factory=dict)  # as the server has them; filled for who shows objects
    listed: bool = False
    version: str = ""  # of the server, from which to go on; "" means that the list has to be read

    def of(self, kind: type[Spec], *, stale: bool = False) -> Listed:
        """All of it."""
        return Listed(kind, dict(self.objects), dict(self.broken), stale)


async def listed(way: Way, kind: type[Spec], name: str = "", since: str = "") -> Copy:
    """All of `kind` that the scope shows, or the one of that name.

    Without `since` as it is in etcd at this moment, page by page. With it (a version, "0" for any) from the server's
    cache: a thousand nodes that restart then cost etcd nothing.
    """
    place = await way.place(kind)
    if name:
        place = place.only(name)
    fresh = Copy(listed=True)
    token, first = "", True
    while token or first:
        first = False
        size = {"resourceVersion": since} if since else {"limit": PAGE, "continue": token}
        path = place.collection() + query(**size, **place.selectors)
        accept = METADATA.format("List") if place.metadata_only else JSON
        body = await way.api.call(Request("GET", path, accept=accept, patience_s=LIST_PATIENCE_S))
        page = understood(body, Page)
        for item in page.items or ():
            put(way, kind, fresh, bytes(item))
        token, fresh.version = page.metadata.continue_, page.metadata.resource_version
        await asyncio.sleep(0)
    return fresh


def put(way: Way, kind: type[Spec], copy: Copy, data: bytes) -> str:
    """Decode an object into `copy`; its name when something of it changed, else ""."""
    head = understood(data, Headed).metadata
    server_name = key_of(head)
    name = copy.names.get(server_name, server_name)
    try:
        if kind is WorkloadEndpoint and (pod := way.objects.decode(KINDS[Pod], data)) is not None:
            copy.pods[server_name] = pod
        resource = way.objects.decode(kind_of(kind), data)
    except InvalidResource as error:
        copy.broken[name] = error
        return name
    if resource is None:  # a Pod that is no endpoint, or no longer
        was = copy.objects.pop(name, None)
        return name if copy.broken.pop(name, None) or was else ""
    repaired = copy.broken.pop(name, None)
    if resource.name != server_name:
        name = copy.names[server_name] = resource.name
    before, copy.objects[name] = copy.objects.get(name), resource
    if not way.scope.node:
        copy.raw[name] = data
    return name if repaired or before is None or not equal(kind, before, resource) else ""


def equal(kind: type[Spec], before: Resource[Any], after: Resource[Any]) -> bool:
    """Whether nothing of ours differs."""
    if kind in NO_VERSION:
        after = replace(after, meta=replace(after.meta, version=before.meta.version))
    return before == after


def key_of(head: Head) -> str:
    """`name` or `namespace/name`."""
    return f"{head.namespace}/{head.name}" if head.namespace else head.name


def understood(data: bytes, wanted: type[Any]) -> Any:
    """The server's JSON as `wanted`; Unreachable when it is something else: whoever answers is no API server."""
    try:
        return msgspec.json.decode(data, type=wanted)
    except msgspec.MsgspecError as error:
        raise Unreachable(f"the API server's answer is no {wanted.__name__}: {error}") from error
