"""The rights that the manifests give are those that the run of all these tests has used, by the audit log."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.conftest import Stage
from tests.cluster.install import MANIFESTS

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.timeout(600)]
ACCOUNT = "system:serviceaccount:felixpy:"
Right = tuple[str, str, str]  # API group, resource, verb
# Given although a run of the tests need not come to it, and why.
CRD = "crd.projectcalico.org"
RARE: dict[str, dict[Right, str]] = {
    "felixpy": {
        (CRD, "blockaffinities", "delete"): "blocks of a node that was deleted are given back",
        (CRD, "ipamblocks", "delete"): "the same",
        (CRD, "ipamhandles", "update"): "a handle that holds several addresses",
        ("", "events", "create"): "the elected agent's check has found something",
        ("", "pods", "get"): "a pod that is attached before its watch has told of it",
    },
    "birdpy": {
        (CRD, "caliconodestatuses/status", "patch"): "somebody asks for a node's status",
        (CRD, "caliconodestatuses", "patch"): "the same, with Calico's own CRD",
    },
}


def given() -> dict[str, set[Right]]:
    """By service account: what rbac.yaml grants."""
    documents = list(yaml.safe_load_all((MANIFESTS / "base" / "rbac.yaml").read_text()))
    rules = {(one["kind"], one["metadata"]["name"]): one["rules"] for one in documents if "rules" in one}
    found: dict[str, set[Right]] = {}
    for one in documents:
        if one["kind"] in ("ClusterRoleBinding", "RoleBinding"):
            role = rules[one["roleRef"]["kind"], one["roleRef"]["name"]]
            for subject in one["subjects"]:
                found.setdefault(subject["name"], set()).update(_rights(role))
    return found


def _rights(rules: list[dict[str, Any]]) -> Iterator[Right]:
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                yield from ((group, resource, verb) for verb in rule["verbs"])


def used(log: Path) -> tuple[dict[str, set[Right]], dict[str, set[Right]]]:
    """By service account: what it did, and what it was refused."""
    done: dict[str, set[Right]] = {}
    refused: dict[str, set[Right]] = {}
    for line in log.read_text().splitlines():
        event = json.loads(line)
        user, about = event["user"]["username"], event.get("objectRef")
        if not user.startswith(ACCOUNT) or about is None:
            continue
        resource = "/".join(filter(None, (about["resource"], about.get("subresource"))))
        right = (about.get("apiGroup", ""), resource, event["verb"])
        to = refused if event.get("responseStatus", {}).get("code") == 403 else done
        to.setdefault(user.removeprefix(ACCOUNT), set()).add(right)
    return done, refused


@pytest.fixture(scope="module")
def seen(stage: Stage) -> Iterator[tuple[dict[str, set[Right]], dict[str, set[Right]]]]:
    """What was done and what was refused. A watch is in the log once it has ended: so both daemons are restarted."""
    ground = stage.show("ipv4")
    ground.kubectl("-n", "felixpy", "delete", "pod", "-l", "app.kubernetes.io/name in (felixpy, birdpy)", timeout=120)
    ground.rolled_out("daemonset/felixpy", "daemonset/birdpy")
    yield used(ground.cluster.control.folder / "audit.log")


@pytest.mark.parametrize("account", ["felixpy", "birdpy"])
def test_a_daemon_is_never_refused_what_it_asks_for(
    seen: tuple[dict[str, set[Right]], dict[str, set[Right]]], account: str
) -> None:
    done, refused = seen
    assert refused.get(account, set()) == set()
    assert len(done[account]) > 10


@pytest.mark.parametrize("account", ["felixpy", "birdpy"])
def test_a_daemon_has_the_rights_that_it_uses_and_no_other(
    seen: tuple[dict[str, set[Right]], dict[str, set[Right]]], account: str
) -> None:
    assert sorted(given()[account] - seen[0][account] - set(RARE[account])) == []
