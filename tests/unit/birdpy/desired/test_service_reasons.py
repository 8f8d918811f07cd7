"""Why a service address is announced or not."""

from ipaddress import ip_network
from typing import Any

import pytest

from birdpy.desired.service_reasons import service_reasons
from birdpy.desired.services import EXCLUDED, service_routes
from felixpy.model.addresses import contains
from tests.unit.birdpy.builders import node, snapshot
from tests.unit.birdpy.desired.test_services import LOCAL, N1, cluster, endpoints, service

RANGES = cluster(external=("192.0.2.0/24",), balancer=("198.51.100.0/24",))


def reasons(*resources: Any, asked: str = "10.96.0.10/32") -> list[tuple[bool, str]]:
    return list(service_reasons(snapshot(*resources), "n1", ip_network(asked)))


@pytest.mark.parametrize(
    ("resources", "asked", "last"),
    [
        ((N1, RANGES, LOCAL, endpoints(("n1", True))), "10.96.0.10/32", (True, "has a ready endpoint on this node")),
        ((N1, RANGES, LOCAL, endpoints(("n2", True))), "10.96.0.10/32", (True, "its ready endpoints are on n2")),
        ((N1, RANGES, LOCAL, endpoints(("n1", False))), "192.0.2.9/32", (True, "none of its endpoints is ready")),
        ((N1, RANGES, LOCAL), "198.51.100.9/32", (True, "it has no EndpointSlice")),
        ((N1, RANGES, LOCAL), "203.0.113.9/32", (False, "lies in no range")),
        ((N1, RANGES, service("None")), "192.0.2.9/32", (True, "192.0.2.0/24 is announced as a whole")),
        ((N1, RANGES, service()), "10.96.0.10/32", (True, "only its range is announced")),
        ((N1, cluster(cluster_ips=""), service()), "10.96.0.10/32", (False, "lies in no range")),
        ((N1, RANGES, service(type="ExternalName")), "10.96.0.10/32", (True, "its type is ExternalName")),
        (
            (node("n1", "10.0.0.1/24", labels={EXCLUDED: "true"}), RANGES, service()),
            "10.96.0.10/32",
            (False, "announces no service address"),
        ),
        (
            (
                N1,
                cluster(cluster_ips="", balancer=("198.51.100.0/24",), service_load_balancer_aggregation="Disabled"),
            ),
            "198.51.100.9/32",
            (False, "no Service has 198.51.100.9/32"),
        ),
    ],
)
def test_the_deciding_reason_is_named(resources: tuple[Any, ...], asked: str, last: tuple[bool, str]) -> None:
    said = reasons(*resources, asked=asked)
    assert said[-1][0] is last[0] and last[1] in said[-1][1], said
    covered = any(contains(cidr, ip_network(asked)) for cidr in service_routes(snapshot(*resources), "n1"))
    assert any(speaks for speaks, _ in said) is covered, "what is explained is what is done"


def test_an_address_of_no_service_has_nothing_to_be_said_of() -> None:
    assert reasons(N1, RANGES, LOCAL, asked="10.65.0.2/32") == []
