"""What a plan says of the running quickstart lab is what its kernels do, with packets flowing meanwhile."""

import json
from collections.abc import Iterator

import pytest

from tests.lab.conftest import Running, deployed, until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]

BLOCK = """
apiVersion: projectcalico.org/v3
kind: BlockAffinity
metadata: {name: n1-10-65-240-0-26}
spec: {cidr: 10.65.240.0/26, node: n1, state: confirmed}
"""


@pytest.fixture
def lab() -> Iterator[Running]:
    yield from deployed("quickstart")


def kernel(lab: Running, node: str) -> dict[str, str]:
    """birdpy's routes: prefix -> gateway, or blackhole."""
    return {
        it["dst"]: f"via {it['gateway']}" if "gateway" in it else it.get("type", "")
        for it in lab.routes(node)
        if it.get("protocol") == "bird"
    }


def test_a_planned_block_appears_in_the_kernels_as_planned_and_a_ping_goes_on(lab: Running) -> None:
    pods = lab.pods()
    far = next(it for it in pods.values() if it.node == "n3")
    until(lambda: lab.reaches("n1/a", far.address))
    # Its own blackhole, two blocks of others, the outside network: before all are there no plan can be held to them.
    until(lambda: all(len(kernel(lab, node)) == 4 for node in ("n1", "n2", "n3")))
    before = {node: kernel(lab, node) for node in ("n1", "n2", "n3")}
    file = lab.file.parent / "block.yaml"
    file.write_text(BLOCK)
    done = lab.labs.felixpy("plan", "-f", str(file), "--lab", lab.name, "-o", "json")
    assert done.returncode == 3, done.stderr
    planned = {(it["node"], it["prefix"]): it["after"] for it in json.loads(done.stdout)["routes"]}
    assert set(planned) == {(node, "10.65.240.0/26") for node in before}

    ping = lab.start("n1/a", "ping", "-i", "0.2", "-c", "25", far.address)
    assert lab.labs.felixpy("apply", "-f", str(file), "--lab", lab.name).returncode == 0
    for node, held in before.items():
        wanted = held | {prefix: after for (of, prefix), after in planned.items() if of == node}
        until(lambda node=node, wanted=wanted: kernel(lab, node) == wanted)  # type: ignore[misc]
    said, _ = ping.communicate(timeout=60)
    lab.children.remove(ping)
    assert " 0% packet loss" in said, said
    done = lab.labs.felixpy("rollback", "--lab", lab.name)
    assert done.returncode == 0, done.stderr
    for node, held in before.items():
        until(lambda node=node, held=held: kernel(lab, node) == held)  # type: ignore[misc]
