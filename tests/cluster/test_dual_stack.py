"""Both families: pods, services, the switch, on a cluster of Kubernetes' first dual stack."""

import pytest

from tests.cluster.ground import Ground, plain
from tests.cluster.places import until
from tests.cluster.test_pods import ASK

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.timeout(600)]
OUTSIDE = {4: "198.51.100.10", 6: "2001:db8:51::10"}


def test_every_pod_has_both_families_and_reaches_every_other_as_itself(dual: Ground) -> None:
    pods = dual.pods()
    assert len(pods) == 15
    everyone = [pod.address(family) for pod in pods for family in (4, 6)]
    for pod in pods[::3]:
        said = dual.kubectl("exec", pod.name, "--", "sh", "-c", ASK, "ask", *everyone)
        expected = [f"{address} {pod.address(6 if ':' in address else 4)}" for address in everyone]
        assert [" ".join(map(plain, line.split())) for line in said.splitlines()] == expected


@pytest.mark.parametrize("family", [4, 6])
def test_an_outside_host_reaches_pods_and_service_addresses_of_each_family_by_bgp_alone(
    dual: Ground, family: int
) -> None:
    for pod in dual.pods("app=everywhere"):
        assert dual.fetch("out", pod.address(family), port=8080) == OUTSIDE[family]
    names = {pod.name for pod in dual.pods("app=web")}
    service = next(one for one in dual.service("web")["clusterIPs"] if (":" in one) == (family == 6))
    for address in ("203.0.113.10" if family == 4 else "2001:db8:113::10", service):
        assert dual.fetch("out", address, "name") in names
    assert dual.fetch("n1", service, "name") in names
    assert dual.fetch("out", "203.0.113.11" if family == 4 else "2001:db8:113::11") == OUTSIDE[family]


def test_both_daemonsets_roll_without_a_lost_packet_in_ipv6(dual: Ground) -> None:
    with dual.unbroken(dual.on("n1"), dual.on("n2"), 6):
        dual.kubectl("-n", "felixpy", "rollout", "restart", "daemonset/felixpy", "daemonset/birdpy")
        dual.rolled_out("daemonset/felixpy", "daemonset/birdpy")
    until(lambda: dual.fetch("out", dual.on("n1").address(6), port=8080) == OUTSIDE[6], "and from outside")
