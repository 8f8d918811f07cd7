"""`felixpy plan`, `apply --plan` and `rollback`, as a user types them, on a files store."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

NODES = """
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: n%d}
spec: {bgp: {ipv4Address: 172.20.0.1%d/24}}
"""
POOL = """
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: pods}
spec: {cidr: 10.65.0.0/16, natOutgoing: %s}
"""
MESH = """
apiVersion: projectcalico.org/v3
kind: BGPConfiguration
metadata: {name: default}
spec: {nodeToNodeMeshEnabled: %s}
"""


class Store:
    """A files store, and the command line on it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.where = folder, f"files:{folder}/store"

    def write(self, name: str, *documents: str) -> str:
        (self.folder / name).write_text("---".join(documents))
        return str(self.folder / name)

    def felixpy(self, *args: str) -> "subprocess.CompletedProcess[str]":
        line = [sys.executable, "-m", "felixpy", *args, "--datastore", self.where]
        return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)

    def plan(self, *args: str) -> tuple[int, Any]:
        done = self.felixpy("plan", *args, "-o", "json")
        return done.returncode, json.loads(done.stdout)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path)
    file = made.write("cluster.yaml", *(NODES % (i, i) for i in (1, 2, 3)), POOL % "false", MESH % "true")
    done = made.felixpy("apply", "-f", file)
    assert done.returncode == 0, done.stderr
    return made


def test_something_to_do_is_exit_3_and_once_applied_nothing_is(store: Store) -> None:
    file = store.write("pool.yaml", POOL % "true")
    code, made = store.plan("-f", file)
    assert (code, made["objects"]) == (
        3,
        [{"what": "ippool/pods", "action": "configured", "fields": ["spec.natOutgoing"]}],
    )
    assert store.felixpy("apply", "-f", file).returncode == 0
    code, made = store.plan("-f", file)
    assert (code, made["objects"], made["sessions"]) == (0, [], [])


def test_a_plan_changes_nothing(store: Store) -> None:
    files = sorted(store.folder.joinpath("store").rglob("*.yaml"))
    before = [it.read_bytes() for it in files]
    store.plan("-f", store.write("mesh.yaml", MESH % "false"))
    assert sorted(store.folder.joinpath("store").rglob("*.yaml")) == files
    assert [it.read_bytes() for it in files] == before


def test_what_is_dangerous_is_exit_1_and_apply_with_plan_leaves_it(store: Store) -> None:
    file = store.write("mesh.yaml", MESH % "false")
    done = store.felixpy("plan", "-f", file)
    assert done.returncode == 1
    assert "dangerous (last session): node n1" in done.stderr
    assert store.plan("-f", file, "--force")[0] == 3
    assert store.felixpy("apply", "--plan", "-f", file).returncode == 1
    assert store.plan("-f", file, "--force")[0] == 3
    assert store.felixpy("apply", "--plan", "--force", "-f", file).returncode == 0
    assert store.plan("-f", file)[0] == 0


def test_an_invalid_object_is_exit_1_and_the_others_are_planned(store: Store) -> None:
    file = store.write("two.yaml", POOL % "true", "\nkind: Nonsense\napiVersion: v1\nmetadata: {name: x}\n")
    code, made = store.plan("-f", file)
    assert (code, [it["what"] for it in made["objects"]]) == (1, ["ippool/pods"])


def test_nothing_to_plan_is_a_wrong_call(store: Store) -> None:
    assert store.felixpy("plan").returncode == 2
    assert store.felixpy("plan", "--delete", "pods").returncode == 2


def test_a_deletion_is_planned_too(store: Store) -> None:
    code, made = store.plan("--delete", "node/n3")
    assert code == 3
    assert {(it["node"], it["effect"]) for it in made["sessions"]} >= {("n1", "ends"), ("n2", "ends")}


def test_rollback_brings_back_what_was_and_removes_what_was_not(store: Store) -> None:
    before = store.felixpy("get", "ippools", "-o", "json").stdout
    file = store.write("two.yaml", POOL % "true", NODES % (4, 4))
    assert store.felixpy("apply", "-f", file).returncode == 0
    listed = json.loads(store.felixpy("rollback", "--list", "-o", "json").stdout)["generations"]
    assert [it["number"] for it in listed] == [2, 1]
    assert [it["kind"] for it in listed[0]["changes"]] == ["IPPool", "Node"]
    dry = store.felixpy("rollback", "--dry-run")
    assert (dry.returncode, "ippool/pods" in dry.stdout) == (0, True)
    assert store.plan("-f", file)[0] == 0  # it was a dry run
    done = store.felixpy("rollback")
    assert done.returncode == 0, done.stderr
    assert "node/n4 deleted" in done.stdout
    after = store.felixpy("get", "ippools", "-o", "json").stdout
    assert [it["spec"] for it in json.loads(after)["items"]] == [it["spec"] for it in json.loads(before)["items"]]
    again = store.felixpy("rollback")  # of the rollback
    assert (again.returncode, store.plan("-f", file)[0]) == (0, 0)


def test_rollback_leaves_what_somebody_else_has_changed_since(store: Store) -> None:
    assert store.felixpy("apply", "-f", store.write("pool.yaml", POOL % "true")).returncode == 0
    kept = store.folder / "store" / "ippools" / "pods.yaml"
    kept.write_text(kept.read_text().replace("natOutgoing: true", "natOutgoing: true\n  disabled: true"))
    done = store.felixpy("rollback")
    assert done.returncode == 1
    assert "ippool/pods was changed since by somebody else" in done.stderr
    assert "disabled: true" in kept.read_text()


def test_rollback_refuses_what_is_dangerous(store: Store) -> None:
    assert store.felixpy("apply", "-f", store.write("mesh.yaml", MESH % "false")).returncode == 0
    assert store.felixpy("apply", "-f", store.write("mesh.yaml", MESH % "true")).returncode == 0
    done = store.felixpy("rollback")
    assert (done.returncode, "dangerous (last session)" in done.stderr) == (1, True)
    assert store.felixpy("rollback", "--force").returncode == 0


def test_an_unknown_generation_is_named_with_those_that_are_kept(store: Store) -> None:
    done = store.felixpy("rollback", "9")
    assert (done.returncode, "kept are 1" in done.stderr) == (1, True)


PASSWORD = """
apiVersion: v1
kind: Secret
metadata: {name: bgp, namespace: felixpy}
stringData: {word: correct-horse}
"""
PEER = """
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: tor}
spec: {node: n1, peerIP: 172.20.0.1, asNumber: 65000, password: {secretKeyRef: {name: bgp, key: word}}%s}
"""


@pytest.mark.parametrize(("namespace", "effect"), [("felixpy", "reset"), ("", "live")])
def test_passwords_are_looked_for_where_the_routers_have_theirs(
    store: Store, monkeypatch: pytest.MonkeyPatch, namespace: str, effect: str
) -> None:
    """The control: in kube-system there is none, so the session is held down before and after."""
    assert store.felixpy("apply", "-f", store.write("peer.yaml", PASSWORD, PEER % "")).returncode == 0
    monkeypatch.setenv("NAMESPACE", namespace)
    _, made = store.plan("-f", store.write("faster.yaml", PEER % ", keepaliveTime: 5s"))
    assert [row["effect"] for row in made["sessions"]] == [effect]
    assert made["worst"]["sessions_down"] == (effect == "reset")
