"""The fast way for objects that programs write as JSON: bytes to resource in one step of msgspec.

Whatever it cannot read, such as a block that somebody edited as YAML, is left to the careful way.
"""

from typing import Any, Generic, TypeVar

import msgspec

from felixpy.datastore.metadata import check_name, parse_time
from felixpy.model.resources import Kind, Metadata, Resource, Spec
from felixpy.model.resources.rules import first_problem
from felixpy.model.resources.scalars import decode_scalar

S = TypeVar("S")


class Head(msgspec.Struct, rename="camel", kw_only=True):
    """`metadata` on the wire."""

    name: str
    namespace: str = ""
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    annotations: dict[str, str] = msgspec.field(default_factory=dict)
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None


class Document(msgspec.Struct, Generic[S], rename="camel"):
    """The whole object on the wire."""

    kind: str
    metadata: Head
    spec: S


class FastDecoder:
    """One msgspec decoder per kind, made on first use."""

    def __init__(self) -> None:
        self._decoders: dict[type[Spec], msgspec.json.Decoder[Any]] = {}

    def decode(self, kind: Kind, data: bytes, digest: str) -> Resource[Any] | None:
        """The resource in `data`; None when it takes the careful way to read it or to say what is wrong."""
        decoder = self._decoders.get(kind.spec)
        if decoder is None:
            wanted = Document[kind.spec]  # type: ignore[name-defined]
            decoder = self._decoders[kind.spec] = msgspec.json.Decoder(wanted, dec_hook=decode_scalar)
        try:
            document = decoder.decode(data)
        except (ValueError, RecursionError):
            return None
        head = document.metadata
        if document.kind != kind.name or check_name(head.name) or bool(head.namespace) != kind.namespaced:
            return None
        if first_problem(document.spec, head.name, ()):
            return None
        meta = Metadata(
            name=head.name,
            namespace=head.namespace,
            labels=head.labels,
            annotations=head.annotations,
            uid=head.uid,
            version=head.resource_version,
            created=parse_time(head.creation_timestamp),
            deleting=bool(head.deletion_timestamp),
        )
        return Resource(meta, document.spec, digest)
