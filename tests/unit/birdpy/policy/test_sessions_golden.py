"""Which sessions a node has, case by case, as Calico's confd has them where design does not decide otherwise.

A case is: resources, and for each session of n1 (unless the case names another node) the fields that matter.
"""

from dataclasses import dataclass
from typing import Any

import pytest

from birdpy.policy.sessions import speaker
from felixpy.model.addresses import Asn
from felixpy.model.resources import BGPFilterRule, Resource, SecretKeyRef
from felixpy.model.resources.bgp import Password
from tests.unit.birdpy.builders import bgp_filter, configuration, node, peer, secret, snapshot

N1 = node("n1", "10.192.0.2/16", labels={"rack": "a"})
N2 = node("n2", "10.192.0.3/16", labels={"rack": "a"})
N3 = node("n3", "10.192.0.10/16", labels={"rack": "b", "rr": "yes"})
DUAL = (node("n1", "10.192.0.2/16", "2001::102:0/64"), node("n2", "10.192.0.3/16", "2001::103:0/64"))
NO_MESH = configuration(node_to_node_mesh_enabled=False)
NO_MESH_500 = configuration(node_to_node_mesh_enabled=False, listen_port=500)
ACCEPT = BGPFilterRule(action="Accept")


def secret_of(key: str, name: str = "bgp") -> Password:
    return Password(secret_key_ref=SecretKeyRef(name=name, key=key))


@dataclass(frozen=True)
class Case:
    id: str
    resources: tuple[Resource[Any], ...]
    expected: dict[str, dict[str, Any]]
    node: str = "n1"


CASES = [
    Case("no nodes, no sessions", (N1,), {}),
    Case(
        "the mesh has every other node",
        (N1, N2, N3),
        {
            "Mesh_10_192_0_3": {"peer_as": 64512, "passive": True, "port": 179, "multihop": True, "filters": ()},
            "Mesh_10_192_0_10": {"peer_as": 64512, "passive": False, "source_address": "10.192.0.2"},
        },
    ),
    Case(
        "passive is decided by text: .10 is below .2 and .3",
        (N1, N2, N3),
        {"Mesh_10_192_0_2": {"passive": True}, "Mesh_10_192_0_3": {"passive": True}},
        node="n3",
    ),
    Case(
        "passive is decided by text: .9 is above .10",
        (node("n1", "10.0.0.9/24"), node("n2", "10.0.0.10/24")),
        {"Mesh_10_0_0_10": {"passive": False}},
    ),
    Case(
        "passive is decided by text: .10 waits for .9",
        (node("n2", "10.0.0.9/24"), node("n1", "10.0.0.10/24")),
        {"Mesh_10_0_0_9": {"passive": True}},
    ),
    Case("the mesh can be off", (N1, N2, NO_MESH), {}),
    Case(
        "the mesh leaves route reflectors out",
        (N1, N2, node("n3", "10.192.0.10/16", cluster_id="224.0.0.1")),
        {"Mesh_10_192_0_3": {}},
    ),
    Case(
        "a route reflector is in no mesh",
        (node("n1", "10.192.0.2/16", cluster_id="224.0.0.1"), N2, N3),
        {},
    ),
    Case(
        "a mesh peer's AS is its own, else this node's, not the cluster's",
        (
            node("n1", "10.192.0.2/16", asn=64600),
            node("n2", "10.192.0.3/16", asn=64700),
            N3,
            configuration(as_number=Asn(64513)),
        ),
        {
            "Mesh_10_192_0_3": {"local_as": 64600, "peer_as": 64700, "external": True},
            "Mesh_10_192_0_10": {"local_as": 64600, "peer_as": 64600},
        },
    ),
    Case(
        "the cluster's AS holds for the mesh",
        (N1, N2, configuration(as_number=Asn(65546))),
        {"Mesh_10_192_0_3": {"local_as": 65546, "peer_as": 65546}},
    ),
    Case(
        "both families have a session of their own",
        DUAL,
        {
            "Mesh_10_192_0_3": {"families": {4}, "source_address": "10.192.0.2"},
            "Mesh_2001__103_0": {"families": {6}, "source_address": "2001::102:0", "passive": True},
        },
    ),
    Case(
        "no session in a family that this node does not have",
        (N1, DUAL[1]),
        {"Mesh_10_192_0_3": {}},
    ),
    Case(
        "the mesh dials the port that all listen on",
        (N1, N2, configuration(listen_port=500)),
        {"Mesh_10_192_0_3": {"port": 500}},
    ),
    Case(
        "a node's own port goes before the cluster's",
        (N1, N2, configuration(listen_port=500), configuration("node.n2", listen_port=501)),
        {"Mesh_10_192_0_3": {"port": 501}},
    ),
    Case(
        "mesh password and restart time",
        (
            N1,
            N2,
            configuration(node_mesh_password=secret_of("mesh"), node_mesh_max_restart_time=241.6),
            secret("kube-system/bgp", mesh="geheim"),
        ),
        {"Mesh_10_192_0_3": {"password": "geheim", "graceful_restart_s": 242, "held_down": None}},
    ),
    Case(
        "a mesh without its password is held down",
        (N1, N2, configuration(node_mesh_password=secret_of("mesh"))),
        {
            "Mesh_10_192_0_3": {
                "password": None,
                "held_down": "secret kube-system/bgp does not exist; create it with the key mesh",
            }
        },
    ),
    Case(
        "a global peer",
        (N1, NO_MESH, peer(peer_ip="10.225.0.9", as_number=64999)),
        {"Global_10_225_0_9": {"peer_as": 64999, "passive": False, "port": 179, "next_hop_mode": "Auto"}},
    ),
    Case(
        "a global peer with a port has it in its name",
        (N1, NO_MESH, peer(peer_ip="10.225.0.9:501", as_number=64999)),
        {"Global_10_225_0_9_port_501": {"port": 501}},
    ),
    Case(
        "a global peer outside the cluster gets no implied port",
        (
            N1,
            NO_MESH_500,
            peer(peer_ip="10.225.0.9", as_number=1),
        ),
        {"Global_10_225_0_9": {"port": 179}},
    ),
    Case(
        "a global peer that is a node gets that node's port",
        (N1, N2, NO_MESH, configuration("node.n2", listen_port=500), peer(peer_ip="10.192.0.3", as_number=64512)),
        {"Global_10_192_0_3_port_500": {"port": 500, "passive": True, "cluster_node": "n2"}},
    ),
    Case(
        "a node's address with another AS implies no port",
        (N1, N2, NO_MESH, configuration("node.n2", listen_port=500), peer(peer_ip="10.192.0.3", as_number=64999)),
        {"Global_10_192_0_3": {"port": 179}},
    ),
    Case(
        "an IPv6 global peer with a port",
        (DUAL[0], NO_MESH, peer(peer_ip="[fd5f::9]:500", as_number=64999)),
        {"Global_fd5f__9_port_500": {"port": 500, "families": {6}, "source_address": "2001::102:0"}},
    ),
    Case(
        "an IPv6 global peer without a port",
        (DUAL[0], NO_MESH, peer(peer_ip="fd5f::9", as_number=64999)),
        {"Global_fd5f__9": {"port": 179}},
    ),
    Case(
        "a peer of one node",
        (N1, N2, NO_MESH, peer(node="n1", peer_ip="10.225.0.9", as_number=64999)),
        {"Node_10_225_0_9": {"peer_as": 64999}},
    ),
    Case(
        "a peer of another node is nothing to this one",
        (N1, N2, NO_MESH, peer(node="n2", peer_ip="10.225.0.9", as_number=64999)),
        {},
    ),
    Case(
        "a peer of selected nodes",
        (N1, N2, N3, NO_MESH, peer(node_selector="rack == 'a'", peer_ip="10.225.0.9", as_number=64999)),
        {"Node_10_225_0_9": {}},
    ),
    Case(
        "a peer of selected nodes, not this one",
        (N1, N2, N3, NO_MESH, peer(node_selector="rack == 'b'", peer_ip="10.225.0.9", as_number=64999)),
        {},
    ),
    Case(
        "nodes that a peerSelector selects, for all",
        (N1, N2, N3, NO_MESH, peer(peer_selector="has(rr)")),
        {"Global_10_192_0_10": {"passive": False, "cluster_node": "n3", "peer_as": 64512}},
    ),
    Case(
        "the selected peers see all nodes by reverse peering",
        (N1, N2, N3, NO_MESH, peer(peer_selector="has(rr)")),
        {"Node_10_192_0_2": {"passive": True}, "Node_10_192_0_3": {"passive": True}},
        node="n3",
    ),
    Case(
        "reverse peering can be manual",
        (N1, N2, N3, NO_MESH, peer(peer_selector="has(rr)", reverse_peering="Manual")),
        {},
        node="n3",
    ),
    Case(
        "reverse peering by address: the owner dials back",
        (N1, N2, NO_MESH, peer(node="n2", peer_ip="10.192.0.2", as_number=64512, keepalive_time=7.4)),
        {"Node_10_192_0_3": {"keepalive_s": 7, "hold_time_s": 21, "peer_as": 64512}},
    ),
    Case(
        "reverse peering by address needs the same AS",
        (N1, N2, NO_MESH, peer(node="n2", peer_ip="10.192.0.2", as_number=64999)),
        {},
    ),
    Case(
        "reverse peering by address takes the cluster's AS when none is given",
        (N1, N2, NO_MESH, peer(node="n2", peer_ip="10.192.0.2")),
        {"Node_10_192_0_3": {}},
    ),
    Case(
        "reverse peering by address needs the port that this node listens on",
        (N1, N2, NO_MESH, peer(node="n2", peer_ip="10.192.0.2:500", as_number=64512)),
        {},
    ),
    Case(
        "reverse peering with the port that this node listens on",
        (
            N1,
            N2,
            NO_MESH_500,
            peer(node="n2", peer_ip="10.192.0.2:500"),
        ),
        {"Node_10_192_0_3_port_500": {"port": 500}},
    ),
    Case(
        "reverse peering by address is for that family only",
        (*DUAL, NO_MESH, peer(node="n2", peer_ip="2001::102:0", as_number=64512)),
        {"Node_2001__103_0": {}},
    ),
    Case(
        "reverse peering expects the AS that the other end shows",
        (N1, N2, NO_MESH, peer(node="n2", peer_ip="10.192.0.2", as_number=64512, local_as_number=64777)),
        {"Node_10_192_0_3": {"peer_as": 64777, "local_as": 64512}},
    ),
    Case(
        "an explicit peering is never overwritten by a reverse one",
        (
            N1,
            N2,
            NO_MESH,
            peer("a-reverse", node="n2", peer_ip="10.192.0.2", as_number=64512, keepalive_time=5.0),
            peer("b-forward", node="n1", peer_ip="10.192.0.3", as_number=64512, keepalive_time=10.0),
        ),
        {"Node_10_192_0_3": {"keepalive_s": 10, "defined_by": "b-forward"}},
    ),
    Case(
        "a global definition goes before a node's for the same address",
        (
            N1,
            NO_MESH,
            peer("a-node", node="n1", peer_ip="10.225.0.9", as_number=1),
            peer("b-global", peer_ip="10.225.0.9", as_number=2),
        ),
        {"Global_10_225_0_9": {"peer_as": 2}},
    ),
    Case(
        "what a resource says goes before the mesh",
        (N1, N2, peer(peer_ip="10.192.0.3", as_number=64512, keepalive_time=3.0)),
        {"Global_10_192_0_3": {"keepalive_s": 3}},
    ),
    Case(
        "there is no session to oneself, but one back to each that dials",
        (N1, N2, NO_MESH, peer(peer_ip="10.192.0.2", as_number=64512)),
        {"Node_10_192_0_3": {}},
    ),
    Case(
        "localASNumber",
        (
            N1,
            NO_MESH,
            peer(peer_ip="10.225.0.9", as_number=1, local_as_number=1, num_allowed_local_as_numbers=3),
        ),
        {"Global_10_225_0_9": {"local_as": 1, "peer_as": 1, "external": False, "allowed_local_as": 3}},
    ),
    Case(
        "localASNumber does nothing with peerSelector",
        (N1, N2, NO_MESH, peer(peer_selector="all()", local_as_number=64999, num_allowed_local_as_numbers=3)),
        {"Global_10_192_0_3": {"local_as": 64512, "allowed_local_as": 0}},
    ),
    Case(
        "sourceAddress None",
        (N1, NO_MESH, peer(peer_ip="10.225.0.9", as_number=64999, source_address="None")),
        {"Global_10_225_0_9": {"source_address": None}},
    ),
    Case(
        "ttlSecurity over one hop",
        (N1, NO_MESH, peer(peer_ip="10.225.0.9", as_number=64999, ttl_security=1)),
        {"Global_10_225_0_9": {"ttl_security": 1, "multihop": False}},
    ),
    Case(
        "ttlSecurity 0 is off",
        (N1, NO_MESH, peer(peer_ip="10.225.0.9", as_number=64999, ttl_security=0)),
        {"Global_10_225_0_9": {"ttl_security": None, "multihop": True}},
    ),
    Case(
        "timers",
        (N1, NO_MESH, peer(peer_ip="10.225.0.9", as_number=64999, max_restart_time=9999.0, keepalive_time=0.2)),
        {"Global_10_225_0_9": {"graceful_restart_s": 4095, "keepalive_s": 1, "hold_time_s": 3}},
    ),
    Case(
        "default timers",
        (N1, NO_MESH, peer(peer_ip="10.225.0.9", as_number=64999)),
        {"Global_10_225_0_9": {"graceful_restart_s": 120, "keepalive_s": 30, "hold_time_s": 90}},
    ),
    Case(
        "keepOriginalNextHop holds towards another AS",
        (N1, NO_MESH, peer(peer_ip="10.225.0.9", as_number=64999, keep_original_next_hop=True)),
        {"Global_10_225_0_9": {"next_hop_mode": "Keep"}},
    ),
    Case(
        "keepOriginalNextHop does nothing within the AS",
        (N1, NO_MESH, peer(peer_ip="10.225.0.9", as_number=64512, keep_original_next_hop=True)),
        {"Global_10_225_0_9": {"next_hop_mode": "Auto"}},
    ),
    Case(
        "nextHopMode goes before keepOriginalNextHop",
        (N1, NO_MESH, peer(peer_ip="10.225.0.9", as_number=64999, next_hop_mode="Self", keep_original_next_hop=True)),
        {"Global_10_225_0_9": {"next_hop_mode": "Self"}},
    ),
    Case(
        "reachableBy",
        (N1, NO_MESH, peer(peer_ip="10.225.0.9", as_number=64999, reachable_by="10.192.0.254")),
        {"Global_10_225_0_9": {"reachable_by": "10.192.0.254"}},
    ),
    Case(
        "reachableBy of the other family gives no session",
        (N1, NO_MESH, peer(peer_ip="10.225.0.9", as_number=64999, reachable_by="fd00::1")),
        {},
    ),
    Case(
        "filters that exist, in their order",
        (
            N1,
            NO_MESH,
            bgp_filter("b", "import", ACCEPT),
            bgp_filter("a", "export", ACCEPT),
            peer(peer_ip="10.225.0.9", as_number=64999, filters=("b", "missing", "a")),
        ),
        {"Global_10_225_0_9": {"filters": ("b", "a")}},
    ),
    Case(
        "a client of this reflector",
        (node("n1", "10.192.0.2/16", cluster_id="224.0.0.1"), N2, peer(peer_selector="all()")),
        {"Global_10_192_0_3": {"route_reflector_client": True, "cluster_id": "224.0.0.1"}},
    ),
    Case(
        "a reflector of the same cluster is no client",
        (
            node("n1", "10.192.0.2/16", cluster_id="224.0.0.1"),
            node("n2", "10.192.0.3/16", cluster_id="224.0.0.1"),
            peer(peer_selector="all()"),
        ),
        {"Global_10_192_0_3": {"route_reflector_client": False, "cluster_id": None}},
    ),
    Case(
        "a reflector of another cluster is a client",
        (
            node("n1", "10.192.0.2/16", cluster_id="224.0.0.1"),
            node("n2", "10.192.0.3/16", cluster_id="224.0.0.2"),
            peer(peer_selector="all()"),
        ),
        {"Global_10_192_0_3": {"route_reflector_client": True, "cluster_id": "224.0.0.1"}},
    ),
    Case(
        "an external peer is no client of a reflector",
        (node("n1", "10.192.0.2/16", cluster_id="224.0.0.1"), peer(peer_ip="10.225.0.9", as_number=64999)),
        {"Global_10_225_0_9": {"route_reflector_client": False, "cluster_id": None}},
    ),
    Case(
        "an external peer may ask for both families",
        (DUAL[0], NO_MESH, peer(peer_ip="10.225.0.9", as_number=1, notes={"felixpy.io/families": "ipv4, ipv6"})),
        {"Global_10_225_0_9": {"families": {4, 6}}},
    ),
    Case(
        "a node of the cluster may not",
        (*DUAL, NO_MESH, peer(peer_selector="all()", notes={"felixpy.io/families": "ipv4,ipv6"})),
        {"Global_10_192_0_3": {"families": {4}}, "Global_2001__103_0": {"families": {6}}},
    ),
    Case(
        "max-prefix",
        (
            N1,
            NO_MESH,
            peer(
                peer_ip="10.225.0.9",
                as_number=1,
                notes={"felixpy.io/max-prefix": "500", "felixpy.io/max-prefix-action": "warn"},
            ),
        ),
        {"Global_10_225_0_9": {"max_prefix": 500, "max_prefix_action": "warn"}},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_a_node_has_these_sessions(case: Case) -> None:
    found = {one.name: one for one in speaker(snapshot(*case.resources), case.node).sessions}
    shown = {
        name: {field: plain(getattr(one, field)) for field in case.expected.get(name, {})}
        for name, one in found.items()
    }
    assert shown == case.expected


def plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return set(value)
    return str(value) if hasattr(value, "packed") else value


def test_all_cases_were_found() -> None:
    assert len(CASES) == len({case.id for case in CASES}) == 61
