"""core/v1 Pod <-> WorkloadEndpoint, by Calico's annotations (libcalico-go k8s/conversion). Pure.

A Pod is an endpoint of ours when its annotations say that somebody attached it. Its addresses are those of its status
as soon as the kubelet has reported any: whoever may edit pods may write annotations, only the kubelet the status.
What Calico's annotations cannot say (the MAC) stands in one of our own, for a pod that Calico attached has a MAC that
nobody wrote down.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from felixpy.datastore.encode import encode_value
from felixpy.model.names import endpoint_name, endpoint_parts, interface_name
from felixpy.model.resources import Resource, WorkloadEndpoint

POD_IP = "cni.projectcalico.org/podIP"
POD_IPS = "cni.projectcalico.org/podIPs"
CONTAINER = "cni.projectcalico.org/containerID"
SPOOF = "cni.projectcalico.org/allowedSourcePrefixes"
MORE = "felixpy.io/endpoint"  # JSON: the fields of the spec that differ from what the rest of the Pod says
FIXED = ("node", "ipNetworks", "containerID")  # no annotation of ours may say otherwise
NAMESPACE = "projectcalico.org/namespace"
ORCHESTRATOR = "projectcalico.org/orchestrator"
ACCOUNT = "projectcalico.org/serviceaccount"


def endpoint_document(pod: Mapping[str, Any]) -> dict[str, Any] | None:
    """The WorkloadEndpoint of a Pod as a document; None when the Pod has none (any more)."""
    metadata, spec, status = (pod.get(key) or {} for key in ("metadata", "spec", "status"))
    annotations = metadata.get("annotations") or {}
    written = annotations.get(POD_IPS) or annotations.get(POD_IP)
    node = spec.get("nodeName")
    if not written or not node or spec.get("hostNetwork") or status.get("phase") in ("Succeeded", "Failed"):
        return None
    reported = [known.get("ip") for known in status.get("podIPs") or () if known.get("ip")]
    networks = reported or [text.strip() for text in str(written).split(",")]
    said = _said(metadata, annotations, node) | {"ipNetworks": [_host(text) for text in networks]}
    try:
        more = msgspec.json.decode(annotations.get(MORE, "{}"), type=dict[str, Any])
    except msgspec.MsgspecError:
        more = {}
    labels = {**(metadata.get("labels") or {}), NAMESPACE: metadata.get("namespace"), ORCHESTRATOR: "k8s"}
    if spec.get("serviceAccountName"):
        labels[ACCOUNT] = spec["serviceAccountName"]
    kept = {key: metadata.get(key) for key in ("namespace", "uid", "resourceVersion", "creationTimestamp")}
    name = endpoint_name(node, "k8s", str(metadata.get("name")), "eth0")
    # Of the annotations nothing is kept: those that matter are fields now.
    return {
        "metadata": {"name": name, "labels": labels, **kept},
        "spec": said | {key: value for key, value in more.items() if key not in FIXED},
    }


def attach_patch(endpoint: Resource[WorkloadEndpoint], uid: str) -> dict[str, Any]:
    """The merge patch that makes a Pod this endpoint. With `uid` it fails on another Pod of the same name."""
    spec = encode_value(endpoint.spec)
    networks = [str(network) for network in spec.get("ipNetworks", ())]
    annotations: dict[str, Any] = {
        POD_IP: networks[0] if networks else "",
        POD_IPS: ",".join(networks),
        CONTAINER: endpoint.spec.container_id,
    }
    derived = _said({"name": pod_of(endpoint), "namespace": endpoint.meta.namespace}, annotations, endpoint.spec.node)
    more = {key: value for key, value in spec.items() if key not in FIXED and derived.get(key) != value}
    more |= {key: None for key in derived if key not in spec and key not in FIXED}
    annotations[MORE] = msgspec.json.encode(more).decode() if more else None
    return {"metadata": {"annotations": annotations, **({"uid": uid} if uid else {})}}


def detach_patch(uid: str) -> dict[str, Any]:
    """The merge patch after which a Pod has no endpoint: empty, as Calico says that the address is no longer its."""
    annotations = {POD_IP: "", POD_IPS: "", CONTAINER: "", MORE: None}
    return {"metadata": {"annotations": annotations, **({"uid": uid} if uid else {})}}


def pod_of(endpoint: Resource[WorkloadEndpoint]) -> str:
    """The name of an endpoint's Pod; "" when it belongs to none."""
    return endpoint.spec.pod or pod_named(endpoint.meta.name)


def pod_named(name: str) -> str:
    """The Pod in an endpoint's name, `<node>-k8s-<pod>-eth0`; "" when it is another interface or no pod's."""
    parts = endpoint_parts(name)
    return parts[2] if len(parts) == 4 and parts[1] == "k8s" and parts[3] == "eth0" else ""


def _said(metadata: Mapping[str, Any], annotations: Mapping[str, Any], node: str) -> dict[str, Any]:
    """What Pod and annotations say of an endpoint's spec, beside its addresses."""
    name, namespace = str(metadata.get("name")), metadata.get("namespace")
    spec: dict[str, Any] = {
        "node": node,
        "workload": name,
        "pod": name,
        "interfaceName": interface_name(f"{namespace}.{name}"),
    }
    if annotations.get(CONTAINER):
        spec["containerID"] = str(annotations[CONTAINER])
    try:
        prefixes = msgspec.json.decode(annotations.get(SPOOF) or "[]", type=list[str])
    except msgspec.MsgspecError:
        prefixes = []
    return spec | ({"allowSpoofedSourcePrefixes": prefixes} if prefixes else {})


def _host(text: str) -> str:
    """An address, or the /32 or /128 that Calico writes."""
    return text if "/" in text else f"{text}/{128 if ':' in text else 32}"
