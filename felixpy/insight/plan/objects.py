"""Which objects a change touches, and which of their fields. Pure; a value is never shown: it may be a password."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec

from felixpy.model.resources import Resource, kind_of
from felixpy.model.snapshot import Snapshot


class ObjectChange(msgspec.Struct, frozen=True, kw_only=True):
    """One object that is another afterwards."""

    what: str  # `ippool/default`
    action: str  # created | configured | deleted
    fields: list[str] = []  # that differ: `spec.blockSize`; none when it is new or gone


def object_changes(before: Snapshot, after: Snapshot) -> list[ObjectChange]:
    """Every object that differs, in the order of its kind and name. uid, version and times do not count."""
    found = []
    for kind in dict.fromkeys((*before.kinds, *after.kinds)):
        old, new = before.kinds.get(kind, {}), after.kinds.get(kind, {})
        for name in sorted(old.keys() | new.keys()):
            one, other = old.get(name), new.get(name)
            if one is other:
                continue
            what = f"{kind_of(kind).name.lower()}/{name}"
            if one is None or other is None:
                found.append(ObjectChange(what=what, action="deleted" if other is None else "created"))
            elif fields := list(_differing(_plain(one), _plain(other))):
                found.append(ObjectChange(what=what, action="configured", fields=fields))
    return found


def because(changes: Mapping[str, ObjectChange], concerned: Collection[str]) -> list[str]:
    """The changed ones of the objects `concerned`, each with its fields: `node/n1 spec.bgp.asNumber`."""
    found = (changes[what] for what in dict.fromkeys(concerned) if what in changes)
    return [f"{it.what} {', '.join(it.fields) or it.action}" for it in found]


def _plain(resource: Resource[Any]) -> dict[str, Any]:
    meta = resource.meta
    spec = msgspec.to_builtins(resource.spec, enc_hook=str)
    return {"metadata": {"labels": meta.labels, "annotations": meta.annotations}, "spec": spec}


def _differing(one: object, other: object, path: str = "") -> Iterator[str]:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in sorted(one.keys() | other.keys()):
            yield from _differing(one.get(key), other.get(key), f"{path}.{key}" if path else str(key))
    elif one != other:
        yield path
