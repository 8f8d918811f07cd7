"""The picture: who is in it, in which rack, and what state its boxes and lines have."""

from pathlib import Path

from felixpy.insight.view import NetworkView, NodeView
from felixpy.lab.topology import load
from felixpy.model.facts import AddressFact, NodeFacts
from felixpy.model.snapshot import Snapshot
from felixpy.ui.picture import Picture
from felixpy.ui.shape import DRAWN, picture, short
from tests.ui_world import NOW, changed, health, meshed, peer, racked, troubled, with_peers

QUICKSTART = load(Path(__file__).parents[3] / "containerlab" / "quickstart.clab.yml")
FABRIC = load(Path(__file__).parents[3] / "containerlab" / "leaf-spine.clab.yml")
NODES = {"n1": "172.20.0.11", "n2": "172.20.0.12", "n3": "172.20.0.13"}


def facts(node: str, address: str) -> NodeFacts:
    return NodeFacts(
        node=node, taken=NOW, links=(), routes=(),
        addresses=(AddressFact(device="eth1", address=address, subnet="172.20.0.0/24"),),
    )  # fmt: skip


def quickstart(*, n1_to_tor: str = "established") -> NetworkView:
    """The lab as its daemons tell it: a mesh, and each node with the switch."""
    nodes = {}
    for name, own in NODES.items():
        peers = [peer(address, "mesh") for other, address in NODES.items() if other != name]
        tor = peer("172.20.0.1", "global", n1_to_tor if name == "n1" else "established")
        whole = {daemon: health(daemon, name) for daemon in ("felixpy", "birdpy")}
        nodes[name] = with_peers(NodeView(name, facts(name, own), health=whole), [*peers, tor])
    nodes["tor"] = NodeView("tor", facts("tor", "172.20.0.1"))
    return NetworkView(nodes, Snapshot())


def drawn(view: NetworkView) -> Picture:
    return picture(view, None, "paper", NOW)


def test_a_lab_is_drawn_from_its_file_with_the_sessions_on_its_cables() -> None:
    shown = picture(quickstart(), QUICKSTART, "ignored", NOW)
    assert {it.id: (it.role, it.rack) for it in shown.spots} == {
        "n1": ("node", "tor"), "n2": ("node", "tor"), "n3": ("node", "tor"), "tor": ("router", ""),
        "out": ("host", ""),
    }  # fmt: skip
    cables = {(it.source, it.target): (it.state, it.ends) for it in shown.lines if it.cable}
    assert cables == {
        ("tor", "n1"): ("up", ("eth1", "eth1")), ("tor", "n2"): ("up", ("eth2", "eth1")),
        ("tor", "n3"): ("up", ("eth3", "eth1")), ("out", "tor"): ("none", ("eth1", "eth4")),
    }  # fmt: skip
    assert {(it.source, it.target) for it in shown.lines if not it.cable} == {
        ("n1", "n2"), ("n1", "n3"), ("n2", "n3"),
    }  # fmt: skip
    assert (shown.name, shown.sessions, shown.up, shown.troubled) == ("quickstart", 9, 9, ())


def test_a_session_that_is_down_is_on_its_cable_and_in_the_table() -> None:
    shown = picture(quickstart(n1_to_tor="connect"), QUICKSTART, "", NOW)
    assert {it.state for it in shown.lines if {it.source, it.target} == {"tor", "n1"}} == {"down"}
    assert [(it.node, it.peer, it.state) for it in shown.troubled] == [("n1", "tor", "down")]
    assert (shown.sessions, shown.up) == (9, 8)


def test_tiers_stand_above_one_another_as_the_lab_graph_has_them() -> None:
    shown = picture(NetworkView({}), FABRIC, "", NOW)
    heights = {it.id: it.y for it in shown.spots}
    assert heights["spine1"] == heights["spine2"] < heights["leaf1a"] == heights["leaf2b"] < heights["n1"]
    assert {rack.name for rack in shown.racks} == {""}  # the leaves at its head say its name
    inside = {
        rack.id: {
            it.id for it in shown.spots
            if rack.x < it.x < rack.x + rack.width and rack.y < it.y < rack.y + rack.height
        }
        for rack in shown.racks
    }  # fmt: skip
    assert inside == {
        "rack:leaf1a, leaf1b": {"leaf1a", "leaf1b", "n1", "n2"},
        "rack:leaf2a, leaf2b": {"leaf2a", "leaf2b", "n3"},
    }


def test_a_cluster_is_drawn_from_its_nodes_labels_and_peers() -> None:
    shown = drawn(racked(6, 3))
    assert [(it.name, len([spot for spot in shown.spots if spot.rack == it.name])) for it in shown.racks] == [
        ("0", 3), ("1", 3),
    ]  # fmt: skip
    switches = {it.label: it.runs for it in shown.spots if it.role == "peer"}
    assert switches["tor-0a"] == "172.21.0.1, AS 65001"
    assert len(switches) == 4 and len(shown.lines) == 12


def test_every_state_of_a_node_and_of_a_session_is_told_apart() -> None:
    shown = drawn(troubled(racked(6, 3)))
    assert {it.id: it.state for it in shown.spots if it.role == "node" and it.state != "fine"} == {
        "n3": "trouble", "n5": "silent",
    }  # fmt: skip
    assert next(it.trouble for it in shown.spots if it.id == "n3") == "the kernel refuses 3 routes"
    assert sorted(it.state for it in shown.lines if it.state != "up") == ["down", "held"]
    assert shown.missing == {f"n5 {daemon}": "no daemon answers there" for daemon in ("felixpy", "birdpy")}
    assert [it.reason for it in shown.troubled] == ["connection refused", "no Secret bgp/key"]


def test_a_node_of_which_one_daemon_is_silent_is_in_trouble() -> None:
    view = racked(2, 2)
    node = view.nodes["n0"]
    half = NodeView(
        "n0", endpoints=node.endpoints, health={"felixpy": node.health["felixpy"]}, why={"birdpy": "gone"}
    )
    shown = drawn(changed(view, half))
    assert {it.id: (it.state, it.trouble) for it in shown.spots if it.id == "n0"} == {
        "n0": ("trouble", "birdpy does not answer")
    }


def test_of_a_large_mesh_only_the_sessions_that_are_not_up_are_drawn() -> None:
    few, many = drawn(meshed(5)), drawn(troubled(meshed(40)))
    assert (len(few.lines), few.hidden) == (10, 0)
    assert DRAWN < 40 * 39 / 2
    assert [it.state for it in many.lines] == ["down", "held"]
    assert many.hidden == 40 * 39 / 2 - 2


def test_pods_that_are_peers_are_no_boxes() -> None:
    view = racked(1, 1, switches=0)
    node = with_peers(view.nodes["n0"], [peer("10.65.0.1", "global"), peer("10.9.9.9", "local")])
    shown = drawn(changed(view, node))
    assert [it.id for it in shown.spots] == ["n0"]
    assert [it.peer for it in shown.troubled] == [] and shown.sessions == 2


def test_names_are_cut_where_they_tell_nothing_apart() -> None:
    assert short("n1", 7) == "n1"
    assert short("ip-10-0-12-57.eu.internal", 7, ".eu.internal") == "…-12-57"
    shown = drawn(racked(60, 5, name="ip-10-0-12-{}.eu.internal"))
    assert next(it for it in shown.spots if it.name == "ip-10-0-12-7.eu.internal").label == "…0-12-7"


def test_nothing_known_is_still_a_picture() -> None:
    shown = drawn(NetworkView({}))
    assert (shown.spots, shown.lines, shown.racks) == ((), (), ())
