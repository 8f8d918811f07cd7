"""What every resource has around its spec. Pure."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

import msgspec

S_co = TypeVar("S_co", covariant=True)


class Duration(float):
    """Seconds; on the wire Go's text such as `120s` or `1m30s` (metav1.Duration)."""


class Wire(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """The base of every struct that mirrors an object on the wire: camelCase names, defaults left out."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """The part of Kubernetes' ObjectMeta that we use."""

    name: str
    namespace: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    uid: str = ""
    version: str = ""  # resourceVersion: opaque, compared for equality only
    created: float = 0.0  # Unix seconds, 0 when not known
    deleting: bool = False  # deletionTimestamp is set


@dataclass(frozen=True, slots=True)
class Resource(Generic[S_co]):
    """One object: metadata and a decoded spec. `digest` is of the bytes read (files store), else empty."""

    meta: Metadata
    spec: S_co
    digest: str = ""
    unknown: tuple[str, ...] = ()  # paths of fields that we do not know and keep as they are

    @property
    def name(self) -> str:
        """`metadata.name`, with its namespace before it where the kind has one."""
        return f"{self.meta.namespace}/{self.meta.name}" if self.meta.namespace else self.meta.name
