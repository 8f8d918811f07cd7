"""Whether Calico's own agent runs on this node: two agents would undo each other's work. Edge."""

import asyncio
from contextlib import suppress

from felixpy.datastore.source import Datastore
from felixpy.model.errors import Trouble, Unreachable
from felixpy.model.resources import Pod

CALICO = "calico-node"  # label k8s-app of the DaemonSet's pods in all of Calico's manifests
PATIENCE_S = 5.0  # an API server that does not answer must not keep a node from starting


async def refuse_beside_calico(datastore: Datastore, node: str) -> None:
    """Trouble when a pod of calico-node runs on `node`. While the datastore does not answer nothing is refused."""
    with suppress(Unreachable, TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            pods = (await datastore.list(Pod)).objects
        for name, pod in pods.items():
            labelled = pod.meta.labels.get("k8s-app") == CALICO
            if labelled and pod.spec.node_name == node and not pod.spec.over:
                raise Trouble(f"{name} runs on this node: two agents would undo each other's work; let Calico leave "
                              "the node first (manifests/MIGRATION.md), or give --take-over")  # fmt: skip
