"""One route at one peer, from the resources alone."""

from ipaddress import ip_network
from typing import Any

import pytest

from birdpy.desired.trial import TrialAnswer, TrialRoute, find_session, trial
from birdpy.policy.filters import Direction
from birdpy.policy.sessions import speaker
from felixpy.model.resources import BGPFilter, BGPFilterRule, Node
from felixpy.model.resources.bgp import AddCommunity, Operation
from tests.unit.birdpy.builders import affinity, node, peer, pool, resource, snapshot

RULES = BGPFilter(
    import_v4=(BGPFilterRule(action="Reject", interface="eth9"),),
    export_v4=(
        BGPFilterRule(
            action="Accept",
            cidr=ip_network("10.65.7.0/24"),
            match_operator="In",
            operations=(Operation(add_community=AddCommunity(value="1:2:3")),),
        ),
    ),
)
NOW = snapshot(
    node("n1", "10.0.0.1/24"), node("n2", "10.0.0.2/24"),
    pool("10.65.0.0/16", "pods"), affinity("n1", "10.65.0.0/26"),
    peer("tor", peer_ip="10.0.0.254", as_number=65001, filters=("f",)), resource("f", RULES),
)  # fmt: skip
HERE = speaker(NOW, "n1")


def tried(over: str, direction: Direction, **fields: Any) -> TrialAnswer:
    return trial(NOW, HERE, find_session(HERE, over), direction, TrialRoute(**fields))


@pytest.mark.parametrize(
    ("over", "direction", "fields", "action", "rule"),
    [
        ("10.0.0.254", "import", {"prefix": "0.0.0.0/0"}, "reject", "default route"),
        ("10.0.0.254", "import", {"prefix": "192.0.2.0/24"}, "accept", "accepted by default"),
        ("10.0.0.254", "import", {"prefix": "192.0.2.0/24", "interface": "eth9"}, "reject",
         "refused by a filter (filter f, import rule 1)"),
        ("10.0.0.254", "import", {"prefix": "192.0.2.0/24", "as_path": (7,)}, "reject",
         "first AS is not the peer's (7, not 65001)"),
        ("10.0.0.254", "import", {"prefix": "10.0.0.7/32"}, "reject",
         "equal to or inside a connected subnet (10.0.0.0/24)"),
        ("Mesh_10_0_0_2", "import", {"prefix": "10.65.0.0/26"}, "reject", "own block, or covering it (10.65.0.0/26)"),
        ("Mesh_10_0_0_2", "export", {"prefix": "10.65.0.0/26", "source": "local"}, "accept",
         "own block 10.65.0.0/26"),
        ("Mesh_10_0_0_2", "export", {"prefix": "10.65.1.0/26"}, "reject",
         "learned over iBGP, and neither side is a client"),
        ("Mesh_10_0_0_2", "export", {"prefix": "10.65.1.0/26", "as_path": ("1.1", 7)}, "accept", "pool pods"),
        ("10.0.0.254", "export", {"prefix": "192.0.2.0/24"}, "reject", "outside every pool and service range"),
        ("10.0.0.254", "export", {"prefix": "10.65.0.7/32", "source": "kernel"}, "reject",
         "inside an own block, which is announced instead (10.65.0.0/26)"),
    ],
)  # fmt: skip
def test_the_answer_names_what_decided(
    over: str, direction: Direction, fields: dict[str, Any], action: str, rule: str
) -> None:
    answer = tried(over, direction, **fields)
    assert (answer.action, answer.rule) == (action, rule)
    if action == "reject":
        assert answer.route == TrialRoute(**fields)


def test_an_accepted_route_is_shown_as_it_goes_on() -> None:
    left = tried("10.0.0.254", "export", prefix="10.65.7.0/26", source="static", communities=("65000:1",)).route
    assert left == TrialRoute(
        prefix="10.65.7.0/26", next_hop="10.0.0.1", as_path=(64512,), communities=("65000:1",),
        large_communities=("1:2:3",), source="static",
    )  # fmt: skip
    came = tried("10.0.0.254", "import", prefix="192.0.2.0/24", next_hop="10.0.0.9", local_pref=900, med=5).route
    assert came == TrialRoute(prefix="192.0.2.0/24", next_hop="10.0.0.9", as_path=(65001,), med=5)


@pytest.mark.parametrize(
    "fields",
    [{"prefix": "10.0.0.1/24"}, {"prefix": "192.0.2.0/24", "next_hop": "x"}, {"prefix": "::/0", "as_path": (0,)},
     {"prefix": "::/0", "communities": ("x",)}],
)  # fmt: skip
def test_a_route_that_cannot_be_read_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"host bits|address|AS 0|community"):
        tried("10.0.0.254", "import", **fields)


def test_an_unknown_peer_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"no session with 'x'; it has: Global_10_0_0_254, Mesh_10_0_0_2"):
        find_session(HERE, "x")


def test_a_node_without_addresses_has_no_connected_subnet() -> None:
    now = snapshot(resource("n1", Node()), peer(peer_ip="10.0.0.9", as_number=1))
    here = speaker(now, "n1")
    assert here.sessions == ()
    with pytest.raises(ValueError, match="it has: none"):
        find_session(here, "10.0.0.9")
    elsewhere = find_session(HERE, "10.0.0.254")
    assert trial(now, here, elsewhere, "import", TrialRoute(prefix="10.0.0.7/32")).action == "accept"
