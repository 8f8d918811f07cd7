"""`felixpy get`, `apply`, `delete` and `birdpy config` on a cluster, as a user runs them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kube.server import ApiServer

Run = Callable[..., "subprocess.CompletedProcess[str]"]
POOL = """
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: default}
spec: {cidr: 10.65.0.0/16, blockSize: 26, future: kept}
---
apiVersion: projectcalico.org/v3
kind: BGPConfiguration
metadata: {name: default}
spec: {asNumber: 64513}
"""
NODES = """
apiVersion: v1
kind: Node
metadata: {name: n1, annotations: {projectcalico.org/IPv4Address: 10.0.0.1/24}}
---
apiVersion: v1
kind: Node
metadata: {name: n2, annotations: {projectcalico.org/IPv4Address: 10.0.0.2/24, projectcalico.org/ASNumber: "65002"}}
"""


@pytest.fixture
def cli(api_server: ApiServer, tmp_path: Path) -> Run:
    api_server.empty()
    env = {key: value for key, value in os.environ.items() if not key.startswith(("FELIXPY_", "BIRDPY_", "KUBE"))}
    env |= {"FELIXPY_DATASTORE": f"kubernetes:{api_server.kubeconfig}", "FELIXPY_LABS_DIR": str(tmp_path)}

    def run(program: str, *words: str, given: str = "", **more: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", program, *words]
        return subprocess.run(
            command, input=given, env=env | more, capture_output=True, text=True, timeout=30, check=False
        )

    return run


def test_what_is_applied_is_shown_kept_and_deleted(cli: Run, api_server: ApiServer) -> None:
    done = cli("felixpy", "apply", "-f", "-", given=POOL.replace(", future: kept", ""))
    assert done.stdout.split("\n")[:2] == ["ippool/default created", "bgpconfiguration/default created"], done.stderr
    assert "unchanged" in cli("felixpy", "apply", "-f", "-", given=POOL.replace(", future: kept", "")).stdout
    stored = api_server.get("ippools.crd.projectcalico.org", "default")
    assert stored["spec"] == {"cidr": "10.65.0.0/16", "blockSize": 26}
    assert "10.65.0.0/16" in cli("felixpy", "get", "ippool").stdout
    changed = POOL.replace(", future: kept", ", disabled: true")
    assert "ippool/default configured" in cli("felixpy", "apply", "-f", "-", given=changed).stdout
    assert json.loads(cli("felixpy", "get", "ippool", "default", "-o", "json").stdout)["spec"]["disabled"] is True
    assert cli("felixpy", "delete", "ippool", "default").stdout == "ippool/default deleted\n"
    assert cli("felixpy", "get", "ippool", "default").returncode == 1


def test_nodes_and_pods_are_shown_as_calicos(cli: Run, api_server: ApiServer) -> None:
    api_server.apply(NODES)
    annotation = "cni.projectcalico.org/podIPs=10.65.0.2/32"
    api_server.kubectl("annotate", "pod", "-n", "team-a", "web", annotation)
    wide = cli("felixpy", "get", "nodes", "-o", "wide")
    assert "10.0.0.2/24" in wide.stdout and "65002" in wide.stdout, wide.stderr
    found = cli("felixpy", "get", "wep")
    assert "10.65.0.2/32" in found.stdout and "n1" in found.stdout, found.stderr
    refused = cli("felixpy", "delete", "node", "n1")
    assert refused.returncode == 1 and "kubectl delete node n1" in refused.stderr


def test_sessions_are_worked_out_from_the_cluster(cli: Run, api_server: ApiServer) -> None:
    api_server.apply(NODES)
    done = cli("birdpy", "config", "--node", "n1", "-o", "json")
    assert done.returncode == 0, done.stderr
    (session,) = json.loads(done.stdout)["sessions"]
    assert (session["address"], session["peer_as"]) == ("10.0.0.2", 65002)


def test_a_server_that_is_not_there_is_one_line(cli: Run, tmp_path: Path) -> None:
    text = "current-context: c\nclusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\n"
    text += "contexts: [{name: c, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {token: secret}}]\n"
    (tmp_path / "k").write_text(text)
    done = cli("felixpy", "get", "nodes", FELIXPY_DATASTORE=f"kubernetes:{tmp_path / 'k'}")
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "no API server" in done.stderr
    assert "secret" not in done.stderr


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("current-context: x\n", "no context named 'x'"),
        ("clusters: [", "k: "),
        (
            "current-context: c\ncontexts: [{name: c, context: {cluster: c}}]\n"
            "clusters: [{name: c, cluster: {server: 'http://h'}}]\n",
            "must be https://HOST",
        ),
    ],
)
def test_a_kubeconfig_that_lacks_something_is_named(cli: Run, tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "k").write_text(text)
    done = cli("felixpy", "get", "nodes", FELIXPY_DATASTORE=f"kubernetes:{tmp_path / 'k'}")
    assert done.returncode in (1, 2) and reason in done.stderr and "Traceback" not in done.stderr
