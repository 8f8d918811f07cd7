"""What pods and namespaces ask for by annotation or configuration: given, or refused with nothing left allocated."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.namespaces import Namespace
from tests.netns.agent_process import Node, ip, node
from tests.netns.cni_plugin import Runtime, apply, devices, document, in_use, journal, trouble

CALICO = "cni.projectcalico.org/"


def of_cluster(kind: str, name: str, labels: dict[str, str] | None = None, **annotations: str) -> dict[str, Any]:
    said = {CALICO + key: value for key, value in annotations.items()}
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "labels": labels or {}, "annotations": said}}


@pytest.fixture
def runtime(netns: Namespace, tmp_path: Path) -> Iterator[Runtime]:
    with node(tmp_path) as made:
        netns.run("ip", "address", "add", "10.0.0.1/32", "dev", "lo")
        apply(
            made,
            document("Node", "n1"),
            document("IPPool", "common", cidr="10.65.0.0/28", blockSize=29),
            document("IPPool", "fixed", cidr="10.66.0.0/28", blockSize=29, assignmentMode="Manual"),
            document("IPPool", "of-zone-a", cidr="10.67.0.0/28", blockSize=29, namespaceSelector="zone == 'a'"),
            document("IPPool", "off", cidr="10.68.0.0/28", blockSize=29, disabled=True),
        )
        made.start()
        yield Runtime(made)


def only_pods_left(node: Node, count: int) -> None:
    assert (len(devices()), journal(node), in_use(node), trouble(node)) == (count, [], count, [])
    assert len(ip("route", "show", "proto", "80").splitlines()) == count


def test_a_pod_has_what_its_annotations_and_its_namespace_ask_for(runtime: Runtime, netns: Namespace) -> None:
    pool = runtime.add("plain", netns.another()).addresses[0]
    assert pool.startswith("10.65.0.")
    apply(runtime.node, of_cluster("Namespace", "default", {"zone": "a"}, ipv4pools='["of-zone-a"]'))
    assert runtime.add("by-namespace", netns.another()).addresses[0].startswith("10.67.0.")
    apply(runtime.node, of_cluster("Pod", "by-pod", ipv4pools='["10.66.0.0/28"]', hwAddr="02:00:5e:10:00:01"))
    answer = runtime.add("by-pod", inside := netns.another())
    assert answer.addresses[0].startswith("10.66.0.") and answer.json["interfaces"][1]["mac"] == "02:00:5e:10:00:01"
    assert "02:00:5e:10:00:01" in inside.run("ip", "link", "show", "eth0")
    apply(runtime.node, of_cluster("Pod", "exact", ipAddrs='["10.66.0.13"]'))
    assert runtime.add("exact", netns.another()).addresses == ["10.66.0.13"]


def test_what_cannot_be_given_is_refused_with_nothing_left(runtime: Runtime, netns: Namespace) -> None:
    held = runtime.add("holder", netns.another()).addresses[0]
    cases = {
        "disabled": (
            {"ipv4pools": '["off"]'},
            100,
            "the given pool (off) does not exist, or is not enabled: it is dis",
        ),
        "unknown": ({"ipv4pools": '["of-zone-b"]'}, 100, "pools: common, fixed, of-zone-a, off"),
        "outside": ({"ipAddrs": '["192.0.2.9"]'}, 100, "192.0.2.9 cannot be assigned: it lies in no pool"),
        "taken": ({"ipAddrs": f'["{held}"]'}, 100, f"{held} is already assigned in block"),
        "nonsense": ({"ipv4pools": "common"}, 7, 'must be a JSON list of texts, as ["one"]'),
        "no-ipam": ({"ipAddrsNoIpam": '["10.66.0.9"]'}, 7, "use ipAddrs, of an IPPool"),
        "floating": ({"floatingIPs": '["192.0.2.7"]'}, 7, "need NAT, which felixpy does not do"),
    }
    for pod, (annotations, code, says) in cases.items():
        apply(runtime.node, of_cluster("Pod", pod, None, **annotations))
        refused = runtime.call("ADD", pod, netns.another())
        assert (refused.code, refused.json["code"]) == (1, code), refused
        assert says in refused.json["details"], refused
        assert refused.json["cniVersion"] == "1.1.0"
        only_pods_left(runtime.node, 1)
    configured = {**runtime.config, "ipam": {"type": "felixpy", "ipv4_pools": ["off"]}}
    refused = Runtime(runtime.node, config=configured).call("ADD", "by-config", netns.another())
    assert refused.json["code"] == 100 and "it is disabled" in refused.json["details"]
    only_pods_left(runtime.node, 1)
