"""Bad input while everything runs: one clear error each, everything else goes on, nothing programmed is lost."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from felixpy.daemon.status import ask
from tests.lab.conftest import Running, until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

NODES = ("n1", "n2", "n3")
HEAD = "apiVersion: projectcalico.org/v3\nkind: {}\nmetadata: {{name: {}}}\nspec: "

APPLIED = {
    HEAD.format("IPPool", "inside") + "{cidr: 10.0.0.0/8}": "spec.cidr: ",
    HEAD.format("IPPool", "bits") + "{cidr: 10.99.0.1/16}": "has host bits set: write 10.99.0.0/16",
    HEAD.format("IPPol", "kind") + "{cidr: 10.99.0.0/16}": "kind: 'IPPol' is not known; nearest: IPPool",
    HEAD.format("Node", "twin") + "{bgp: {ipv4Address: 172.20.0.11/24}}": "172.20.0.11 is the address of Node/n1 too",
    HEAD.format("BGPPeer", "self") + "{node: n1, peerIP: 172.20.0.11}": "spec.peerIP: 172.20.0.11 is Node/n1 itself",
    HEAD.format("BGPPeer", "zero") + "{peerIP: 172.20.0.9, asNumber: 0}": "spec.asNumber: AS 0 is reserved",
    HEAD.format("BGPPeer", "cut") + "{peerIP: [": "is not YAML",
}  # fmt: skip


def store(lab: Running) -> Path:
    return lab.labs.folder / lab.name / "store"


def contents(lab: Running) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in store(lab).rglob("*.yaml")}


def kernels(lab: Running) -> dict[str, Any]:
    return {node: lab.routes(node) for node in NODES}


def daemons(lab: Running) -> dict[tuple[str, str], Any]:
    """The health of every daemon."""
    folder = lab.labs.folder / lab.name / "nodes"
    return {
        (node, name): ask(folder / node / "run" / f"{name}.sock", "health")
        for node in NODES
        for name in ("felixpy", "birdpy")
    }


def processes(lab: Running) -> dict[tuple[str, str], int]:
    return {daemon: health["pid"] for daemon, health in daemons(lab).items()}


def sessions(lab: Running, node: str) -> dict[str, float]:
    """Since when each established session is."""
    peers = lab.ask("birdpy", "peers", node=node)["peers"]
    return {peer["address"]: round(peer["since"]) for peer in peers if peer["state"].lower() == "established"}


def said(lab: Running, node: str, daemon: str, event: str) -> list[dict[str, Any]]:
    """The log lines of one event."""
    text = (lab.labs.folder / lab.name / "nodes" / node / "log" / f"{daemon}.log").read_text()
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("event") == event]


@contextmanager
def unharmed(lab: Running, tmp_path: Path) -> Iterator[Path]:
    """What is done to the store in here costs no route, no session and no process; it is put back afterwards."""
    saved = tmp_path / "saved"
    shutil.copytree(store(lab), saved)
    before = kernels(lab), processes(lab), sessions(lab, "n1")
    try:
        yield store(lab)
        assert (kernels(lab), processes(lab), sessions(lab, "n1")) == before
    finally:
        for path in store(lab).rglob("*.yaml"):
            if not (saved / path.relative_to(store(lab))).exists():
                path.unlink()
        for path in saved.rglob("*.yaml"):
            target = store(lab) / path.relative_to(saved)
            if not target.exists() or target.read_bytes() != path.read_bytes():
                shutil.copy(path, target)
        until(lambda: not any(health["problems"] for health in daemons(lab).values()))
        until(lambda: kernels(lab) == before[0])


@pytest.mark.parametrize("manifest", APPLIED, ids=lambda text: text.split("name: ")[1].split("}")[0])
def test_a_mistake_is_refused_by_name_and_stores_nothing(quickstart: Running, tmp_path: Path, manifest: str) -> None:
    before = contents(quickstart)
    file = tmp_path / "mine.yaml"
    file.write_text(manifest)
    done = quickstart.labs.felixpy("apply", "-f", str(file), "--lab", quickstart.name)
    assert done.returncode == 1
    (refusal,) = [line for line in done.stderr.splitlines() if line.startswith("refused: ")]
    assert str(file) in refusal and APPLIED[manifest] in refusal
    assert contents(quickstart) == before


def test_files_that_turn_to_garbage_are_named_and_cost_nothing(quickstart: Running, tmp_path: Path) -> None:
    with unharmed(quickstart, tmp_path) as folder:
        (pool,) = (folder / "ippools").glob("*.yaml")
        pool.write_bytes(pool.read_bytes()[:-12] + b": [")  # truncated
        (folder / "nodes" / "n2.yaml").write_bytes(b"\x7fELF\x00\xff" * 100)  # binary
        (peer,) = (folder / "bgppeers").glob("*.yaml")
        peer.write_text("")  # an editor that died
        for block in (folder / "ipamblocks").glob("*.yaml"):
            block.write_bytes(block.read_bytes()[: block.stat().st_size // 2])
        named = {str(path.name) for path in (pool, folder / "nodes" / "n2.yaml", peer)}

        def all_named() -> bool:
            problems = daemons(quickstart)["n1", "birdpy"]["problems"]
            return named <= {Path(str(problem["where"]).partition(": ")[0]).name for problem in problems}

        until(all_named)
        assert quickstart.reaches("n1/a", quickstart.pods()["c"].address)
        # The store as the host sees it: every broken file is named with its line, and the exit code says so.
        done = quickstart.labs.felixpy("get", "nodes", "--lab", quickstart.name)
        assert done.returncode == 1 and "n2.yaml: line 1: is not" in done.stderr and "n1" in done.stdout


def test_objects_that_contradict_each_other_are_named_and_cost_nothing(quickstart: Running, tmp_path: Path) -> None:
    """Written by hand, past `apply`, which would refuse them."""
    with unharmed(quickstart, tmp_path) as folder:
        (folder / "nodes" / "twin.yaml").write_text(
            HEAD.format("Node", "twin") + "{bgp: {ipv4Address: 172.20.0.12/24}}\n"
        )
        (folder / "bgppeers" / "self.yaml").write_text(
            HEAD.format("BGPPeer", "self") + "{node: n1, peerIP: 172.20.0.11}\n"
        )
        (folder / "ippools" / "inside.yaml").write_text(HEAD.format("IPPool", "inside") + "{cidr: 10.65.64.0/18}\n")

        def named() -> set[str]:
            return {line["resource"] for line in said(quickstart, "n1", "birdpy", "resources contradicted")}

        until(lambda: named() >= {"Node/twin", "BGPPeer/self", "IPPool/pods"})


def test_files_that_come_and_go_are_no_events_to_speak_of(quickstart: Running, tmp_path: Path) -> None:
    with unharmed(quickstart, tmp_path) as folder:
        for number in range(300):
            path = folder / "bgppeers" / f"x{number}.yaml"
            path.write_text(HEAD.format("BGPPeer", f"x{number}") + "{node: elsewhere, peerIP: 203.0.113.9}\n")
            path.unlink()


def test_the_check_can_fail(quickstart: Running, tmp_path: Path) -> None:
    """The negative control: a session that really goes is seen by the same check."""
    with pytest.raises(AssertionError), unharmed(quickstart, tmp_path) as folder:
        (peer,) = (folder / "bgppeers").glob("*.yaml")
        peer.unlink()
        until(lambda: "172.20.0.1" not in sessions(quickstart, "n1"))
    until(lambda: "172.20.0.1" in sessions(quickstart, "n1"))
