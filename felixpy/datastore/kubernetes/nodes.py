"""core/v1 Node <-> Calico's Node: its spec lives in annotations (libcalico-go k8s/resources/node.go). Pure.

Only annotations of projectcalico.org and felixpy.io are kept: a cluster has thousands of nodes, each with a dozen
annotations of others.
"""

from collections.abc import Mapping
from ipaddress import ip_interface
from typing import Any

import msgspec

from felixpy.datastore.encode import encode_value
from felixpy.model.addresses import parse_address, parse_asn
from felixpy.model.resources import Node, Resource

OURS = ("projectcalico.org/", "felixpy.io/")
BGP = {
    "projectcalico.org/ASNumber": "asNumber",
    "projectcalico.org/IPv4Address": "ipv4Address",
    "projectcalico.org/IPv6Address": "ipv6Address",
    "projectcalico.org/IPv4IPIPTunnelAddr": "ipv4IPIPTunnelAddr",
    "projectcalico.org/RouteReflectorClusterID": "routeReflectorClusterID",
}
SPEC = {
    "projectcalico.org/IPv4VXLANTunnelAddr": "ipv4VXLANTunnelAddr",
    "projectcalico.org/IPv6VXLANTunnelAddr": "ipv6VXLANTunnelAddr",
    "projectcalico.org/VXLANTunnelMACAddr": "vxlanTunnelMACAddr",
    "projectcalico.org/VXLANTunnelMACAddrV6": "vxlanTunnelMACAddrV6",
}
WIREGUARD = {
    "projectcalico.org/IPv4WireguardInterfaceAddr": "interfaceIPv4Address",
    "projectcalico.org/IPv6WireguardInterfaceAddr": "interfaceIPv6Address",
}
REPORTED = ("InternalIP", "ExternalIP")  # of what the kubelet says of its node
INTERFACES = "projectcalico.org/Interfaces"


def node_document(document: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Calico's Node as a document, and the annotations that hold no valid value: those count as absent."""
    metadata = dict(document.get("metadata") or {})
    given = metadata.get("annotations") or {}
    annotations = {key: value for key, value in given.items() if key.startswith(OURS)}
    bad = tuple(key for key, value in annotations.items() if not _valid(key, value))
    good = {key: value for key, value in annotations.items() if key not in bad and value != ""}
    spec: dict[str, Any] = {name: good[key] for key, name in SPEC.items() if key in good}
    bgp = {name: good[key] for key, name in BGP.items() if key in good}
    wireguard = {name: good[key] for key, name in WIREGUARD.items() if key in good}
    spec |= {"bgp": bgp} if bgp else {}
    spec |= {"wireguard": wireguard} if wireguard else {}
    if INTERFACES in good:
        spec["interfaces"] = msgspec.json.decode(good[INTERFACES])
    reported = (document.get("status") or {}).get("addresses") or ()
    addresses = [{"address": it.get("address"), "type": it["type"]} for it in reported if it.get("type") in REPORTED]
    spec |= {"addresses": addresses} if addresses else {}
    # Known annotations are fields of the spec; the others stay what they are.
    known = (*BGP, *SPEC, *WIREGUARD, INTERFACES)
    metadata["annotations"] = {key: value for key, value in annotations.items() if key not in known}
    return {"metadata": metadata, "spec": spec}, tuple(f"metadata.annotations.{key}" for key in bad)


def node_patch(new: Resource[Node], old: Resource[Node] | None) -> dict[str, Any]:
    """The merge patch that brings a core/v1 Node from `old` to `new`: only what differs, for others write it too."""
    before = _annotations(old) if old is not None else {}
    after = _annotations(new)
    annotations: dict[str, Any] = {key: value for key, value in after.items() if before.get(key) != value}
    annotations |= {key: None for key in before if key not in after}
    known = old.meta.labels if old is not None else {}
    labels: dict[str, Any] = {key: value for key, value in new.meta.labels.items() if known.get(key) != value}
    labels |= {key: None for key in known if key not in new.meta.labels}
    metadata: dict[str, Any] = {"annotations": annotations} if annotations else {}
    metadata |= {"labels": labels} if labels else {}
    return {"metadata": metadata}


def _annotations(node: Resource[Node]) -> dict[str, str]:
    """The spec as annotations, beside those that are kept as they are."""
    spec = encode_value(node.spec)
    found = dict(node.meta.annotations)
    for table, fields in ((BGP, spec.get("bgp")), (SPEC, spec), (WIREGUARD, spec.get("wireguard"))):
        for key, name in table.items():
            if isinstance(fields, Mapping) and name in fields:
                found[key] = str(fields[name])
    if "interfaces" in spec:
        found[INTERFACES] = msgspec.json.encode(spec["interfaces"]).decode()
    return found


def _valid(key: str, value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        match key.partition("/")[2]:
            case "ASNumber":
                parse_asn(value)
            case "IPv4Address" | "IPv6Address":
                return ip_interface(value).version == (4 if key.endswith("IPv4Address") else 6) or value == ""
            case "RouteReflectorClusterID":
                return parse_address(value).version == 4
            case "Interfaces":
                msgspec.json.decode(value, type=list[dict[str, Any]])
            case "IPv4VXLANTunnelAddr" | "IPv6VXLANTunnelAddr" | "IPv4IPIPTunnelAddr":
                parse_address(value)
            case "IPv4WireguardInterfaceAddr" | "IPv6WireguardInterfaceAddr":
                parse_address(value)
    except (ValueError, msgspec.MsgspecError):
        return value == ""
    return True
