"""What a change of resources would do to each session, from two answers of `birdpy config`."""

from typing import Any

from birdpy.desired.comparison import FIELD_OF, comparison
from birdpy.desired.document import SessionDocument, document
from birdpy.policy.changes import SESSION
from birdpy.policy.sessions import SpeakerSettings
from felixpy.model.resources import Resource
from tests.unit.birdpy.builders import configuration, node, peer, snapshot

NODES = (node("n1", "10.0.0.1/24"), node("n2", "10.0.0.2/24"), node("n3", "10.0.0.3/24"))
SWITCH: dict[str, Any] = {"peer_ip": "10.0.0.9", "as_number": 65001}


def compared(before: list[Resource[Any]], after: list[Resource[Any]], **settings: Any) -> dict[str, tuple[str, ...]]:
    old, _ = document(snapshot(*NODES, *before), "n1")
    new, _ = document(snapshot(*NODES, *after), "n1", SpeakerSettings(**settings))
    return {row.session: (row.effect, *row.fields) for row in comparison(old, new).sessions}


def test_every_field_of_the_document_has_an_effect() -> None:
    assert all(FIELD_OF.get(name, name) in SESSION for name in SessionDocument.__struct_fields__)


def test_sessions_that_do_not_change_are_left_out() -> None:
    assert compared([peer(**SWITCH)], [peer(**SWITCH)]) == {}


def test_one_changed_peer_is_one_line() -> None:
    changed = compared([peer(**SWITCH)], [peer(**SWITCH, keepalive_time=10.0)])
    assert changed == {"Global_10_0_0_9": ("reset", "keepalive_seconds")}
    assert compared([peer(**SWITCH)], [peer(**SWITCH, next_hop_mode="Self")]) == {
        "Global_10_0_0_9": ("soft refresh", "next_hop_mode")
    }


def test_sessions_begin_end_and_are_taken_over() -> None:
    own = peer(node="n1", peer_ip="10.0.0.2", as_number=64512)
    assert compared([peer(**SWITCH)], [own]) == {
        "Global_10_0_0_9": ("ends",),
        "Node_10_0_0_2": ("live", "name"),
    }
    assert compared([], [peer(**SWITCH)]) == {"Global_10_0_0_9": ("begins",)}


def test_what_all_sessions_share_is_on_every_line() -> None:
    assert compared([], [], router_id="9.9.9.9") == {
        "Mesh_10_0_0_2": ("reset", "router_id"),
        "Mesh_10_0_0_3": ("reset", "router_id"),
    }
    assert compared([], [configuration(listen_port=1179)])["Mesh_10_0_0_2"] == ("reset", "port", "listen_port")
