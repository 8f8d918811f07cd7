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

REFLECTED = """
apiVersion: projectcalico.org/v3
kind: BGPConfiguration
metadata: {name: default}
spec: {asNumber: 64512, nodeToNodeMeshEnabled: false}
---
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: reflectors}
spec: {nodeSelector: all(), peerSelector: reflector == 'yes'}
---
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: n1, labels: {reflector: "yes"}}
spec: {bgp: {ipv4Address: 172.20.0.11/24, routeReflectorClusterID: 244.0.0.1}}
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
    plan_of_reflectors(lab)


def plan_of_reflectors(lab: Running) -> None:
    """From the mesh to a reflector: the sessions that the plan names are those that the routers then have, all up."""

    def sessions() -> dict[tuple[str, str], str]:
        peers = {node: lab.ask("birdpy", "peers", node=node)["peers"] for node in ("n1", "n2", "n3")}
        return {(node, it["name"]): it["state"] for node, known in peers.items() for it in known}

    before = sessions()
    file = lab.file.parent / "reflected.yaml"
    file.write_text(REFLECTED)
    done = lab.labs.felixpy("plan", "-f", str(file), "--lab", lab.name, "-o", "json")
    assert done.returncode == 3, done.stderr
    rows = json.loads(done.stdout)["sessions"]
    addresses = {it["address"] for it in rows if it["effect"] == "ends"}
    assert addresses == {"172.20.0.12", "172.20.0.13"}, "n2 and n3 know each other by the reflector alone"
    ending = {(it["node"], it["session"]) for it in rows if it["effect"] == "ends"}
    others = {(it["node"], it["address"]): it["session"] for it in rows if it["effect"] != "ends"}
    assert lab.labs.felixpy("apply", "-f", str(file), "--lab", lab.name).returncode == 0
    stays = {(node, name) for node, name in before if name.startswith("Global_")}
    until(lambda: {key for key, state in sessions().items() if state == "established"} == wanted(stays, others), 60)
    assert not ending & sessions().keys()


def wanted(stays: set[tuple[str, str]], others: dict[tuple[str, str], str]) -> set[tuple[str, str]]:
    """The sessions with the switch, and those that the plan says begin or go on in another way."""
    return stays | {(node, session) for (node, _), session in others.items()}
