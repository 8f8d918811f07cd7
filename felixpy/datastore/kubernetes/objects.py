"""Objects of the API server <-> resources. Pure.

Calico's own objects are read as they are: its client keeps labels and annotations of the v3 object in the annotation
`projectcalico.org/metadata`, and its CRDs want some fields that the v3 API leaves out.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from felixpy.datastore.decode import decode_as
from felixpy.datastore.encode import encode, merge, written
from felixpy.datastore.fast import FastDecoder
from felixpy.datastore.kubernetes.nodes import node_document
from felixpy.datastore.kubernetes.places import CRD_GROUP, Served, api_version, own_labels
from felixpy.datastore.kubernetes.pods import endpoint_document
from felixpy.model.errors import InvalidResource
from felixpy.model.resources import (
    BlockAffinity,
    EndpointSlice,
    IPAMBlock,
    IPAMConfig,
    IPAMHandle,
    Kind,
    Node,
    Resource,
    Spec,
    WorkloadEndpoint,
)
from felixpy.model.resources.kinds import CALICO

V3_METADATA = "projectcalico.org/metadata"
HOSTNAME = "kubernetes.io/hostname"
# What the CRDs of crd.projectcalico.org/v1 require beyond the v3 API (libcalico-go/config/crd).
REQUIRED: Mapping[type[Spec], Mapping[str, Any]] = {
    BlockAffinity: {"state": "confirmed", "deleted": "false"},
    IPAMBlock: {"allocations": [], "attributes": [], "unallocated": [], "strictAffinity": False},
    IPAMHandle: {"block": {}, "deleted": False},
    IPAMConfig: {"strictAffinity": False, "autoAllocateBlocks": True},
}


class Objects:
    """Decodes and encodes for one server."""

    def __init__(self, target: str, served: Served | None = None) -> None:
        self.served = served or Served()
        self._target = target
        self._fast = FastDecoder()

    def decode(self, kind: Kind, data: bytes) -> Resource[Any] | None:
        """The resource in the server's JSON; None for a Pod that is no endpoint. InvalidResource names the object."""
        if kind.machine_written and kind.spec is not WorkloadEndpoint:
            found = self._fast.decode(kind, data, "")
            if found is not None:
                return found
        document: dict[str, Any] = msgspec.json.decode(data)
        if kind.spec is WorkloadEndpoint:
            made = endpoint_document(document)
            return None if made is None else decode_as(kind, made, self._target)
        if kind.spec is Node:
            made, bad = node_document(document)
            return replace(decode_as(kind, made, self._target), unknown=bad)
        if kind.spec is EndpointSlice:
            document = {**document, "endpoints": [_endpoint(one) for one in document.get("endpoints") or ()]}
        found = decode_as(kind, document, self._target)
        return _unwrapped(found, document)

    def encode(
        self, new: Resource[Any], document: Mapping[str, Any] | None, stored: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The object to send: `new`, or `document` of which it was decoded, over what is stored if anything is."""
        kind = type(new.spec)
        if document is not None:
            made = written(document, new, stored)
        elif stored is not None:
            old = self.decode_stored(new, stored)
            made = encode(new) if old is None else merge(stored, old, new)
        else:
            made = encode(new)
        made["apiVersion"], made["kind"] = api_version(kind, self.served), _kind_name(kind, self.served)
        metadata = {**made["metadata"]}
        metadata["annotations"] = _wrapped(new, stored)
        metadata["labels"] = {**new.meta.labels, **own_labels(new.spec)}
        made["metadata"] = {key: value for key, value in metadata.items() if value or key == "name"}
        if self.served.calico.startswith(CRD_GROUP):
            made["spec"] = _required(kind, made["spec"]) if kind in REQUIRED else made.get("spec", {})
        return {key: value for key, value in made.items() if value is not None}

    def decode_stored(self, like: Resource[Any], stored: Mapping[str, Any]) -> Resource[Any] | None:
        """What is stored, as a resource of the same kind; None when it cannot be read."""
        from felixpy.model.resources import kind_of

        try:
            return self.decode(kind_of(like.spec), msgspec.json.encode(stored))
        except InvalidResource:
            return None


def _kind_name(kind: type[Spec], served: Served) -> str:
    return "IPAMConfiguration" if kind is IPAMConfig and served.calico == CALICO else kind.__name__


def _required(kind: type[Spec], spec: Mapping[str, Any]) -> dict[str, Any]:
    made = {**REQUIRED[kind], **spec}
    if kind is BlockAffinity:
        made["deleted"] = "true" if made["deleted"] in (True, "true") else "false"  # text, in this CRD alone
    return made


def _endpoint(one: Mapping[str, Any]) -> Mapping[str, Any]:
    """An endpoint of v1beta1 may say its node among its topology only."""
    if one.get("nodeName"):
        return one
    topology = one.get("topology") or one.get("deprecatedTopology") or {}
    return {**one, "nodeName": topology.get(HOSTNAME)}


def _unwrapped(found: Resource[Any], document: Mapping[str, Any]) -> Resource[Any]:
    """Labels and annotations as their author gave them through Calico's API."""
    text = found.meta.annotations.get(V3_METADATA)
    if text is None:
        return found
    rest = {key: value for key, value in found.meta.annotations.items() if key != V3_METADATA}
    inner = _inner(text)
    labels = {**found.meta.labels, **_texts(inner.get("labels"))}
    annotations = {**rest, **_texts(inner.get("annotations"))}
    return replace(found, meta=replace(found.meta, labels=labels, annotations=annotations))


def _wrapped(new: Resource[Any], stored: Mapping[str, Any] | None) -> dict[str, str]:
    """The annotations to send; Calico's own form is kept where the object has it."""
    text = ((stored or {}).get("metadata") or {}).get("annotations", {}).get(V3_METADATA)
    if text is None:
        return dict(new.meta.annotations)
    inner = _inner(text)
    outside = stored["metadata"]["annotations"] if stored else {}
    kept = {key: value for key, value in new.meta.annotations.items() if key in outside}
    inside = {key: value for key, value in new.meta.annotations.items() if key not in outside}
    inner |= {"labels": dict(new.meta.labels), "annotations": inside}
    return {**kept, V3_METADATA: msgspec.json.encode({k: v for k, v in inner.items() if v}).decode()}


def _inner(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {}


def _texts(value: object) -> dict[str, str]:
    return {str(k): v for k, v in value.items() if isinstance(v, str)} if isinstance(value, Mapping) else {}
