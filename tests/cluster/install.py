"""Applying the manifests to a cluster as a user would: a kustomization of one's own on top of ours."""

import os
from collections.abc import Mapping
from pathlib import Path

import yaml

from tests.cluster import built
from tests.cluster.cluster import Cluster
from tests.cluster.control import Control

MANIFESTS = Path(__file__).parents[2] / "manifests"


def settings(cluster: Cluster) -> dict[str, str]:
    """What a user writes into the ConfigMap: the API server's address, and a pool for each family."""
    pools = dict(zip(("FELIXPY_IPV4_POOL", "FELIXPY_IPV6_POOL"), cluster.plan.shape.pods, strict=False))
    shape = cluster.plan.shape
    return pools | {"KUBERNETES_SERVICE_HOST": shape.address, "KUBERNETES_SERVICE_PORT": str(shape.port)}


def write(
    cluster: Cluster, overlay: str = "mesh", more: Mapping[str, str] | None = None, *, configured: bool = True
) -> Path:
    """The folder of a kustomization that takes `overlay` with the image at hand and, `configured`, these settings."""
    folder = cluster.folder / "manifests" / overlay
    folder.mkdir(parents=True, exist_ok=True)
    name, _, tag = built.NAME.rpartition(":")
    document = {
        "resources": [os.path.relpath(MANIFESTS / overlay, folder)],
        "images": [{"name": "felixpy", "newName": name, "newTag": tag}],
    }
    if configured:
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "felixpy", "namespace": "felixpy"}}
        data = settings(cluster) | dict(more or {})
        (folder / "settings.yaml").write_text(yaml.safe_dump(config | {"data": data}))
        document["patchesStrategicMerge"] = ["settings.yaml"]
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(document))
    return folder


def install(cluster: Cluster, overlay: str = "mesh", more: Mapping[str, str] | None = None) -> None:
    """`kubectl apply -k`; returns when both DaemonSets are rolled out and every node is Ready."""
    control = cluster.control
    control.kubectl("apply", "-k", str(write(cluster, overlay, more)))
    rolled_out(control, "daemonset/felixpy", "daemonset/birdpy")
    control.kubectl("wait", "node", "--all", "--for=condition=Ready", "--timeout=240s", timeout=250)


def rolled_out(control: Control, *names: str, namespace: str = "felixpy", seconds: float = 300.0) -> None:
    """Wait until each of them is rolled out; AssertionError that says what its pods are waiting for."""
    for name in names:
        wait = ("rollout", "status", name, f"--timeout={seconds:.0f}s")
        try:
            control.kubectl("-n", namespace, *wait, timeout=seconds + 20)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{_states(control, namespace)}") from error


def _states(control: Control, namespace: str) -> str:
    """Each pod that is not ready, with its events, and what its containers said last."""
    said = [control.kubectl("-n", namespace, "get", "pods", "-o", "wide")]
    for pod in control.get("-n", namespace, "pods")["items"]:
        name, status = pod["metadata"]["name"], pod.get("status", {})
        if all(one["ready"] for one in status.get("containerStatuses", [{"ready": False}])):
            continue
        said.append(control.kubectl("-n", namespace, "describe", "pod", name)[-2000:])
        for words in ((), ("--previous",)):
            try:
                said.append(control.kubectl("-n", namespace, "logs", name, "--tail=20", *words))
            except AssertionError as error:
                said.append(str(error))
    return "\n".join(said)
