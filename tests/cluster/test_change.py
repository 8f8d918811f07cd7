"""Nodes come and go, pods come and go by the hundred, a kubelet dies in the middle: nothing is left behind."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.cluster.ground import Ground
from tests.cluster.places import until

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.timeout(900)]
MANY = """
apiVersion: apps/v1
kind: Deployment
metadata: {{name: many}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: many}}}}
  template:
    metadata: {{labels: {{app: many}}}}
    spec:
      terminationGracePeriodSeconds: 0
      automountServiceAccountToken: false
      containers: [{{name: pause, image: localhost/pause:local, imagePullPolicy: Never}}]
"""


def held(ground: Ground) -> dict[str, int]:
    """How many addresses of each block are taken."""
    blocks = ground.cluster.control.get("ipamblocks")["items"]
    return {one["spec"]["cidr"]: sum(at is not None for at in one["spec"]["allocations"]) for one in blocks}


def in_order(ground: Ground) -> bool:
    """Whether `felixpy ipam check` finds nothing wrong."""
    return ground.felixpy("ipam", "check").returncode == 0


def blocks(ground: Ground, node: str) -> list[str]:
    """The blocks whose affinity is a node's."""
    listed = ground.cluster.control.get("ipamblocks")["items"]
    return [one["spec"]["cidr"] for one in listed if one["spec"].get("affinity") == f"host:{node}"]


def learned(ground: Ground, node: str) -> list[Any]:
    """What BGP has taught a node."""
    proto = "bgp" if node == "tor" else "bird"
    rows = json.loads(ground.cluster.host(node).run(["ip", "-j", "route", "show", "proto", proto]))
    return [row["dst"] for row in rows]


def unplug(ground: Ground, node: str) -> None:
    """A machine is drained and goes for good with its Node and pods: Kubernetes itself would look for a minute."""
    router = ("-n", "felixpy", "-l", "app.kubernetes.io/name=birdpy", "--field-selector", f"spec.nodeName={node}")
    name = ground.kubectl("get", "pod", *router, "-o", "name").strip()
    ground.kubectl("-n", "felixpy", "exec", name, "--", "birdpy", "drain", "--node", node, "--settle", "1")
    ground.cluster.remove(node)
    ground.kubectl("delete", "node", node)
    there = ("--all-namespaces", "--field-selector", f"spec.nodeName={node}")
    ground.kubectl("delete", "pods", *there, "--force", "--grace-period=0")


def in_use(ground: Ground) -> int:
    """How many addresses are taken, once as many pods have one: those that other tests deleted are gone then."""

    def pods() -> int:
        listed = ground.cluster.control.get("pods", "--all-namespaces")["items"]
        return sum(not pod["spec"].get("hostNetwork") for pod in listed)

    until(lambda: pods() == sum(held(ground).values()), "every address has its pod", 180)
    return pods()


@contextmanager
def many(ground: Ground, count: int) -> Iterator[None]:
    """So many pods more, meanwhile; deleted also where a test fails, for the others would wait for them."""
    ground.kubectl("apply", "-f", "-", given=MANY.format(replicas=count))
    try:
        yield
    finally:
        ground.kubectl("delete", "deployment", "many")
    ground.ready("app=many", 0, 300)


def test_a_hundred_pods_come_and_go_and_no_address_is_left(ground: Ground) -> None:
    before = in_use(ground)
    with many(ground, 100):
        ground.ready("app=many", 100, 400)
        assert sum(held(ground).values()) == before + 100
        addresses = [pod.address() for pod in ground.pods("app=many")]
        assert len(set(addresses)) == 100
    until(lambda: sum(held(ground).values()) == before, "every address is free again", 180)
    assert in_order(ground)


def test_a_kubelet_that_dies_while_pods_are_made_leaves_nothing_twice_and_nothing_lost(ground: Ground) -> None:
    before = in_use(ground)
    machine = ground.cluster.machines["n2"]
    with many(ground, 18):
        until(lambda: len(ground.pods("app=many")) >= 3, "some pods are there", 120)
        machine.end("kubelet", signal.SIGKILL)
        machine.start_kubelet()
        ground.ready("app=many", 18, 300)
        assert len({pod.address() for pod in ground.pods("app=many")}) == 18
    until(lambda: sum(held(ground).values()) == before, "every address is free again", 180)
    assert in_order(ground)


def test_a_node_that_is_added_gets_a_block_and_one_that_is_deleted_gives_it_back(ground: Ground) -> None:
    cluster = ground.cluster
    cluster.add("n4")
    ground.kubectl("wait", "node", "n4", "--for=condition=Ready", "--timeout=240s", timeout=250)
    ground.ready("app=everywhere", 4)
    (block,) = blocks(ground, "n4")
    until(lambda: all(block in learned(ground, node) for node in ("n1", "n2", "n3", "tor")), "all know the block", 90)
    assert ground.fetch("out", ground.on("n4").address(), port=8080) == "198.51.100.10"

    unplug(ground, "n4")
    until(lambda: not any(block in learned(ground, node) for node in ("n1", "n2", "n3", "tor")), "all forget it", 90)
    until(lambda: not blocks(ground, "n4"), "the block is collected", 120)
    assert in_order(ground)

    cluster.add("n4")
    ground.ready("app=everywhere", 4)
    assert blocks(ground, "n4") == [block], "the block is used again"
    until(lambda: block in learned(ground, "tor"), "the switch learns it again", 90)
    unplug(ground, "n4")
    ground.ready("app=everywhere", 3)
