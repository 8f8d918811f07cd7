"""The speaker as a whole, and what happens to resources that cannot be used."""

from base64 import b64encode
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from birdpy.policy.cluster import BGP_PORT
from birdpy.policy.passwords import password_of
from birdpy.policy.sessions import SpeakerSettings, hashed_router_id, speaker
from felixpy.model.errors import InvalidResource
from felixpy.model.resources import BGPFilter, Node, Secret, SecretKeyRef, WorkloadEndpoint
from felixpy.model.resources.bgp import Password
from felixpy.model.snapshot import Broken, Put
from tests.unit.birdpy.builders import configuration, names, node, peer, resource, secret, session, snapshot
from tests.unit.birdpy.builders import speaker as a_speaker

N1 = node("n1", "10.0.0.1/24")
N2 = node("n2", "10.0.0.2/24")
TOR = peer("tor", peer_ip="10.0.0.254", as_number=65001)


def problems(*resources: Any, name: str = "n1") -> list[str]:
    return [str(problem) for problem in speaker(snapshot(*resources), name).problems]


def test_a_node_is_a_speaker() -> None:
    here = speaker(snapshot(node("n1", "10.0.0.1/24", "fd00::1/64", cluster_id="1.1.1.1"), N2), "n1")
    assert (here.node, str(here.router_id), here.local_as) == ("n1", "10.0.0.1", 64512)
    assert (here.listen_port, str(here.cluster_id)) == (BGP_PORT, "1.1.1.1")
    assert [str(a) for a in here.listen_addresses] == ["0.0.0.0", "::"]
    assert here.owners[ip_address("10.0.0.2")] == "n2"
    assert here.address(6) == ip_address("fd00::1")
    assert here.problems == ()


def test_a_node_that_is_not_there_has_no_sessions_and_says_why() -> None:
    here = speaker(snapshot(N2, TOR), "n9")
    assert here.sessions == () and here.address(4) is None
    assert problems(N2, name="n9") == ["Node n9: there is no such Node resource; create it"]


def test_bind_mode_node_ip_listens_only_there() -> None:
    here = speaker(snapshot(N1, configuration(bind_mode="NodeIP", listen_port=1790)), "n1")
    assert ([str(a) for a in here.listen_addresses], here.listen_port) == (["10.0.0.1"], 1790)


def test_a_nodes_own_listen_port_goes_first() -> None:
    here = speaker(snapshot(N1, configuration(listen_port=1790), configuration("node.n1", listen_port=1791)), "n1")
    assert here.listen_port == 1791


def test_the_hash_router_id_is_calicos() -> None:
    assert str(hashed_router_id("kube-master")) == "25.79.212.8"
    assert int(hashed_router_id("n3").packed[0]) <= 223


@pytest.mark.parametrize("name", [f"node-{n}" for n in range(40)])
def test_a_hashed_router_id_is_no_multicast_address(name: str) -> None:
    assert hashed_router_id(name).packed[0] < 224


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [("", "10.0.0.1"), ("9.9.9.9", "9.9.9.9"), ("hash", str(hashed_router_id("n1"))), ("0.0.0.0", "10.0.0.1")],
)
def test_the_router_id_is_the_nodes_address_or_what_was_asked_for(wanted: str, expected: str) -> None:
    here = speaker(snapshot(N1), "n1", SpeakerSettings(router_id=wanted))
    assert str(here.router_id) == expected


@pytest.mark.parametrize("wanted", ["fd00::1", "0.0.0.0", "yes"])
def test_an_unusable_router_id_is_named(wanted: str) -> None:
    (problem,) = speaker(snapshot(N1), "n1", SpeakerSettings(router_id=wanted)).problems
    assert wanted in str(problem) and "router-id" in str(problem)


def test_without_ipv4_the_router_id_is_made_from_the_name() -> None:
    assert speaker(snapshot(node("n1", "fd00::1/64")), "n1").router_id == hashed_router_id("n1")


NO_PATHS = {"felixpy.io/add-path": "send", "felixpy.io/add-paths": "0"}


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ((N1, peer(peer_ip="nonsense", as_number=1)), ["BGPPeer p: spec: 'nonsense' does not appear to be"]),
        ((N1, peer(peer_ip="10.0.0.9:99999", as_number=1)), ["BGPPeer p: spec: port '99999' is not"]),
        ((N1, peer(peer_ip="10.0.0.9")), ["BGPPeer p: spec.asNumber: the AS of 10.0.0.9 is not known"]),
        ((N1, peer(node_selector="rack ==", peer_ip="10.0.0.9", as_number=1)), ["BGPPeer p: spec: "]),
        ((N1, N2, peer(peer_selector="rack ==")), ["BGPPeer p: spec: "]),
        ((N1, peer()), ["BGPPeer p: spec: names no peer"]),
        ((N1, peer(peer_ip="10.0.0.9", as_number=1, filters=("x",))), ["BGPPeer p: spec.filters: there is no"]),
        ((N1, peer(peer_selector="all()", reachable_by="10.0.0.9"), N2), ["BGPPeer p: spec.reachableBy: 10.0.0.9"]),
        (
            (N1, TOR, peer("tor2", node="n1", peer_ip="10.0.0.254", as_number=2)),
            ["BGPPeer tor2: spec: 10.0.0.254 has the session Global_10_0_0_254 of BGPPeer tor; delete one"],
        ),
        ((node("n1", "10.0.0.300/24"),), ["Node n1: spec.bgp.ipv4Address: "]),
        ((node("n1", "10.0.0.1/24"), node("n2", "10.0.0.1/24")), ["Node n2: spec.bgp: 10.0.0.1 is the add"]),
        ((N1, peer(peer_ip="10.0.0.9", as_number=1, notes={"felixpy.io/max-prefix": "-1"})), ["BGPPeer p: meta"]),
        (
            (N1, peer(peer_ip="10.0.0.9", as_number=1, notes={"felixpy.io/add-path": "yes"})),
            ["BGPPeer p: metadata.annotations[felixpy.io/add-path]: 'yes' is none of"],
        ),
        (
            (N1, peer(peer_ip="10.0.0.9", as_number=1, notes=NO_PATHS)),
            ["BGPPeer p: metadata.annotations[felixpy.io/add-paths]: '0' is no number of 1..255"],
        ),
        (
            (N1, peer(peer_ip="10.0.0.9", as_number=1, notes={"felixpy.io/max-prefix-action": "stop"})),
            ["BGPPeer p: metadata.annotations[felixpy.io/max-prefix-action]: 'stop' is neither"],
        ),
        (
            (N1, peer(peer_ip="10.0.0.9", as_number=1, notes={"felixpy.io/families": "ipv5"})),
            ["BGPPeer p: metadata.annotations[felixpy.io/families]: 'ipv5' is neither"],
        ),
        ((N1, N2, peer(local_workload_selector="x ==", as_number=1)), ["BGPPeer p: spec: "]),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named_and_the_rest_goes_on(resources: tuple[Any, ...], expected: list[str]) -> None:
    found = problems(*resources, N3)
    assert len(found) == len(expected)
    for text, start in zip(found, expected, strict=True):
        assert text.startswith(start)
    if "10.0.0.300" not in str(resources):
        assert "Mesh_10_0_0_3" in names(speaker(snapshot(*resources, N3), "n1").sessions)


N3 = node("n3", "10.0.0.3/24")


def test_a_node_with_this_nodes_address_is_no_peer() -> None:
    assert names(speaker(snapshot(N1, node("n2", "10.0.0.1/24"), N3), "n1").sessions) == ["Mesh_10_0_0_3"]
    assert names(speaker(snapshot(N1, node("n2", "10.0.0.1/24"), N3), "n3").sessions) == ["Mesh_10_0_0_1"]


def test_a_node_without_bgp_has_no_session() -> None:
    assert names(speaker(snapshot(N1, resource("n2", Node())), "n1").sessions) == []


def test_a_malformed_reverse_definition_is_its_own_nodes_business() -> None:
    bad = (peer("a", node="n2", peer_ip="10.0.0.1:x", as_number=64512), peer("b", node="n2"))
    assert problems(N1, N2, *bad) == []
    assert len(problems(N1, N2, *bad, name="n2")) == 2


PASSWORD = Password(secret_key_ref=SecretKeyRef(name="bgp", key="k"))


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        (None, "secret ns/bgp does not exist; create it with the key k"),
        ({}, "secret ns/bgp has no key k"),
        ({"k": "%%%"}, "secret ns/bgp, key k: not base64 of text"),
        ({"k": b64encode(b"\xff\xfe").decode()}, "secret ns/bgp, key k: not base64 of text"),
        ({"k": ""}, "secret ns/bgp, key k: the password is empty"),
        ({"k": b64encode(b"x" * 81).decode()}, "secret ns/bgp, key k: longer than the 80 bytes that TCP MD5 takes"),
    ],
)
def test_a_session_without_a_usable_password_stays_down(stored: dict[str, str] | None, reason: str) -> None:
    secrets = {} if stored is None else {"ns/bgp": resource("ns/bgp", Secret(data=stored))}
    assert password_of(secrets, SecretKeyRef(name="bgp", key="k"), "ns") == (None, reason)


def test_the_secret_is_looked_for_in_the_given_namespace() -> None:
    now = snapshot(N1, peer(peer_ip="10.0.0.9", as_number=1, password=PASSWORD), secret("ns/bgp", k="geheim"))
    (there,) = speaker(now, "n1", SpeakerSettings(namespace="ns")).sessions
    (elsewhere,) = speaker(now, "n1").sessions
    assert (there.password, there.held_down) == ("geheim", None)
    assert elsewhere.password is None and "kube-system/bgp" in str(elsewhere.held_down)
    assert "geheim" not in repr(there) + str(there)


def test_a_password_without_a_reference_is_none() -> None:
    now = snapshot(N1, peer(peer_ip="10.0.0.9", as_number=1, password=Password()))
    assert speaker(now, "n1").sessions[0].held_down is None


def test_a_pod_that_is_a_peer_is_waited_for() -> None:
    def pod(name: str, node_name: str, *networks: str, **labels: str) -> Any:
        spec = WorkloadEndpoint(node=node_name, ip_networks=tuple(map(ip_network, networks)))
        return resource(f"default/{name}", spec, labels=labels)

    now = snapshot(
        node("n1", "10.0.0.1/24", "fd00::1/64"),
        pod("a", "n1", "10.65.0.2/32", "10.65.0.3/32", "fd65::2/128", app="router"),
        pod("b", "n1", "10.65.0.4/32"),
        pod("c", "n2", "10.65.1.2/32", app="router"),
        peer("first", local_workload_selector="app == 'router'", as_number=65010),
        peer("second", local_workload_selector="app == 'router'", as_number=65011),
        peer("third", node="n2", local_workload_selector="all()", as_number=65012),
    )
    four, six = speaker(now, "n1").sessions
    assert (four.name, six.name) == ("Local_Workload_10_65_0_2", "Local_Workload_fd65__2")
    assert (four.peer_as, four.passive, four.source_address, four.held_down) == (65010, True, None, None)


def test_a_session_whose_filter_cannot_be_read_stays_down() -> None:
    broken = InvalidResource("f.yaml", "spec.importV4[0].action", "is missing")
    now = snapshot(N1, peer(peer_ip="10.0.0.9", as_number=1, filters=("f", "gone")))
    never = now.after(Broken(BGPFilter, "f", broken))
    assert speaker(never, "n1").sessions[0].held_down == "BGPFilter f cannot be read; mend or delete it"
    assert [problem.reason for problem in speaker(never, "n1").problems] == [
        "there is no BGPFilter gone: it is passed over, as in Calico"
    ]
    once = now.after(Put(BGPFilter, resource("f", BGPFilter()))).after(Broken(BGPFilter, "f", broken))
    assert speaker(once, "n1").sessions[0].held_down is None


def test_a_speaker_knows_its_sessions_by_name() -> None:
    here = a_speaker(session())
    assert here.session("Node_10_0_0_2") == session()
    assert here.session("nobody") is None


def test_too_many_sessions_are_named_with_what_to_do() -> None:
    many = [node(f"n{number}", f"10.0.{number // 200}.{number % 200 + 1}/16") for number in range(152)]
    assert problems(*many[:151], name="n0") == []
    (problem,) = problems(*many, name="n0")
    assert problem == "Node n0: has 151 sessions, more than 150: turn the mesh off and use route reflectors"


@pytest.mark.parametrize(
    ("notes", "receives", "sends"),
    [({}, False, 0), ({"add-path": "receive"}, True, 0), ({"add-path": "send"}, False, 255),
     ({"add-path": "both", "add-paths": "3"}, True, 3), ({"add-paths": "3"}, False, 0)],
)  # fmt: skip
def test_add_path_is_asked_for_by_annotation(notes: dict[str, str], receives: bool, sends: int) -> None:
    named = {f"felixpy.io/{key}": value for key, value in notes.items()}
    (one,) = speaker(snapshot(N1, peer(peer_ip="10.0.0.9", as_number=1, notes=named)), "n1").sessions
    assert (one.add_path_receive, one.add_path_send) == (receives, sends)


def test_ipv4_over_an_ipv6_session_goes_by_way_of_ipv6() -> None:
    both = {"felixpy.io/families": "ipv4,ipv6"}
    six = node("n1", "10.0.0.1/24", "fd00::1/64")
    (one,) = speaker(snapshot(six, peer(peer_ip="fd00::9", as_number=1, notes=both)), "n1").sessions
    (other,) = speaker(snapshot(six, peer(peer_ip="10.0.0.9", as_number=1, notes=both)), "n1").sessions
    assert (one.extended_next_hop, other.extended_next_hop) == (True, False)
