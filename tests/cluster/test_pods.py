"""What a pod network is for, on a real cluster: nodes become Ready, pods reach each other as themselves."""

import pytest

from tests.cluster.ground import Ground, plain
from tests.cluster.places import until

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.timeout(600)]
# One argument per address to ask; what is not as it should be is printed.
ASK = """
for a in "$@"; do
  ping -c1 -W3 -q $a >/dev/null || echo "no ping $a"
  case $a in *:*) h="[$a]";; *) h=$a;; esac
  echo "$a $(timeout 5 wget -q -O- http://$h:8080/cgi-bin/from)"
done
"""


def test_nodes_are_ready_only_through_us(ground: Ground) -> None:
    assert len(ground.before) == 3
    for node, message in ground.before.items():
        assert message.startswith("False: ") and "cni plugin not initialized" in message, (node, message)
    status = ground.kubectl("get", "nodes", "-o", "jsonpath={.items[*].status.conditions[-1:].status}")
    assert set(status.split()) == {"True"}


def test_every_pod_reaches_every_other_by_its_own_address_and_is_seen_as_itself(ground: Ground) -> None:
    pods = ground.pods()
    assert len(pods) == 16
    assert {pod.node for pod in pods} == {"n1", "n2", "n3"}
    everyone = [pod.address() for pod in pods]
    for pod in pods:
        said = ground.kubectl("exec", pod.name, "--", "sh", "-c", ASK, "ask", *everyone)
        expected = [f"{address} {pod.address()}" for address in everyone]
        assert [" ".join(map(plain, line.split())) for line in said.splitlines()] == expected


def test_a_service_address_works_from_pods_and_from_hosts(ground: Ground) -> None:
    address = ground.service("web")["clusterIP"]
    names = {pod.name for pod in ground.pods("app=web")}
    for node in ("n1", "n2", "n3"):
        assert ground.fetch(node, address, "name") in names
        pod = ground.on(node)
        page = f"http://{address}/cgi-bin/name"
        assert ground.kubectl("exec", pod.name, "--", "timeout", "5", "wget", "-q", "-O-", page).strip() in names


def test_kubectl_execs_into_pods_and_reads_their_logs(ground: Ground) -> None:
    pod = ground.pods("app=web")[0]
    assert ground.kubectl("exec", pod.name, "--", "hostname").strip() == pod.name
    assert ground.kubectl("logs", pod.name).splitlines()[0] == f"serving as {pod.name}"


def test_the_kubelets_probes_reach_the_pods_of_their_node(ground: Ground) -> None:
    state = ground.cluster.control.get("deployment", "web")["status"]
    assert (state["readyReplicas"], state.get("unavailableReplicas")) == (12, None)


def test_an_outside_host_reaches_pods_by_bgp_alone(ground: Ground) -> None:
    routes = ground.cluster.host("tor").run(["ip", "-4", "route", "show", "proto", "static"])
    assert routes == ""
    for pod in ground.pods("app=everywhere"):
        assert ground.fetch("out", pod.address(), port=8080) == "198.51.100.10"


def test_an_outside_host_reaches_node_ports_external_and_cluster_addresses(ground: Ground) -> None:
    names = {pod.name for pod in ground.pods("app=web")}
    for address, port in (
        (ground.cluster.fabric.address("n1"), 30080),
        ("203.0.113.10", 80),
        (ground.service("web")["clusterIP"], 80),
    ):
        assert ground.fetch("out", address, "name", port) in names


def test_traffic_policy_local_is_announced_where_the_pod_is_and_keeps_the_clients_address(ground: Ground) -> None:
    node = ground.pods("app=one")[0].node
    told = ground.cluster.host("tor").run(["ip", "-4", "route", "show", "203.0.113.11"])
    assert f"via {ground.cluster.fabric.address(node)} " in told and told.count("via") == 1, told
    assert ground.fetch("out", "203.0.113.11") == "198.51.100.10"


def test_a_pod_that_moves_takes_the_announcement_of_its_service_along(ground: Ground) -> None:
    def via() -> str:
        return ground.cluster.host("tor").run(["ip", "-4", "route", "show", "203.0.113.11"])

    before = ground.pods("app=one")[0]
    ground.kubectl("cordon", before.node)
    try:
        ground.kubectl("delete", "pod", before.name)
        ground.ready("app=one", 1)
        after = ground.pods("app=one")[0]
        assert after.node != before.node
        until(
            lambda: f"via {ground.cluster.fabric.address(after.node)} " in via() and via().count("via") == 1, "moved"
        )
        assert ground.fetch("out", "203.0.113.11") == "198.51.100.10"
    finally:
        ground.kubectl("uncordon", before.node)


def test_the_pods_run_the_image_that_the_containerfile_makes(ground: Ground) -> None:
    if not ground.from_containerfile:
        pytest.skip("runs the same file tree without an image: tests/runtimes/test_image.py has built none of it")
    said = ground.kubectl("-n", "felixpy", "exec", "daemonset/felixpy", "--", "cat", "/etc/os-release")
    assert "bookworm" in said
