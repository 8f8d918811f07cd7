"""Services and EndpointSlices of a real API server, as the routes that a node announces."""

import asyncio
import json
from contextlib import aclosing
from ipaddress import ip_network
from typing import Any, cast

from birdpy.desired.services import service_routes
from birdpy.orders import KINDS
from felixpy.datastore.follow import follow
from felixpy.datastore.kubernetes.api import MERGE, Request
from felixpy.datastore.kubernetes.places import Scope
from felixpy.datastore.kubernetes.store import KubernetesDatastore
from felixpy.model.resources import BGPConfiguration, Metadata, Resource, ServiceCidr
from felixpy.model.snapshot import Snapshot
from tests.kube.server import ApiServer
from tests.kube.test_watch import run

SERVICE = """
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: team-a}}
spec:
  type: LoadBalancer
  clusterIP: {ip}
  externalTrafficPolicy: {policy}
  externalIPs: [{external}]
  ports: [{{port: 80}}]
---
"""
SLICE = """
apiVersion: discovery.k8s.io/v1beta1
kind: EndpointSlice
metadata: {{name: {name}, namespace: team-a, labels: {{kubernetes.io/service-name: {service}}}}}
addressType: IPv4
endpoints: [{{addresses: [10.65.0.2], conditions: {{ready: {ready}}}, topology: {{kubernetes.io/hostname: {node}}}}}]
ports: []
---
"""
NODES = "".join(f"apiVersion: v1\nkind: Node\nmetadata: {{name: {name}}}\n---\n" for name in ("n1", "n2"))
RANGES = BGPConfiguration(
    service_cluster_ips=(ServiceCidr(cidr=ip_network("10.96.0.0/16")),),
    service_external_ips=(
        ServiceCidr(cidr=ip_network("203.0.113.0/24")),
        ServiceCidr(cidr=ip_network("192.0.2.7/32")),
    ),
    service_load_balancer_ips=(ServiceCidr(cidr=ip_network("198.51.100.0/24")),),
)
WHOLE = {"10.96.0.0/16", "203.0.113.0/24", "198.51.100.0/24"}


def routes(snapshot: Snapshot, node: str = "n1") -> set[str]:
    return {str(prefix) for prefix in service_routes(snapshot, node)} - WHOLE


def test_services_are_announced_and_withdrawn_as_the_cluster_changes(api_server: ApiServer) -> None:
    api_server.empty()
    api_server.apply(NODES)
    api_server.apply(SERVICE.format(name="here", ip="10.96.0.50", policy="Local", external="203.0.113.9"))
    api_server.apply(SERVICE.format(name="wide", ip="10.96.0.51", policy="Cluster", external="192.0.2.7"))
    api_server.apply(SLICE.format(name="here-x7k2p", service="here", ready="true", node="n1"))

    async def body(made: KubernetesDatastore) -> None:
        await made.create(Resource(Metadata("default"), RANGES))
        async with aclosing(cast("Any", follow(made, KINDS))) as snapshots:

            async def becomes(wanted: set[str], node: str = "n1") -> None:
                seen: list[set[str]] = []
                async with asyncio.timeout(15):
                    async for snapshot in snapshots:
                        seen.append(routes(snapshot, node))
                        if seen[-1] == wanted:
                            return
                raise AssertionError(seen)

            single = {"10.96.0.51/32", "192.0.2.7/32"}
            local = {"10.96.0.50/32", "203.0.113.9/32"}
            await becomes(single | local)
            status = json.dumps({"status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.9"}]}}}).encode()
            path = "/api/v1/namespaces/team-a/services/here/status"
            await made.api.call(Request("PATCH", path, status, content=MERGE))
            await becomes(single | local | {"198.51.100.9/32"})
            await asyncio.to_thread(
                api_server.apply, SLICE.format(name="here-x7k2p", service="here", ready="false", node="n1")
            )
            await becomes(single)
            await asyncio.to_thread(
                api_server.apply, SLICE.format(name="here-z9q1m", service="here", ready="true", node="n1")
            )
            await becomes(single | local | {"198.51.100.9/32"})
            await asyncio.to_thread(api_server.kubectl, "delete", "endpointslice", "-n", "team-a", "here-z9q1m")
            await becomes(single)
            excluded = "node.kubernetes.io/exclude-from-external-load-balancers=true"
            await asyncio.to_thread(api_server.kubectl, "label", "node", "n1", excluded)
            await becomes(set())

    run(api_server, body, Scope("n1"), limit_s=90)
