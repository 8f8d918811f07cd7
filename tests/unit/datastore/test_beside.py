"""Beside a running calico-node nothing starts by itself."""

import asyncio

import pytest

from felixpy.datastore.beside import refuse_beside_calico
from felixpy.datastore.memory import MemoryDatastore
from felixpy.model.errors import Trouble
from felixpy.model.resources import Metadata, Pod, Resource


def store(label: str, node: str, phase: str) -> MemoryDatastore:
    made = MemoryDatastore()
    meta = Metadata("calico-node-x7", "kube-system", labels={"k8s-app": label})
    asyncio.run(made.create(Resource(meta, Pod(node_name=node, phase=phase))))
    return made


def test_a_running_calico_node_is_named() -> None:
    with pytest.raises(Trouble, match=r"kube-system/calico-node-x7 runs on this node.*--take-over"):
        asyncio.run(refuse_beside_calico(store("calico-node", "n1", "Running"), "n1"))


@pytest.mark.parametrize(
    ("label", "node", "phase"),
    [("web", "n1", "Running"), ("calico-node", "n2", "Running"), ("calico-node", "n1", "Succeeded")],
)
def test_another_pod_another_node_and_one_that_ended_are_no_obstacle(label: str, node: str, phase: str) -> None:
    asyncio.run(refuse_beside_calico(store(label, node, phase), "n1"))
