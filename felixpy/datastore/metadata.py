"""`metadata` of an object: names, labels, versions. Pure."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from felixpy.model.errors import InvalidResource
from felixpy.model.resources import Kind, Metadata

NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")  # RFC 1123 subdomain
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")  # RFC 1123 label
KNOWN = {
    "name", "namespace", "labels", "annotations", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp",
    "deletionGracePeriodSeconds", "finalizers", "ownerReferences", "generateName", "generation", "managedFields",
    "selfLink",
}  # fmt: skip


def check_name(name: str) -> str:
    """Why `name` cannot name an object; empty when it can."""
    if not name:
        return "is missing"
    if len(name) > 253:
        return f"has {len(name)} characters, at most 253 are allowed"
    if not NAME.fullmatch(name):
        return f"{name[:64]!r} is not a DNS-1123 name: lower-case letters, digits, '-' and '.', as in node-1.rack-2"
    return ""


def decode_metadata(raw: object, kind: Kind, where: str) -> Metadata:
    """The metadata of one object; InvalidResource naming the field that is wrong."""
    if not isinstance(raw, Mapping):
        raise InvalidResource(where, "metadata", "is missing" if raw is None else "must hold name, labels, ...")
    name, namespace = raw.get("name"), raw.get("namespace")
    if problem := check_name("" if name is None else str(name)):
        raise InvalidResource(where, "metadata.name", problem)
    if not isinstance(name, str):
        raise InvalidResource(where, "metadata.name", f"must be text: write it in quotes, '{name}'")
    namespace = (namespace or "default") if kind.namespaced else ""
    if not isinstance(namespace, str) or (kind.namespaced and not LABEL.fullmatch(namespace)):
        raise InvalidResource(where, "metadata.namespace", f"{str(namespace)[:64]!r} is not a DNS-1123 label")
    return Metadata(
        name=name,
        namespace=namespace,
        labels=_texts(raw, "labels", where),
        annotations=_texts(raw, "annotations", where),
        uid=str(raw.get("uid") or ""),
        version=str(raw.get("resourceVersion") or ""),
        created=parse_time(raw.get("creationTimestamp")),
        deleting=bool(raw.get("deletionTimestamp")),
    )


def encode_metadata(meta: Metadata) -> dict[str, Any]:
    """The mapping on the wire; what is empty is left out."""
    wire = {
        "name": meta.name,
        "namespace": meta.namespace,
        "labels": dict(meta.labels),
        "annotations": dict(meta.annotations),
        "uid": meta.uid,
        "resourceVersion": meta.version,
        "creationTimestamp": show_time(meta.created) if meta.created else "",
    }
    return {key: value for key, value in wire.items() if value}


def parse_time(value: object) -> float:
    """Unix seconds of an RFC 3339 time; 0 when there is none or it is unreadable (it is never needed to decide)."""
    if not isinstance(value, str):
        return 0.0
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return 0.0
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def show_time(seconds: float) -> str:
    """RFC 3339 in UTC with seconds, as Kubernetes writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _texts(raw: Mapping[str, Any], field: str, where: str) -> dict[str, str]:
    texts = raw.get(field) or {}
    if not isinstance(texts, Mapping):
        raise InvalidResource(where, f"metadata.{field}", "must be a mapping of text to text")
    for key, value in texts.items():
        if not isinstance(value, str):
            fix = (
                f"write it in quotes, '{str(value).lower()}'" if isinstance(value, bool | int | float) else "missing"
            )
            raise InvalidResource(where, f"metadata.{field}.{key[:64]}", f"must be text: {fix}")
    return dict(texts)
