"""Our CustomResourceDefinitions, made from the structs that decode the objects: one source for both. Pure.

`make crds` writes them to manifests/crds. They name every field that we read and let every other one pass
(`x-kubernetes-preserve-unknown-fields`): a cluster's objects may be Calico's, with more in them. Rules that need more
than a type are ours (`felixpy apply`, and a warning in the daemons' logs), for no schema can say them all.
"""

import sys
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

from felixpy.datastore.kubernetes.places import CRD_GROUP
from felixpy.model.addresses import Address, Asn, Prefix
from felixpy.model.resources import KINDS, BlockAffinity, CalicoNodeStatus, Duration, Kind, Node, WorkloadEndpoint
from felixpy.model.resources.kinds import CALICO

FILLED = (CalicoNodeStatus,)  # who fills its status need not be able to change what is asked for
PASSES = {"x-kubernetes-preserve-unknown-fields": True}
COLUMNS: Mapping[str, tuple[tuple[str, str, str], ...]] = {  # by plural: heading, type, path
    "ippools": (("CIDR", "string", ".spec.cidr"), ("Disabled", "boolean", ".spec.disabled")),
    "bgppeers": (
        ("Node", "string", ".spec.node"),
        ("Node Selector", "string", ".spec.nodeSelector"),
        ("Peer IP", "string", ".spec.peerIP"),
        ("Peer ASN", "string", ".spec.asNumber"),
    ),
    "blockaffinities": (
        ("CIDR", "string", ".spec.cidr"),
        ("Node", "string", ".spec.node"),
        ("State", "string", ".spec.state"),
    ),
    "ipamblocks": (("CIDR", "string", ".spec.cidr"), ("Affinity", "string", ".spec.affinity")),
}


def definitions() -> list[dict[str, Any]]:
    """One CustomResourceDefinition for each of Calico's kinds that Kubernetes has not itself."""
    kinds = (kind for kind in KINDS.values() if kind.api == CALICO and kind.spec not in (Node, WorkloadEndpoint))
    return [_definition(kind) for kind in sorted(kinds, key=lambda kind: kind.plural)]


def _definition(kind: Kind) -> dict[str, Any]:
    spec = schema_of(kind.spec)
    if kind.spec is BlockAffinity:
        spec["properties"]["deleted"] = {"type": "string"}  # in Calico's CRD it is text
    properties = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
        "spec": spec,
        "status": {"type": "object", **PASSES},
    }
    version: dict[str, Any] = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": properties, **PASSES}},
    }
    version |= {"subresources": {"status": {}}} if kind.spec in FILLED else {}
    columns = [{"name": name, "type": type_, "jsonPath": path} for name, type_, path in COLUMNS.get(kind.plural, ())]
    if columns:
        age = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}
        version["additionalPrinterColumns"] = [*columns, age]
    names = {
        "kind": kind.name,
        "listKind": f"{kind.name}List",
        "plural": kind.plural,
        "singular": kind.name.lower(),
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{CRD_GROUP}"},
        "spec": {
            "group": CRD_GROUP,
            "names": names,
            "preserveUnknownFields": False,
            "scope": "Cluster",
            "versions": [version],
        },
    }


def schema_of(struct: type[Any]) -> dict[str, Any]:
    """The OpenAPI schema of one struct."""
    fields = msgspec.structs.fields(struct)
    made: dict[str, Any] = {"type": "object"}
    if struct.__doc__:
        made["description"] = " ".join(struct.__doc__.split())
    made["properties"] = {field.encode_name: _schema(field.type) for field in fields}
    if required := [field.encode_name for field in fields if field.required]:
        made["required"] = required
    return made | PASSES


def _schema(wanted: Any) -> dict[str, Any]:
    origin = get_origin(wanted)
    if origin in (Union, UnionType):
        inner = next(one for one in get_args(wanted) if one is not NoneType)
        return {**_schema(inner), "nullable": True}
    if origin is tuple:
        return {"type": "array", "items": _schema(get_args(wanted)[0])}
    if origin is dict:
        value = get_args(wanted)[1]
        return {"type": "object", **(PASSES if value is Any else {"additionalProperties": _schema(value)})}
    if wanted is Asn:
        return {"x-kubernetes-int-or-string": True}
    if wanted in (str, Address, Prefix, Duration):
        return {"type": "string"}
    if wanted in (int, bool):
        return {"type": "integer" if wanted is int else "boolean"}
    return schema_of(wanted)


def text() -> str:
    """All of them as YAML documents."""
    import yaml

    head = "# Made by `make crds` from felixpy/datastore/kubernetes/schema.py: change the code, not this file.\n"
    return head + yaml.safe_dump_all(definitions(), sort_keys=False, width=1000)


if __name__ == "__main__":
    sys.stdout.write(text())
