"""Nodes seen from elsewhere: a kubeconfig and the role for it are all that is needed."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.ground import Ground
from tests.cluster.places import until

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.timeout(600)]
BINDING = """
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: a-laptop, namespace: felixpy}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: felixpy-nodes}
subjects: [{kind: User, name: nobody, apiGroup: rbac.authorization.k8s.io}]
"""
KUBECONFIG = """current-context: c
clusters: [{{name: c, cluster: {{server: "{server}", certificate-authority: {pki}/ca.crt}}}}]
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
users: [{{name: u, user: {{token: nobody-token}}}}]
"""


def asked(ground: Ground, kubeconfig: Path, program: str, *words: str) -> Any:
    """The answer of a command outside the cluster; AssertionError with what it said when it failed."""
    control = ground.cluster.control
    settings = [f"FELIXPY_DATASTORE=kubernetes:{kubeconfig}", "FELIXPY_NODE=laptop"]
    line = ["env", *settings, sys.executable, "-m", program, *words, "-o", "json"]
    return json.loads(control.place.run(line, timeout=90))


def test_a_kubeconfig_with_its_role_shows_every_node_and_without_it_nothing(ground: Ground) -> None:
    control = ground.cluster.control
    kubeconfig = control.folder / "laptop.conf"
    kubeconfig.write_text(KUBECONFIG.format(server=control.shape.server, pki=control.folder / "pki"))
    with pytest.raises(AssertionError, match="403 Forbidden"):
        asked(ground, kubeconfig, "felixpy", "routes", "--node", "n1")
    ground.kubectl("apply", "-f", "-", given=BINDING)
    try:
        until(lambda: control.kubectl("auth", "can-i", "get", "pods", "--as=nobody", "-n", "felixpy"), "the role")
        for node in ("n1", "n2", "n3"):
            routes = asked(ground, kubeconfig, "felixpy", "routes", "--node", node)
            assert routes["node"] == node and routes.get("missing", []) == []
            origins = {route["origin"]["kind"] for route in routes["routes"] if route.get("origin")}
            assert {"pod", "block", "peer"} <= origins, routes
        peers = asked(ground, kubeconfig, "birdpy", "peers", "--node", "n1")
        assert all(peer["state"] == "established" for peer in peers["peers"])
        (block,) = {r["prefix"] for r in routes["routes"] if r["kind"] == "blackhole"}
        told = asked(ground, kubeconfig, "birdpy", "explain", block, "--node", "n1")
        assert told["stopped_by"] == ""
        with pytest.raises(AssertionError, match="no pod of felixpy or birdpy runs on node n9"):
            asked(ground, kubeconfig, "birdpy", "peers", "--node", "n9")
    finally:
        ground.kubectl("delete", "rolebinding", "-n", "felixpy", "a-laptop")


def test_pods_of_two_nodes_are_traced_and_the_whole_is_checked_from_a_laptop(ground: Ground) -> None:
    """By an administrator's kubeconfig: every node's own tables, and a probe sent from the source's node."""
    admin = ground.cluster.control.folder / "pki" / "admin.conf"
    first, second = ground.on("n1"), ground.on("n2")
    way = asked(ground, admin, "felixpy", "trace", f"default/{first.name}", f"default/{second.name}")
    assert way["first_failure"] is None and way["missing"] == {}, way
    assert [way["there"][end]["node"] for end in ("source", "destination")] == ["n1", "n2"]
    assert {station["node"] for station in way["there"]["stations"]} == {"n1", "n2"}
    assert way["probe"]["answered"] and way["full_size"]["answered"]
    looked = asked(ground, admin, "felixpy", "check")
    assert looked["nodes"] == ["n1", "n2", "n3"] and looked["violations"] == [] and looked["missing"] == {}
