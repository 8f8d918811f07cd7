"""What the API server stores, as resources, and back."""

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import msgspec
import pytest

from felixpy.datastore.kubernetes.objects import V3_METADATA, Objects
from felixpy.datastore.kubernetes.places import Scope, Served, hostname_hash, place
from felixpy.model.errors import InvalidResource
from felixpy.model.resources import (
    KINDS,
    BGPPeer,
    BlockAffinity,
    EndpointSlice,
    IPAMBlock,
    IPAMConfig,
    IPPool,
    Metadata,
    Node,
    Resource,
    Spec,
    WorkloadEndpoint,
)

CRD = "crd.projectcalico.org/v1"


def decoded(kind: type[Spec], document: dict[str, Any], served: Served | None = None) -> Any:
    return Objects("test", served).decode(KINDS[kind], msgspec.json.encode(document))


def calico(kind: str, spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": CRD, "kind": kind, "metadata": {"name": "x", **metadata}, "spec": spec}


def test_labels_and_annotations_that_calicos_client_wrapped_are_unwrapped_and_kept() -> None:
    inner = {"uid": "u", "labels": {"rack": "a"}, "annotations": {"note": "mine"}}
    wrapped = {V3_METADATA: msgspec.json.encode(inner).decode(), "outer": "1"}
    stored = calico("BGPPeer", {"peerIP": "10.0.0.1", "asNumber": 65000}, annotations=wrapped)
    found = decoded(BGPPeer, stored)
    assert found.meta.labels == {"rack": "a"}
    assert found.meta.annotations == {"outer": "1", "note": "mine"}
    changed = replace(found, spec=msgspec.structs.replace(found.spec, peer_ip="10.0.0.2"))
    made = Objects("test").encode(changed, None, stored)
    assert made["spec"] == {"peerIP": "10.0.0.2", "asNumber": 65000}
    assert msgspec.json.decode(made["metadata"]["annotations"][V3_METADATA]) == inner
    assert decoded(BGPPeer, made) == changed


def test_an_affinity_is_stored_as_calicos_crd_wants_it() -> None:
    spec = BlockAffinity(cidr=ip_network("10.65.0.0/26"), node="n1", state="pending")
    made = Objects("test").encode(Resource(Metadata("n1-10-65-0-0-26"), spec), None)
    assert made["apiVersion"] == CRD and made["spec"]["deleted"] == "false"
    assert made["metadata"]["labels"]["projectcalico.org/hostname-hash"] == hostname_hash("n1")
    assert decoded(BlockAffinity, made).spec == spec
    v3 = Objects("test", Served("projectcalico.org/v3")).encode(Resource(Metadata("a"), spec), None)
    assert v3["apiVersion"] == "projectcalico.org/v3" and "deleted" not in v3["spec"]


def test_what_calicos_crds_require_is_always_written() -> None:
    block = Resource(Metadata("10-65-0-0-30"), IPAMBlock(cidr=ip_network("10.65.0.0/30"), affinity="host:n1"))
    made = Objects("test").encode(block, None)
    assert {"allocations", "attributes", "unallocated", "strictAffinity"} <= made["spec"].keys()
    config = Objects("test").encode(Resource(Metadata("default"), IPAMConfig()), None)
    assert config["spec"] == {"strictAffinity": False, "autoAllocateBlocks": True}


def test_the_label_of_a_node_is_calicos() -> None:
    assert hostname_hash("node-a") == "PY3TQE2E3XMTETLM2MJO3UITKPFB27YUJ4T4E5XGPEJON3SM4QAA"


def test_a_slice_of_v1beta1_says_its_node_in_its_topology() -> None:
    endpoints = [{"addresses": ["10.65.0.2"], "topology": {"kubernetes.io/hostname": "n1"}}, {"addresses": []}]
    found = decoded(EndpointSlice, {"metadata": {"name": "s", "namespace": "a"}, "endpoints": endpoints})
    assert [one.node_name for one in found.spec.endpoints] == ["n1", ""]


def test_garbage_names_the_object() -> None:
    with pytest.raises(InvalidResource, match=r"test: IPPool/x: spec\.cidr"):
        decoded(IPPool, calico("IPPool", {"cidr": "10.65.0.1/16"}))


@pytest.mark.parametrize(
    ("kind", "scope", "selectors"),
    [
        (WorkloadEndpoint, Scope("n1"), {"fieldSelector": "spec.nodeName=n1"}),
        (Node, Scope("n1", everyone=False), {"fieldSelector": "metadata.name=n1"}),
        (Node, Scope("n1"), {}),
        (IPAMBlock, Scope("n1"), {"labelSelector": f"projectcalico.org/hostname-hash={hostname_hash('n1')}"}),
        (IPAMBlock, Scope(), {}),
        (IPPool, Scope("n1"), {}),
    ],
)
def test_a_daemon_asks_for_what_its_node_needs(kind: type[Spec], scope: Scope, selectors: dict[str, str]) -> None:
    assert place(kind, scope, Served()).selectors == selectors
