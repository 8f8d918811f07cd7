"""The cluster at one moment, and the events that make the next moment. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, TypeVar, cast

from felixpy.model.errors import InvalidResource
from felixpy.model.resources import KINDS, Resource, Spec

S = TypeVar("S", bound=Spec)
AnyResource = Resource[Any]
Objects = Mapping[str, AnyResource]
Problems = Mapping[tuple[type[Spec], str], InvalidResource]

NOTHING: Mapping[Any, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Listed:
    """All there is of one kind, now: sent on connecting and again on every reconnecting.

    `broken` holds the objects that exist and could not be decoded, by name. `stale`: what was known when the
    datastore was last there; it is not there now.
    """

    kind: type[Spec]
    objects: Objects
    broken: Mapping[str, InvalidResource] = field(default_factory=dict)
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Put:
    """One object is new or changed."""

    kind: type[Spec]
    resource: AnyResource


@dataclass(frozen=True, slots=True)
class Gone:
    """One object was deleted."""

    kind: type[Spec]
    name: str


@dataclass(frozen=True, slots=True)
class Broken:
    """One object exists and cannot be decoded: what was known of it before stays in force."""

    kind: type[Spec]
    name: str
    error: InvalidResource


Event = Listed | Put | Gone | Broken


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every resource that was asked for. `after` gives a new snapshot and leaves this one as it is."""

    kinds: Mapping[type[Spec], Objects] = field(default_factory=dict)
    listed: frozenset[type[Spec]] = frozenset()
    stale: frozenset[type[Spec]] = frozenset()  # of the listed: known from an earlier time only
    problems: Problems = field(default_factory=dict)

    @classmethod
    def holding(cls, resources: Iterable[AnyResource]) -> "Snapshot":
        """A snapshot of exactly these objects: for programs that make or read their resources themselves."""
        kinds: dict[type[Spec], dict[str, AnyResource]] = {kind: {} for kind in KINDS}
        for resource in resources:
            kinds[type(resource.spec)][resource.name] = resource
        return cls(kinds, frozenset(kinds))

    def of(self, kind: type[S]) -> Mapping[str, Resource[S]]:
        """The objects of one kind by name (`namespace/name` where it has one)."""
        return cast("Mapping[str, Resource[S]]", self.kinds.get(cast("type[Spec]", kind), NOTHING))

    def in_sync(self, kinds: Iterable[type[Spec]]) -> bool:
        """Whether each of `kinds` was listed in full once."""
        return self.listed.issuperset(kinds)

    def may_erase(self, kinds: Iterable[type[Spec]]) -> bool:
        """Whether what is absent from `kinds` is really unwanted.

        An object that exists and was never readable is not absent: while there is one, nothing is erased. Nor on
        the word of an earlier time.
        """
        wanted = set(kinds)
        unread = any(k in wanted and name not in self.kinds.get(k, NOTHING) for k, name in self.problems)
        return self.in_sync(wanted) and not unread and not self.stale & wanted

    def after(self, event: Event) -> "Snapshot":
        """The snapshot once `event` has happened."""
        kind = event.kind
        objects = dict(self.kinds.get(kind, NOTHING))
        problems = dict(self.problems)
        listed = self.listed
        stale = self.stale
        match event:
            case Listed(stale=True) if kind in self.listed:
                return self  # what we have is not older
            case Listed(_, new, broken):
                kept = {name: objects[name] for name in broken if name in objects}
                objects = {**kept, **new}
                problems = {key: error for key, error in problems.items() if key[0] is not kind}
                problems |= {(kind, name): error for name, error in broken.items()}
                listed = listed | {kind}
                stale = stale | {kind} if event.stale else stale - {kind}
            case Put(_, resource):
                objects[resource.name] = resource
                problems.pop((kind, resource.name), None)
            case Gone(_, name):
                objects.pop(name, None)
                problems.pop((kind, name), None)
            case Broken(_, name, error):
                problems[kind, name] = error
        return replace(self, kinds={**self.kinds, kind: objects}, listed=listed, stale=stale, problems=problems)


__all__ = ["Broken", "Gone", "Listed", "Put", "Snapshot"]
