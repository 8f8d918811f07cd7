"""Service addresses: announced to peers, in no kernel of the cluster, and the node's own way to them unharmed."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import msgspec
import pytest

from felixpy.model.resources import (
    BGPConfiguration,
    EndpointSlice,
    Metadata,
    Resource,
    Service,
    ServiceCidr,
)
from felixpy.model.resources.core import Endpoint
from tests.netns.fabric import Fabric, Machine, eventually

pytestmark = pytest.mark.root

RANGE = "10.96.0.0/16"
RANGES = BGPConfiguration(
    service_cluster_ips=(ServiceCidr(cidr=ip_network(RANGE)),),
    service_external_ips=(ServiceCidr(cidr=ip_network("203.0.113.0/24")),),
)
WEB = Service(
    type="NodePort",
    cluster_ip="10.96.0.10",
    external_ips=("203.0.113.10",),
    external_traffic_policy="Local",
    ip_families=("IPv4",),
)
KUBE_PROXY = """
table ip services {
  chain output { type nat hook output priority -100; ip daddr 10.96.0.10 tcp dport 80 dnat to 172.20.0.2:8080; }
}
"""


def web(slices: str = "web-x1", node: str = "n1") -> list[Resource[Any]]:
    labels = {"kubernetes.io/service-name": "web"}
    spec = EndpointSlice(endpoints=(Endpoint(addresses=("10.65.1.5",), node_name=node),))
    return [Resource(Metadata("web", "team-a"), WEB), Resource(Metadata(slices, "team-a", labels=labels), spec)]


def announced(fabric: Fabric) -> tuple[Machine, Machine]:
    """n1 and n2 with the ranges announced, n1 with a ready endpoint."""
    fabric.change(Resource(Metadata("default"), RANGES))
    fabric.write(web())
    n1, n2 = fabric.node("n1", 1), fabric.node("n2", 2)
    for machine in (n1, n2):
        machine.start()
    eventually(lambda: n2.paths("203.0.113.10/32"), 60)
    return n1, n2


@contextmanager
def listening(machine: Machine) -> Iterator[None]:
    """Somebody who answers on port 8080 of a node."""
    server = machine.namespace.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("0.0.0.0", 8080))
    server.listen()

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            connection.sendall(b"hello")
            connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(5)


def reached(machine: Machine) -> bytes:
    """What a program of the node gets from the service's ClusterIP."""
    with machine.namespace.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as client:
        client.settimeout(3)
        try:
            client.connect(("10.96.0.10", 80))
            return client.recv(16)
        except OSError as error:
            return str(error.strerror or error).encode()


def test_a_host_reaches_a_cluster_ip_while_its_range_is_announced(fabric: Fabric) -> None:
    n1, n2 = announced(fabric)
    n1.namespace.run("ip", "route", "add", "default", "via", "172.20.0.254")
    n1.namespace.run("nft", "-f", "-", given=KUBE_PROXY)
    services = {RANGE, "203.0.113.0/24", "10.96.0.10", "203.0.113.10"}
    assert eventually(lambda: n2.paths(RANGE)), "n2 was told of the range"
    for machine in (n1, n2):
        assert not services & machine.routes().keys(), "neither own nor learned service routes are in a kernel"
    with listening(n2):
        assert reached(n1) == b"hello"
        n1.namespace.run("ip", "route", "add", "blackhole", RANGE)  # the defect that this guards against
        assert reached(n1) != b"hello"


def test_the_last_slice_that_goes_withdraws_the_address_and_explain_says_why(fabric: Fabric) -> None:
    n1, n2 = announced(fabric)
    told = n1.ask("explain", prefix="203.0.113.10/32")
    (step,) = [one for one in told["steps"] if one["station"] == "service" and "team-a/web" in one["text"]]
    assert step["passed"] and "ready endpoint on this node" in step["text"]
    fabric.remove(EndpointSlice, "team-a/web-x1")
    eventually(lambda: not n2.paths("203.0.113.10/32"))
    assert n2.paths("203.0.113.0/24"), "the range stays"
    told = n1.ask("explain", prefix="203.0.113.10/32")
    assert any("it has no EndpointSlice" in one["text"] for one in told["steps"])
    service, slices = web("web-x2", node="n2")
    fabric.write([slices])
    eventually(lambda: n1.paths("203.0.113.10/32"))
    assert [path["source"] for path in n2.paths("203.0.113.10/32")] == ["static"], "n1 does not announce it any more"
    told = n1.ask("explain", prefix="203.0.113.10/32")
    assert any("its ready endpoints are on n2" in one["text"] for one in told["steps"])
    fabric.change(replace(service, spec=msgspec.structs.replace(WEB, type="ExternalName")))
    eventually(lambda: not n1.paths("203.0.113.10/32"))
