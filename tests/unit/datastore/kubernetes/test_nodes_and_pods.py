"""Nodes and Pods of Kubernetes as Calico's Nodes and WorkloadEndpoints."""

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import msgspec
import pytest

from felixpy.datastore.kubernetes.nodes import node_patch
from felixpy.datastore.kubernetes.objects import Objects
from felixpy.datastore.kubernetes.pods import attach_patch, detach_patch, pod_named
from felixpy.model.names import interface_name
from felixpy.model.resources import KINDS, Metadata, Node, NodeBGP, Resource, WorkloadEndpoint

CNI = "cni.projectcalico.org/"


def read(kind: Any, document: dict[str, Any]) -> Any:
    return Objects("test").decode(KINDS[kind], msgspec.json.encode(document))


def patched(document: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """RFC 7386, as the API server does it."""
    made = dict(document)
    for key, value in patch.items():
        if value is None:
            made.pop(key, None)
        elif isinstance(value, dict):
            made[key] = patched(made.get(key) or {}, value)
        else:
            made[key] = value
    return made


def pod(annotations: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    metadata = {"name": "web-0", "namespace": "team-a", "uid": "u1", "resourceVersion": "7", "labels": {"app": "web"}}
    return patched({"metadata": {**metadata, "annotations": annotations or {}}, "spec": {"nodeName": "n1"}}, more)


def endpoint(**fields: Any) -> Resource[WorkloadEndpoint]:
    spec = WorkloadEndpoint(
        node="n1",
        pod="web-0",
        workload="web-0",
        container_id="c1",
        interface_name=interface_name("team-a.web-0"),
        ip_networks=(ip_network("10.65.0.2/32"), ip_network("fd65::2/128")),
    )
    return Resource(Metadata("n1-k8s-web--0-eth0", "team-a"), msgspec.structs.replace(spec, **fields))


@pytest.mark.parametrize("fields", [{}, {"mac": "02:00:00:00:00:01"}, {"interface_name": "tap1", "workload": ""}])
def test_what_is_written_into_a_pod_reads_back(fields: dict[str, Any]) -> None:
    wanted = endpoint(**fields)
    stored = patched(pod(), attach_patch(wanted, "u1"))
    found = read(WorkloadEndpoint, stored)
    assert found.spec == wanted.spec and found.name == "team-a/n1-k8s-web--0-eth0" and found.meta.uid == "u1"
    assert found.meta.labels["app"] == "web" and found.meta.labels["projectcalico.org/namespace"] == "team-a"
    assert stored["metadata"]["annotations"][f"{CNI}podIPs"] == "10.65.0.2/32,fd65::2/128"
    assert read(WorkloadEndpoint, patched(stored, detach_patch("u1"))) is None


def test_a_pod_that_calico_attached_is_an_endpoint_without_a_mac() -> None:
    found = read(WorkloadEndpoint, pod({f"{CNI}podIP": "10.65.0.2/32", f"{CNI}containerID": "abc"}))
    assert found.spec.ip_networks == (ip_network("10.65.0.2/32"),)
    assert (found.spec.mac, found.spec.container_id) == ("", "abc")
    assert found.spec.interface_name == interface_name("team-a.web-0")


@pytest.mark.parametrize(
    "document",
    [
        pod(),
        pod(status={"podIPs": [{"ip": "10.1.0.2"}]}),  # another network's
        pod({f"{CNI}podIPs": ""}, status={"podIPs": [{"ip": "10.65.0.2"}]}),  # detached
        pod({f"{CNI}podIPs": "10.65.0.2/32"}, status={"phase": "Succeeded"}),
        pod({f"{CNI}podIPs": "10.65.0.2/32"}, spec={"hostNetwork": True}),
        pod({f"{CNI}podIPs": "10.65.0.2/32"}, spec={"nodeName": None}),
    ],
)
def test_other_pods_are_none(document: dict[str, Any]) -> None:
    assert read(WorkloadEndpoint, document) is None


def test_who_may_write_annotations_cannot_take_anothers_address() -> None:
    claim = {f"{CNI}podIPs": "10.65.0.9/32", "felixpy.io/endpoint": '{"node": "n2", "ipNetworks": ["10.65.0.9/32"]}'}
    found = read(WorkloadEndpoint, pod(claim, status={"podIPs": [{"ip": "10.65.0.2"}]}))
    assert found.spec.ip_networks == (ip_network("10.65.0.2/32"),) and found.spec.node == "n1"


@pytest.mark.parametrize("garbage", ["x", "[1]", '{"mac": '])
def test_garbage_in_our_own_annotation_is_as_if_it_were_not_there(garbage: str) -> None:
    found = read(WorkloadEndpoint, pod({f"{CNI}podIP": "10.65.0.2/32", "felixpy.io/endpoint": garbage}))
    assert found.spec.mac == ""


def test_the_pod_is_in_the_endpoints_name() -> None:
    assert pod_named("n--1-k8s-web--0-eth0") == "web-0"
    assert pod_named("n1-k8s-web-net1") == pod_named("n1-cni-abc-eth0") == ""


def test_a_node_lives_in_its_annotations() -> None:
    wanted = Node(bgp=NodeBGP(ipv4_address="10.0.0.1/24", ipv6_address="fd00::1/64"))
    stored: dict[str, Any] = {"metadata": {"name": "n1", "labels": {"rack": "a"}, "annotations": {"else": "1"}}}
    old = read(Node, stored)
    assert old.spec == Node() and old.meta.annotations == {}, "others' annotations are not kept"
    stored = patched(stored, node_patch(replace(old, spec=wanted), old))
    assert stored["metadata"]["annotations"]["projectcalico.org/IPv4Address"] == "10.0.0.1/24"
    found = read(Node, stored)
    assert found.spec == wanted
    stored = patched(stored, node_patch(replace(found, spec=Node()), found))
    assert stored["metadata"]["annotations"] == {"else": "1"} and read(Node, stored).spec == Node()


def test_an_annotation_without_a_valid_value_counts_as_absent_and_is_named() -> None:
    annotations = {
        "projectcalico.org/IPv4Address": "10.0.0.300/24",
        "projectcalico.org/IPv6Address": "fd00::1/64",
        "projectcalico.org/ASNumber": "many",
        "projectcalico.org/RouteReflectorClusterID": "",
        "projectcalico.org/Interfaces": '[{"name": "eth0", "addresses": ["10.0.0.1"]}]',
    }
    found = read(Node, {"metadata": {"name": "n1", "annotations": annotations}})
    assert found.spec.bgp == NodeBGP(ipv6_address="fd00::1/64")
    assert [one.name for one in found.spec.interfaces] == ["eth0"]
    assert found.unknown == (
        "metadata.annotations.projectcalico.org/IPv4Address",
        "metadata.annotations.projectcalico.org/ASNumber",
    )
