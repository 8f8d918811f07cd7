"""What each struct holds, seen from the wire: known keys, nested structs, scalars. Pure.

One walk over a raw mapping drops what Kubernetes counts as absent (null, and empty text where an address, prefix, AS
number or duration is wanted) and collects the keys that we do not know.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

from felixpy.model.resources.scalars import SCALARS


@dataclass(frozen=True, slots=True)
class Shape:
    """One field: its name in Python, the struct inside it if any, and how deep it lies in lists."""

    attribute: str
    struct: type[msgspec.Struct] | None = None
    is_list: bool = False
    is_scalar: bool = False


@cache
def shapes(struct: type[msgspec.Struct]) -> Mapping[str, Shape]:
    """The fields of `struct` by their name on the wire."""
    return {f.encode_name: _shape(f.name, f.type) for f in msgspec.structs.fields(struct)}


def _shape(name: str, wanted: Any) -> Shape:
    origin = get_origin(wanted)
    if origin in (Union, UnionType):
        return _shape(name, next(t for t in get_args(wanted) if t is not type(None)))
    if origin is tuple:
        inner = _shape(name, get_args(wanted)[0])
        return Shape(name, inner.struct, is_list=True)
    if isinstance(wanted, type) and issubclass(wanted, msgspec.Struct):
        return Shape(name, wanted)
    return Shape(name, is_scalar=wanted in SCALARS)


def tidy(raw: Mapping[str, Any], struct: type[msgspec.Struct], path: str, unknown: list[str]) -> dict[str, Any]:
    """`raw` without what counts as absent and without unknown keys; those are added to `unknown` with their path."""
    known = shapes(struct)
    tidied: dict[str, Any] = {}
    for key, value in raw.items():
        shape = known.get(key)
        if shape is None:
            unknown.append(f"{path}{key[:64]}")
        elif value is None or (value == "" and shape.is_scalar):
            continue
        elif shape.struct is None:
            tidied[key] = value
        elif shape.is_list and isinstance(value, list):
            tidied[key] = [
                tidy(item, shape.struct, f"{path}{key}[{i}].", unknown) if isinstance(item, Mapping) else item
                for i, item in enumerate(value)
            ]
        elif isinstance(value, Mapping) and not shape.is_list:
            tidied[key] = tidy(value, shape.struct, f"{path}{key}.", unknown)
        else:
            tidied[key] = value
    return tidied


def nearest(path: str, struct: type[msgspec.Struct]) -> str:
    """The known field that the last part of `path` is most likely meant to be; empty when none is near."""
    from difflib import get_close_matches

    *parents, last = path.split(".")
    for parent in parents:
        shape = shapes(struct).get(parent.partition("[")[0])
        struct = shape.struct if shape and shape.struct else struct
    names = {name.lower(): name for name in shapes(struct)}
    near = get_close_matches(last.lower(), names, n=1, cutoff=0.6)
    return names[near[0]] if near else ""
