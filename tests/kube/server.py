"""A real etcd and kube-apiserver for tests, once per test run; the fixture `api_server`.

Import it into the conftest.py of your folder: `from tests.kube.server import api_server` (with `__all__`). It needs
no root. `FELIXPY_TEST_KUBECONFIG` names a server that runs already, for working on one test at a time: it is emptied.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from felixpy.datastore.kubernetes import schema
from tests.cluster import binaries
from tests.cluster.control import Control, Shape, free_ports
from tests.cluster.places import Here, until

CRDS = tuple(str(one["metadata"]["name"]) for one in schema.definitions())
MINE = "!provider,!component"  # what the server makes for itself has one of these labels
TEAM = """
apiVersion: v1
kind: Namespace
metadata: {name: team-a, labels: {zone: a}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: default, namespace: team-a}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: team-a, labels: {app: web}}
spec:
  nodeName: n1
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 0
  containers: [{name: c, image: none}]
"""


@dataclass(frozen=True, slots=True)
class ApiServer:
    """One server that answers; `control` is None when it is not ours to stop."""

    kubeconfig: Path
    control: Control | None = None

    def kubectl(self, *arguments: str, given: str = "") -> str:
        """What kubectl prints as administrator; AssertionError when it fails."""
        line = [binaries.program("kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(line, input=given, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{arguments}: {done.stderr}{done.stdout}"
        return done.stdout

    def apply(self, text: str) -> None:
        """Create or replace objects."""
        self.kubectl("apply", "-f", "-", given=text)

    def get(self, *arguments: str) -> Any:
        """An object, or a list of them."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def empty(self, kubeconfig: Path | None = None) -> None:
        """No objects but a namespace `team-a` with the Pod `web`; the kubeconfig copied to where it is wanted."""
        self.kubectl("delete", ",".join((*CRDS, "nodes")), "--all", "--wait=false")
        self.kubectl(
            "delete", "leases,secrets,pods,services,endpointslices", "-A", "-l", MINE, "--grace-period=0", "--force"
        )
        self.apply(TEAM)
        if kubeconfig is not None:
            kubeconfig.write_text(self.kubeconfig.read_text())


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A server with our CRDs."""
    if running := os.environ.get("FELIXPY_TEST_KUBECONFIG"):
        yield _prepared(ApiServer(Path(running)))
        return
    if reason := binaries.missing_for_server():
        pytest.skip(reason)
    port, etcd_port = free_ports(2)
    control = Control(Here(tmp_path_factory.mktemp("kube")), Shape(port=port, etcd_port=etcd_port))
    try:
        control.start()
        yield _prepared(ApiServer(control.kubeconfig, control))
    finally:
        control.stop()


def _prepared(server: ApiServer) -> ApiServer:
    server.apply(schema.text())
    server.kubectl("wait", "--for=condition=Established", "--timeout=30s", *(f"crd/{name}" for name in CRDS))
    until(lambda: server.get("ippools") is not None, "the CRDs are served")
    return server
