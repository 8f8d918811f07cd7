"""One document to one valid resource, or the error that names file, object, field and fix. Pure.

Leniently (daemons) unknown fields are listed in `Resource.unknown` and kept in the store; strictly (`apply`) the
first one is an error with the nearest spelling, and so is AS number 0, which Calico takes for "unset".
"""

import re
from collections.abc import Mapping
from typing import Any, TypeVar, cast

import msgspec

from felixpy.datastore.metadata import decode_metadata
from felixpy.datastore.shapes import nearest, tidy
from felixpy.model.errors import InvalidResource
from felixpy.model.resources import (
    KINDS,
    ConfigMap,
    EndpointSlice,
    FelixConfiguration,
    Kind,
    Namespace,
    Pod,
    Resource,
    Secret,
    Service,
    Spec,
)
from felixpy.model.resources.foreign import FELIX
from felixpy.model.resources.kinds import CALICO
from felixpy.model.resources.rules import complete, first_problem
from felixpy.model.resources.scalars import decode_scalar

S = TypeVar("S", bound=Spec)

CRD = "crd.projectcalico.org/v1"
ENVELOPE = ("apiVersion", "kind", "metadata")
OTHER_NAMES = {"IPAMConfiguration": "IPAMConfig"}  # the v3 API and the CRD name this kind differently, on purpose
FOREIGN = (
    ConfigMap,
    Secret,
    Service,
    EndpointSlice,
    Namespace,
    Pod,
)  # Kubernetes' own: we judge no field that we do not read
OF_STATUS: Mapping[type[Spec], tuple[str, ...]] = {  # fields that their structs hold beside those of `spec`
    Service: ("loadBalancer",),
    Namespace: ("phase",),
    Pod: ("phase", "podIPs"),
}
AT = re.compile(r"(?s)(.*) - at `(key in )?\$\.?(.*)`")


def decode(document: object, where: str, strict: bool = False) -> Resource[Any]:
    """The resource in `document`, of whatever kind it says it is; InvalidResource when it is none."""
    kind = decode_kind(document, where)
    return decode_as(kind, cast("Mapping[str, Any]", document), where, strict)


def decode_kind(document: object, where: str) -> Kind:
    """Which kind `document` says it is."""
    if not isinstance(document, Mapping):
        raise InvalidResource(where, "", f"holds a {_type(document)}, not an object with apiVersion, kind, metadata")
    name, api = document.get("kind"), document.get("apiVersion")
    if not isinstance(name, str) or not name:
        raise InvalidResource(where, "kind", "is missing")
    found = [kind for kind in KINDS.values() if kind.name == OTHER_NAMES.get(name, name)]
    if not found:
        from difflib import get_close_matches

        near = get_close_matches(name, [kind.name for kind in KINDS.values()], n=1)
        raise InvalidResource(where, "kind", f"{name[:64]!r} is not known{f'; nearest: {near[0]}' if near else ''}")
    wanted = (CALICO, CRD) if found[0].api == CALICO else (found[0].api,)
    if api not in wanted:
        raise InvalidResource(where, "apiVersion", f"{str(api)[:64]!r} must be {' or '.join(wanted)} for {name}")
    return found[0]


def decode_as(kind: Kind, document: Mapping[str, Any], where: str, strict: bool = False) -> Resource[Any]:
    """As `decode`, once the kind is known."""
    raw_name = document["metadata"].get("name") if isinstance(document.get("metadata"), Mapping) else None
    where = f"{where}: {kind.name}/{str(raw_name)[:64]}" if raw_name else f"{where}: {kind.name}"
    meta = decode_metadata(document.get("metadata"), kind, where)
    raw, path = spec_of(kind, document, where)
    unknown = [key[:64] for key in document if key not in (*ENVELOPE, "spec", "status")]
    tidied = tidy(raw, kind.spec, path, unknown)
    unknown = [path for path in unknown if not _foreign(kind, path)]
    if strict and unknown:
        raise _unknown(where, unknown[0], path, kind)
    if problem := complete(kind.spec, tidied, strict):
        raise InvalidResource(where, f"{path}{problem.field}" if problem.field else "metadata.name", problem.reason)
    try:
        spec = msgspec.convert(tidied, kind.spec, dec_hook=decode_scalar)
    except msgspec.ValidationError as error:
        raise invalid(where, path, str(error)) from None
    if problem := first_problem(spec, meta.name, tidied.keys()):
        raise InvalidResource(where, f"{path}{problem.field}" if problem.field else "metadata.name", problem.reason)
    return Resource(meta, spec, unknown=tuple(unknown))


def spec_of(kind: Kind, document: Mapping[str, Any], where: str) -> tuple[Mapping[str, Any], str]:
    """The fields of the spec, and the path at which they lie: `spec.`, or the top for Secret and EndpointSlice."""
    if kind.spec in (ConfigMap, Secret, EndpointSlice):
        return {key: value for key, value in document.items() if key not in ENVELOPE}, ""
    spec = document.get("spec")
    if spec is None:
        spec = {}
    if not isinstance(spec, Mapping):
        raise InvalidResource(where, "spec", f"must be a mapping of fields, not a {_type(spec)}")
    if kind.spec in OF_STATUS:
        status = document.get("status")
        found = status if isinstance(status, Mapping) else {}
        return {**spec, **{key: found.get(key) for key in OF_STATUS[kind.spec]}}, "spec."
    return spec, "spec."


def invalid(where: str, path: str, message: str) -> InvalidResource:
    """msgspec's message as field path and reason, with the usual fix."""
    match = AT.fullmatch(message)
    reason, field = (match[1], path + match[3]) if match else (message, path.rstrip("."))
    if missing := re.fullmatch(r"Object missing required field `(.+)`", reason):
        field = f"{field.rstrip('.')}.{missing[1]}" if field else missing[1]
        reason = "is required"
    elif wrong := re.fullmatch(r"Expected `(.+)`, got `(.+)`", reason):
        wanted = wrong[1].removesuffix(" | null")
        reason = f"must be {wanted}, not {wrong[2]}"
        if wanted == "str" and wrong[2] in ("int", "float", "bool"):
            reason += ": write it in quotes"
        elif wanted in ("int", "float", "bool") and wrong[2] == "str":
            reason += ": write it without quotes"
    return InvalidResource(where, field.rstrip("."), reason)


def _foreign(kind: Kind, field: str) -> bool:
    """Whether a field that we do not know is somebody else's business, to be kept without a word."""
    return kind.spec in FOREIGN or (kind.spec is FelixConfiguration and field.removeprefix("spec.") in FELIX)


def _unknown(where: str, field: str, path: str, kind: Kind) -> InvalidResource:
    if path and not field.startswith(path):
        return InvalidResource(where, field, "is not a field of any resource; did you mean to indent it under spec?")
    near = nearest(field.removeprefix(path), kind.spec)
    hint = f"; did you mean {near}?" if near else ""
    return InvalidResource(where, field, f"is not a field of {kind.name}{hint}")


def _type(value: object) -> str:
    return {"list": "list", "str": "text", "NoneType": "nothing"}.get(type(value).__name__, "number")
