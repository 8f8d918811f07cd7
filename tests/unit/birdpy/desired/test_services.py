"""Which service addresses a node announces."""

from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

import pytest

from birdpy.desired.services import never_installed, ranges, service_routes
from felixpy.model.resources import EndpointSlice, Service, ServiceCidr
from felixpy.model.resources.core import Endpoint, EndpointConditions, Ingress, LoadBalancerStatus
from tests.unit.birdpy.builders import configuration, node, resource, snapshot

N1 = node("n1", "10.0.0.1/24")


def cidrs(*texts: str) -> tuple[ServiceCidr, ...]:
    return tuple(ServiceCidr(cidr=ip_network(text)) for text in texts)


def cluster(
    cluster_ips: str = "10.96.0.0/12", external: tuple[str, ...] = (), balancer: tuple[str, ...] = (), **more: Any
) -> Any:
    return configuration(
        service_cluster_ips=cidrs(*([cluster_ips] if cluster_ips else [])),
        service_external_ips=cidrs(*external),
        service_load_balancer_ips=cidrs(*balancer),
        **more,
    )


def service(ip: str = "10.96.0.10", policy: str = "Cluster", ingress: tuple[str, ...] = (), **fields: Any) -> Any:
    spec = Service(
        cluster_ip=ip,
        external_traffic_policy=policy,
        ip_families=("IPv4",),
        load_balancer=LoadBalancerStatus(ingress=tuple(Ingress(ip=one) for one in ingress)),
        **fields,
    )
    return resource("default/web", spec)


def endpoints(*places: tuple[str, bool | None], kind: str = "IPv4", name: str = "default/web-x7") -> Any:
    made = tuple(
        Endpoint(node_name=where, conditions=EndpointConditions(ready=ready)) for where, ready in places
    )  # fmt: skip
    spec = EndpointSlice(address_type=kind, endpoints=made)
    return resource(name, spec, labels={"kubernetes.io/service-name": "web"})


LOCAL = service(policy="Local", external_ips=("192.0.2.9", "203.0.113.9"), ingress=("198.51.100.9",))


@dataclass(frozen=True)
class Case:
    id: str
    resources: tuple[Any, ...]
    expected: set[str]


CASES = [
    Case("nothing configured", (service(), endpoints(("n1", True))), set()),
    Case("cluster ranges go from every node", (cluster(),), {"10.96.0.0/12"}),
    Case("an empty entry is passed over", (configuration(service_cluster_ips=(ServiceCidr(),)),), set()),
    Case(
        "single addresses are no ranges",
        (cluster("", ("192.0.2.0/24", "192.0.3.1/32"), ("198.51.100.0/24", "198.51.101.1/32")),),
        {"192.0.2.0/24", "198.51.100.0/24"},
    ),
    Case(
        "without aggregation the load balancer range stays at home",
        (cluster("", (), ("198.51.100.0/24",), service_load_balancer_aggregation="Disabled"),),
        set(),
    ),
    Case("a Cluster service is in its range", (cluster(), service(), endpoints(("n1", True))), {"10.96.0.0/12"}),
    Case(
        "a Local service with an endpoint here",
        (cluster(external=("192.0.2.0/24",), balancer=("198.51.100.0/24",)), LOCAL, endpoints(("n1", True))),
        {
            "10.96.0.0/12", "192.0.2.0/24", "198.51.100.0/24",
            "10.96.0.10/32", "192.0.2.9/32", "198.51.100.9/32",
        },
    ),
    Case("a Local service with an endpoint elsewhere", (cluster(), LOCAL, endpoints(("n2", True))), {"10.96.0.0/12"}),
    Case(
        "an endpoint that does not say is ready",
        (cluster(), LOCAL, endpoints(("n1", None))),
        {"10.96.0.0/12", "10.96.0.10/32"},
    ),
    Case("an endpoint that is not ready", (cluster(), LOCAL, endpoints(("n1", False))), {"10.96.0.0/12"}),
    Case("a slice of another family", (cluster(), LOCAL, endpoints(("n1", True), kind="IPv6")), {"10.96.0.0/12"}),
    Case(
        "any of several slices",
        (cluster(), LOCAL, endpoints(("n2", True)), endpoints(("n1", True), name="default/web-b")),
        {"10.96.0.0/12", "10.96.0.10/32"},
    ),
    Case("no slice at all", (cluster(), LOCAL), {"10.96.0.0/12"}),
    Case(
        "a headless service",
        (cluster(), service("None", "Local"), endpoints(("n1", True))),
        {"10.96.0.0/12"},
    ),
    Case(
        "a service of another type",
        (cluster(), service(policy="Local", type="ExternalName"), endpoints(("n1", True))),
        {"10.96.0.0/12"},
    ),
    Case(
        "a single load balancer address goes from every node",
        (cluster("", (), ("198.51.100.9/32",)), service(type="LoadBalancer", ingress=("198.51.100.9",))),
        {"198.51.100.9/32"},
    ),
    Case(
        "a single external address goes from every node",
        (cluster("", ("192.0.2.9/32",)), service(external_ips=("192.0.2.9",))),
        {"192.0.2.9/32"},
    ),
    Case(
        "without aggregation any ready endpoint will do",
        (
            cluster("", (), ("198.51.100.0/24",), service_load_balancer_aggregation="Disabled"),
            service(type="LoadBalancer", ingress=("198.51.100.9", "rubbish")),
            endpoints(("n2", True)),
        ),
        {"198.51.100.9/32"},
    ),
    Case(
        "both cluster addresses of a dual-stack service",
        (cluster(), service(policy="Local", cluster_ips=("10.96.0.10", "fd96::10")), endpoints(("n1", True))),
        {"10.96.0.0/12", "10.96.0.10/32", "fd96::10/128"},
    ),
    Case(
        "an excluded node",
        (
            cluster(),
            LOCAL,
            endpoints(("n1", True)),
            node("n1", "10.0.0.1/24", labels={"node.kubernetes.io/exclude-from-external-load-balancers": "true"}),
        ),
        set(),
    ),
    Case(
        "only the literal true excludes",
        (cluster(), node("n1", labels={"node.kubernetes.io/exclude-from-external-load-balancers": "yes"})),
        {"10.96.0.0/12"},
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_a_node_announces_these_service_routes(case: Case) -> None:
    assert {str(prefix) for prefix in service_routes(snapshot(N1, *case.resources), "n1")} == case.expected


def test_all_cases_were_found() -> None:
    assert len(CASES) == 21


def test_the_last_slice_that_goes_takes_the_route_with_it() -> None:
    with_slice = snapshot(N1, cluster(), LOCAL, endpoints(("n1", True)))
    without = snapshot(N1, cluster(), LOCAL)
    assert len(service_routes(with_slice, "n1")) > len(service_routes(without, "n1"))


def test_a_slice_of_no_service_is_nothing() -> None:
    stray = resource("default/x", EndpointSlice(endpoints=(Endpoint(node_name="n1"),)))
    assert service_routes(snapshot(N1, cluster(), LOCAL, stray), "n1") == {ip_network("10.96.0.0/12")}


def test_no_service_range_belongs_into_the_kernel_not_even_a_single_address() -> None:
    now = snapshot(cluster("10.96.0.0/12", ("192.0.2.9/32",), ("198.51.100.0/24",)))
    kept_out = never_installed(now, [ip_network("203.0.113.5/32")])
    assert len(ranges(now).all) == 3
    for inside in ("10.96.0.10/32", "192.0.2.9/32", "198.51.100.128/25", "203.0.113.5/32"):
        assert kept_out.longest(ip_network(inside)) is not None
    assert kept_out.longest(ip_network("10.65.0.0/26")) is None
