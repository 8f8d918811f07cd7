"""`birdpy config`: the whole document, and the rules that it is made of."""

from ipaddress import ip_network
from typing import Any

import msgspec

from birdpy.desired.document import ConfigDocument, document
from birdpy.desired.rules import export_rules, prefix_communities
from felixpy.model.resources import BGPFilterRule, Community, PrefixAdvertisement, ServiceCidr
from tests.unit.birdpy.builders import (
    affinity,
    bgp_filter,
    configuration,
    node,
    peer,
    pool,
    snapshot,
    speaker,
)

ACCEPT = BGPFilterRule(action="Accept")
FIELDS = [
    "node", "router_id", "local_as", "listen_port", "listen_addresses", "sessions", "aggregates", "service_routes",
    "static_routes", "communities", "export_accept", "export_reject", "ignored_interfaces", "normal_priority",
]  # fmt: skip
SESSION_FIELDS = [
    "name", "address", "port", "family", "local_as", "peer_as", "passive", "source_address", "ttl_security",
    "multihop", "password", "graceful_restart_seconds", "keepalive_seconds", "next_hop_mode", "allowed_local_as",
    "route_reflector_client", "cluster_id", "import_filters", "export_filters", "held_down",
]  # fmt: skip


def advertised(cidr: str, *values: str) -> PrefixAdvertisement:
    return PrefixAdvertisement(cidr=ip_network(cidr), communities=values)


def made(*resources: Any) -> dict[str, Any]:
    found, problems = document(snapshot(node("n1", "10.0.0.1/24"), *resources), "n1")
    assert problems == ()
    plain = msgspec.to_builtins(found)
    assert isinstance(plain, dict)
    return plain


def test_the_document_has_exactly_the_promised_fields() -> None:
    found = made(peer(peer_ip="10.0.0.9", as_number=65001))
    assert list(found) == FIELDS == list(ConfigDocument.__struct_fields__)
    assert list(found["sessions"][0]) == SESSION_FIELDS


def test_the_document_of_a_small_cluster() -> None:
    found = made(
        pool("10.65.0.0/16"),
        pool("10.66.0.0/16", disable_bgp_export=True),
        affinity("n1", "10.65.0.64/26"),
        affinity("n1", "10.65.0.0/26"),
        affinity("n2", "10.65.1.0/26"),
        bgp_filter("in4", "import", ACCEPT),
        bgp_filter("out4", "export", ACCEPT),
        bgp_filter("in6", "import", ACCEPT, kind=6),
        peer(peer_ip="192.0.2.9", as_number=65001, filters=("in4", "out4", "in6"), reachable_by="10.0.0.254"),
        configuration(
            node_to_node_mesh_enabled=False,
            service_cluster_ips=(ServiceCidr(cidr=ip_network("10.96.0.0/12")),),
            ignored_interfaces=("docker*",),
            communities=(Community(name="pods", value="65000:7"),),
            prefix_advertisements=(advertised("10.65.0.0/16", "pods", "65000:1:2"),),
        ),
    )
    (session,) = found.pop("sessions")
    assert (session["import_filters"], session["export_filters"]) == (["in4"], ["out4"])
    assert found == {
        "node": "n1",
        "router_id": "10.0.0.1",
        "local_as": 64512,
        "listen_port": 179,
        "listen_addresses": ["0.0.0.0"],
        "aggregates": ["10.65.0.0/26", "10.65.0.64/26"],
        "service_routes": ["10.96.0.0/12"],
        "static_routes": [{"prefix": "192.0.2.9/32", "via": "10.0.0.254"}],
        "communities": {"10.65.0.0/16": ["65000:7", "65000:1:2"]},
        "export_accept": ["10.65.0.0/16", "10.96.0.0/12"],
        "export_reject": ["10.66.0.0/16"],
        "ignored_interfaces": ["docker*"],
        "normal_priority": {"ipv4": 1024, "ipv6": 1024},
    }


def test_a_reflector_passes_service_ranges_on() -> None:
    ranges = configuration(service_load_balancer_ips=(ServiceCidr(cidr=ip_network("198.51.100.0/24")),),
                           service_load_balancer_aggregation="Disabled")  # fmt: skip
    here, _ = document(snapshot(node("n1", "10.0.0.1/24"), ranges), "n1")
    reflector, _ = document(snapshot(node("n1", "10.0.0.1/24", cluster_id="1.1.1.1"), ranges), "n1")
    assert (here.export_accept, reflector.export_accept) == ([], ["198.51.100.0/24"])


def test_problems_come_with_the_document() -> None:
    now = snapshot(
        node("n1", "10.0.0.1/24"), peer(peer_ip="x", as_number=1), affinity("n1", "10.65.0.0/26"),
        pool("10.65.0.0/16", ipip_mode="Always"),
    )  # fmt: skip
    _, problems = document(now, "n1")
    assert [problem.where for problem in problems] == ["BGPPeer p", "BlockAffinity n1-10-65-0-0-26"]


def test_a_nodes_own_prefix_advertisements_go_first_and_may_use_the_clusters_names() -> None:
    cluster = configuration(
        communities=(Community(name="a", value="1:1"), Community(name="b", value="2:2")),
        prefix_advertisements=(advertised("10.65.0.0/16", "a"),),
    )
    own = configuration(
        "node.n1",
        communities=(Community(name="b", value="3:3"),),
        prefix_advertisements=(
            advertised("10.65.0.0/24", "a", "b", "nonsense", "9:9"),
            advertised("10.65.0.0/24", "8:8"),
        ),
    )
    found = prefix_communities(snapshot(cluster, own), "n1").items
    assert {str(prefix): values for prefix, values in found.items()} == {
        "10.65.0.0/24": ((1, 1), (3, 3), (9, 9), (8, 8))
    }
    other = prefix_communities(snapshot(cluster, own), "n2").items
    assert {str(prefix): values for prefix, values in other.items()} == {"10.65.0.0/16": ((1, 1),)}
    assert not prefix_communities(snapshot(), "n1").items


def test_draining_is_part_of_the_rules() -> None:
    assert export_rules(snapshot(), speaker(), (), (), draining=True).draining
