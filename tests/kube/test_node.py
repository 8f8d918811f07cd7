"""What a node does for itself on a cluster."""

import asyncio
from ipaddress import ip_network
from typing import Any

import msgspec
import pytest

from felixpy.datastore.duties import Said
from felixpy.datastore.kubernetes.api import MERGE, Request
from felixpy.datastore.kubernetes.places import HOSTNAME_HASH, Scope, hostname_hash
from felixpy.datastore.kubernetes.store import KubernetesDatastore
from felixpy.model.errors import Conflict
from felixpy.model.resources import BlockAffinity, IPAMHandle, Metadata, Node, Pod, Resource, WorkloadEndpoint
from felixpy.node import write_addresses
from tests.kube.server import ApiServer
from tests.kube.test_watch import run

NODE = """
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {rack: a}, annotations: {projectcalico.org/IPv4VXLANTunnelAddr: 10.9.9.9, other: kept}}
"""
AFFINITIES = """
apiVersion: crd.projectcalico.org/v1
kind: BlockAffinity
metadata: {name: n1-10-65-0-0-26}
spec: {cidr: 10.65.0.0/26, node: n1, state: confirmed, deleted: "false", future: kept}
---
apiVersion: crd.projectcalico.org/v1
kind: BlockAffinity
metadata: {name: n2-10-65-1-0-26}
spec: {cidr: 10.65.1.0/26, node: n2, state: confirmed, deleted: "false"}
"""


def condition(api_server: ApiServer) -> dict[str, Any]:
    conditions = api_server.get("node", "n1")["status"].get("conditions", [])
    return next((one for one in conditions if one["type"] == "NetworkUnavailable"), {})


def test_addresses_are_written_as_calicos_annotations_and_nothing_else_is(api_server: ApiServer) -> None:
    api_server.empty()
    api_server.apply(NODE)

    async def body(made: KubernetesDatastore) -> None:
        assert await write_addresses(made, "n1", "10.0.0.1/24", "fd00::1/64")
        assert not await write_addresses(made, "n1", "10.0.0.1/24", "fd00::1/64")
        found = await made.get(Node, "n1")
        assert found is not None and found.spec.bgp is not None and found.spec.bgp.ipv4_address == "10.0.0.1/24"

    run(api_server, body, Scope("n1", everyone=False))
    metadata = api_server.get("node", "n1")["metadata"]
    assert metadata["labels"]["rack"] == "a"
    ours = {key: value for key, value in metadata["annotations"].items() if not key.startswith("kubectl")}
    assert ours == {
        "projectcalico.org/IPv4Address": "10.0.0.1/24",
        "projectcalico.org/IPv6Address": "fd00::1/64",
        "projectcalico.org/IPv4VXLANTunnelAddr": "10.9.9.9",
        "other": "kept",
    }


def test_the_kubelets_addresses_are_the_nodes(api_server: ApiServer) -> None:
    api_server.empty()
    api_server.apply(NODE)
    addresses = '[{"type": "InternalIP", "address": "10.0.0.1"}, {"type": "Hostname", "address": "n1"}]'
    raw = f'{{"status": {{"addresses": {addresses}}}}}'

    async def body(made: KubernetesDatastore) -> None:
        await made.api.call(Request("PATCH", "/api/v1/nodes/n1/status", raw.encode(), content=MERGE))
        found = await made.get(Node, "n1")
        assert found is not None and [(it.address, it.type) for it in found.spec.addresses] == [
            ("10.0.0.1", "InternalIP")
        ]

    run(api_server, body, Scope("n1", everyone=False))


def test_the_condition_is_cleared_once(api_server: ApiServer) -> None:
    api_server.empty()
    api_server.apply(NODE)

    async def body(made: KubernetesDatastore) -> None:
        assert await made.network_up("n1")
        assert not await made.network_up("n1")

    run(api_server, body)
    assert condition(api_server)["status"] == "False"


def test_blocks_of_an_older_calico_get_the_labels_by_which_they_are_found(api_server: ApiServer) -> None:
    api_server.empty()
    api_server.apply(AFFINITIES)

    async def body(made: KubernetesDatastore) -> None:
        assert not (await made.list(BlockAffinity)).objects
        assert await made.stamp_own("n1") == ("BlockAffinity/n1-10-65-0-0-26",)
        assert await made.stamp_own("n1") == ()
        assert set((await made.list(BlockAffinity)).objects) == {"n1-10-65-0-0-26"}

    run(api_server, body, Scope("n1"))
    stored = api_server.get("blockaffinity", "n1-10-65-0-0-26")
    assert stored["metadata"]["labels"][HOSTNAME_HASH] == hostname_hash("n1")
    assert stored["spec"]["deleted"] == "false" and stored["spec"]["future"] == "kept"


def test_a_pods_life_is_read_from_what_is_at_hand(api_server: ApiServer) -> None:
    """Endpoint, Pod and handle of a daemon's own node cost no request to read while they are watched."""
    api_server.empty()

    async def body(made: KubernetesDatastore) -> None:
        watch = made.watch([WorkloadEndpoint])
        await anext(watch)
        before = dict(made.api.counts.verbs)
        assert await made.get(WorkloadEndpoint, "team-a/n1-k8s-web-eth0") is None
        found = await made.get(Pod, "team-a/web")
        assert found is not None and found.spec.node_name == "n1"
        spec = WorkloadEndpoint(node="n1", pod="web", workload="web", ip_networks=(ip_network("10.65.0.2/32"),))
        endpoint = await made.create(Resource(Metadata("n1-k8s-web-eth0", "team-a"), spec))
        await anext(watch)
        assert await made.get(WorkloadEndpoint, "team-a/n1-k8s-web-eth0") == endpoint
        await made.delete(endpoint)
        await made.create(Resource(Metadata("h"), IPAMHandle(handle_id="h", block={"10.65.0.0/26": 1})))
        handle = await made.get(IPAMHandle, "h")
        assert handle is not None
        await made.delete(handle)
        assert await made.get(IPAMHandle, "h") is None
        after = made.api.counts.verbs
        spent = {verb: after[verb] - before.get(verb, 0) for verb in after}
        assert spent == {"GET": 1, "PATCH": 2, "POST": 1, "DELETE": 1}, "the last look at the handle is the one GET"

    run(api_server, body, Scope("n1"))


def test_another_pod_of_the_same_name_is_not_written_to(api_server: ApiServer) -> None:
    api_server.empty()

    async def body(made: KubernetesDatastore) -> None:
        watch = made.watch([WorkloadEndpoint])
        await anext(watch)
        spec = WorkloadEndpoint(node="n1", pod="web", workload="web", ip_networks=(ip_network("10.65.0.2/32"),))
        endpoint = await made.create(Resource(Metadata("n1-k8s-web-eth0", "team-a"), spec))
        await asyncio.to_thread(api_server.empty)  # the pod is deleted and made anew
        with pytest.raises(Conflict):
            await made.update(endpoint)
        await made.delete(endpoint)  # it is gone, which is what was asked for

    run(api_server, body)
    assert "cni.projectcalico.org/podIP" not in (
        api_server.get("pod", "-n", "team-a", "web")["metadata"].get("annotations") or {}
    )


def test_what_a_check_finds_is_an_event_that_people_see_at_the_daemonset(api_server: ApiServer) -> None:
    api_server.empty()

    async def body(made: KubernetesDatastore) -> None:
        await made.say("n1", Said("InvariantViolated", "books: " + "x" * 2000))
        namespace = made.api.access.namespace
        found = msgspec.json.decode(await made.api.call(Request("GET", f"/api/v1/namespaces/{namespace}/events")))
        (event,) = [it for it in found["items"] if it["reason"] == "InvariantViolated"]
        assert (event["type"], event["involvedObject"]["kind"], event["source"]["host"]) == (
            "Warning", "DaemonSet", "n1",
        )  # fmt: skip
        assert event["message"].startswith("books: x") and len(event["message"]) == 1024

    run(api_server, body, Scope("n1", everyone=False))
