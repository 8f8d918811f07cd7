"""Resources to documents, and changes into documents that hold more than we know. Pure."""

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from felixpy.datastore.decode import CRD, FOREIGN, OF_STATUS
from felixpy.datastore.documents import dump_yaml
from felixpy.datastore.metadata import encode_metadata
from felixpy.datastore.shapes import shapes
from felixpy.model.resources import ConfigMap, EndpointSlice, Kind, Resource, Secret, kind_of
from felixpy.model.resources.scalars import encode_scalar

OWNED = ("name", "namespace", "labels", "annotations", "uid", "resourceVersion", "creationTimestamp")


def encode(resource: Resource[Any]) -> dict[str, Any]:
    """The whole object as plain values; fields that have their default are left out."""
    kind = kind_of(resource.spec)
    envelope = {"apiVersion": kind.api, "kind": kind.name, "metadata": encode_metadata(resource.meta)}
    return envelope | place(kind, encode_value(resource.spec))


def place(kind: Kind, spec: dict[str, Any]) -> dict[str, Any]:
    """Where an object of `kind` holds the fields of `spec`."""
    if kind.spec in (ConfigMap, Secret, EndpointSlice):
        return spec
    spec = dict(spec)
    status = {key: spec.pop(key) for key in OF_STATUS.get(kind.spec, ()) if key in spec}
    return {"status": status, "spec": spec} if status else {"spec": spec}


def encode_value(value: object) -> Any:
    """Any part of a spec as plain values."""
    return msgspec.to_builtins(value, enc_hook=encode_scalar)


def merge(stored: Mapping[str, Any], old: Resource[Any], new: Resource[Any]) -> dict[str, Any]:
    """`stored`, which decodes to `old`, with what changed towards `new`; everything else stays as it is written.

    Fields that we do not know survive, also inside lists, as long as their element did not change.
    """
    kind = kind_of(new.spec)
    document = dict(stored)
    document["metadata"] = merge_metadata(stored.get("metadata"), new)
    if kind.spec in FOREIGN:
        return document | place(kind, encode_value(new.spec)) if old.spec != new.spec else document
    raw = stored.get("spec")
    document["spec"] = _merge_struct(raw if isinstance(raw, Mapping) else {}, old.spec, new.spec)
    return document


def merge_metadata(stored: object, new: Resource[Any]) -> dict[str, Any]:
    """The stored metadata with the fields that we own taken from `new`."""
    kept = {k: v for k, v in stored.items() if k not in OWNED} if isinstance(stored, Mapping) else {}
    return encode_metadata(new.meta) | kept


def written(
    document: Mapping[str, Any], resource: Resource[Any], stored: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A document as its author wrote it, with the metadata that the store gives and the status that is stored.

    The status of Kubernetes' own objects is their author's: nobody else gives addresses to load balancers here.
    """
    kind = kind_of(resource.spec)
    dropped = ("managedFields", "generation", "selfLink", "generateName")
    metadata = {k: v for k, v in document["metadata"].items() if k not in dropped}
    given = {k: v for k, v in document.items() if k not in ("apiVersion", "kind", "metadata")}
    if kind.spec is Secret:
        given.pop("stringData", None)
        given["data"] = dict(resource.spec.data)
    if kind.spec not in OF_STATUS:
        given.pop("status", None)
        given |= {"status": stored["status"]} if stored and "status" in stored else {}
    api = kind.api if document.get("apiVersion") == CRD else document["apiVersion"]
    return {"apiVersion": api, "kind": kind.name, "metadata": merge_metadata(metadata, resource), **given}


def with_status(stored: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, Any]:
    """A document with fields of its `status` set, or removed where they are None."""
    known = stored.get("status")
    made = {**(known if isinstance(known, Mapping) else {}), **status}
    return {**stored, "status": {key: value for key, value in made.items() if value is not None}}


def to_bytes(kind: Kind, document: Mapping[str, Any]) -> bytes:
    """What a file holds: JSON text, which is YAML as well, for kinds that programs write; else block YAML."""
    if kind.machine_written:
        return msgspec.json.encode(document) + b"\n"
    return dump_yaml(dict(document)).encode()


def _merge_struct(raw: Mapping[str, Any], old: Any, new: Any) -> dict[str, Any]:
    if old == new:
        return dict(raw)
    merged = dict(raw)
    for key, shape in shapes(cast("type[msgspec.Struct]", type(new))).items():
        before, after = getattr(old, shape.attribute), getattr(new, shape.attribute)
        if before == after:
            continue
        if after is None:
            merged.pop(key, None)
        elif shape.struct and shape.is_list and isinstance(raw.get(key), list) and len(raw[key]) == len(before):
            merged[key] = _merge_list(raw[key], before, after)
        elif shape.struct and isinstance(raw.get(key), Mapping) and before is not None:
            merged[key] = _merge_struct(raw[key], before, after)
        else:
            merged[key] = encode_value(after)
    return merged


def _merge_list(raw: list[Any], before: tuple[Any, ...], after: tuple[Any, ...]) -> list[Any]:
    """Elements that stayed equal keep the form in which they were stored."""
    unused = list(range(len(before)))
    merged = []
    for value in after:
        kept = next((i for i in unused if before[i] == value), None)
        if kept is not None:
            unused.remove(kept)
        merged.append(encode_value(value) if kept is None else raw[kept])
    return merged
