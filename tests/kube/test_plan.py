"""`felixpy plan`, `apply --plan` and `rollback` on a cluster, by a person with the rights that the manifests give."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kube.server import ApiServer
from tests.kube.test_cli import NODES, POOL, Run, cli

__all__ = ["cli"]

RBAC = Path(__file__).parents[2] / "manifests" / "base" / "rbac.yaml"
CLUSTER = POOL.replace(", future: kept", "")
ROLES = ("felixpy-operator", "felixpy-generations")
PEER = """
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: tor}
spec: {peerIP: 10.0.0.9, asNumber: 65009, password: {secretKeyRef: {name: bgp, key: tor}}}
"""


def binding(role: dict[str, Any]) -> dict[str, Any]:
    """The role given to the user `nobody`."""
    kind, metadata = role["kind"], role["metadata"]
    return {
        "apiVersion": role["apiVersion"], "kind": f"{kind}Binding", "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": metadata["name"]},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "nobody"}],
    }  # fmt: skip


@pytest.fixture
def person(cli: Run, api_server: ApiServer, tmp_path: Path) -> Iterator[Run]:
    """The command line as `nobody`, who has the rights for operators and no others."""
    if api_server.control is None:
        pytest.skip("needs a server of its own: it knows a user with no rights")
    roles = [it for it in yaml.safe_load_all(RBAC.read_text()) if it["metadata"]["name"] in ROLES]
    assert len(roles) == len(ROLES)
    api_server.apply(yaml.safe_dump_all([*roles, *map(binding, roles)]))
    api_server.apply(NODES)
    config = yaml.safe_load(api_server.kubeconfig.read_text())
    (user,) = config["users"]
    user["user"] = {"token": "nobody-token"}
    (tmp_path / "nobody.conf").write_text(yaml.safe_dump(config))

    def run(program: str, *words: str, given: str = "") -> "subprocess.CompletedProcess[str]":
        return cli(program, *words, given=given, FELIXPY_DATASTORE=f"kubernetes:{tmp_path / 'nobody.conf'}")

    yield run
    api_server.kubectl("delete", "-n", "kube-system", "configmaps", "-l", "app.kubernetes.io/managed-by=felixpy")
    given = yaml.safe_dump_all([*roles, *map(binding, roles)])
    api_server.kubectl("delete", "--ignore-not-found", "-f", "-", given=given)


def generation(api_server: ApiServer) -> list[str]:
    found = api_server.get("-n", "kube-system", "configmaps", "-l", "app.kubernetes.io/managed-by=felixpy")["items"]
    return [str(it["metadata"]["name"]) for it in found]


def test_who_has_the_roles_plans_applies_and_takes_it_back(person: Run, api_server: ApiServer) -> None:
    planned = person("felixpy", "plan", "-f", "-", "-o", "json", given=CLUSTER + "---" + PEER)
    assert planned.returncode == 3, planned.stderr
    assert {it["what"] for it in json.loads(planned.stdout)["objects"]} == {
        "ippool/default", "bgpconfiguration/default", "bgppeer/tor",
    }  # fmt: skip
    assert generation(api_server) == [], "a plan writes nothing"
    first = person("felixpy", "apply", "-f", "-", given=CLUSTER)
    assert (first.returncode, "generation 1" in first.stderr) == (0, True), first.stderr
    second = person("felixpy", "apply", "--plan", "-f", "-", given=PEER)
    assert second.returncode == 0, second.stderr
    assert "Secret kube-system/bgp is taken to be there" in second.stderr and "forbidden" in second.stderr
    assert "begin" in second.stdout, "a session with the switch, not one held down"
    assert len(generation(api_server)) == 2
    refused = person("felixpy", "rollback")
    assert refused.returncode == 1 and "dangerous (last session): node n1" in refused.stderr
    back = person("felixpy", "rollback", "--force")
    assert (back.returncode, "bgppeer/tor deleted" in back.stdout) == (0, True), back.stderr
    assert api_server.get("bgppeers.crd.projectcalico.org")["items"] == []
    listed = json.loads(person("felixpy", "rollback", "--list", "-o", "json").stdout)["generations"]
    assert [(it["number"], it["note"]) for it in listed] == [(3, "rollback to 1"), (2, ""), (1, "")]
    patch = '{"spec": {"asNumber": 64999}}'
    api_server.kubectl("patch", "bgpconfigurations.crd.projectcalico.org", "default", "--type=merge", f"-p={patch}")
    refused = person("felixpy", "rollback", "0")
    assert refused.returncode == 1 and "bgpconfiguration/default was changed since" in refused.stderr, "by kubectl"


def test_without_the_right_to_remember_an_apply_goes_on_and_says_so(person: Run, api_server: ApiServer) -> None:
    api_server.kubectl("-n", "kube-system", "delete", "rolebinding", "felixpy-generations")
    done = person("felixpy", "apply", "-f", "-", given=CLUSTER)
    assert done.returncode == 0, done.stderr
    assert "this apply cannot be undone later" in done.stderr and "forbidden" in done.stderr
    assert "ippool/default created" in done.stdout and generation(api_server) == []
    rollback = person("felixpy", "rollback")
    assert rollback.returncode == 1 and "Traceback" not in rollback.stderr and "forbidden" in rollback.stderr


def test_who_may_not_even_read_is_told_what_is_missing_in_one_line(person: Run, api_server: ApiServer) -> None:
    api_server.kubectl("delete", "clusterrolebinding", "felixpy-operator")
    done = person("felixpy", "apply", "-f", "-", given=CLUSTER)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "forbidden" in done.stderr and "cannot list" in done.stderr and "nobody" in done.stderr
