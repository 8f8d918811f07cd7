"""What is taken from a peer, and every reason why something is not."""

from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from birdpy.policy.guard import Here, Own
from birdpy.policy.imports import BY_DEFAULT, REASONS, judge, judgement, surroundings
from birdpy.policy.session import Session
from birdpy.rib.path import Path
from birdpy.rib.verdict import Accepted, Rejected
from felixpy.model.resources import BGPFilter, BGPFilterRule
from felixpy.model.resources.bgp import Communities, Operation, SetPriority
from tests.unit.birdpy.builders import attributes, communities, external, path, routes, session, speaker, way

MESH = session()
TOR = external(multihop=False)
FAR = external("192.0.2.9")
SIX = session("fd00::2")
HERE = Here(
    routes(way("10.0.0.0/24"), way("0.0.0.0/0", gateway="10.0.0.254"), way("fd00::/64")),
    frozenset({ip_address("10.0.0.1"), ip_address("172.31.0.1")}),
    (ip_address("203.0.113.5"),),
)
OWN = Own(
    (ip_network("10.65.0.0/26"),),
    frozenset({ip_address("10.65.0.9")}),
    {ip_address("10.65.0.7"): "n2", ip_address("10.65.0.9"): "n2"}.get,
)
AROUND = surroundings(speaker(MESH, TOR, FAR, SIX, cluster_id=ip_address("9.9.9.9")), {}, HERE, OWN)


@dataclass(frozen=True)
class Refusal:
    reason: str
    path: Path
    session: Session = MESH
    detail: str = ""


def outside(prefix: str, **fields: Any) -> Path:
    return path(prefix, **{"next_hop": "10.0.0.9", "external": True, "attributes": attributes(65001), **fields})


REFUSALS = [
    Refusal("malformed attributes", path(attributes=attributes(faults=("no origin",))), detail="no origin"),
    Refusal("malformed attributes", outside("1.2.3.0/24", attributes=attributes(faults=("no as path",))), TOR),
    Refusal("family not agreed", path("fd65::/64")),
    Refusal("own AS in the path", path(attributes=attributes(65001, 64512)), detail="AS 64512 1 times, 0 allowed"),
    Refusal("own AS in the path", path(attributes=attributes(as_sets=(frozenset({64512}),)))),
    Refusal(
        "first AS is not the peer's", outside("1.2.3.0/24", attributes=attributes(65002)), TOR, "65002, not 65001"
    ),
    Refusal("first AS is not the peer's", outside("1.2.3.0/24", attributes=attributes()), TOR, "none, not 65001"),
    Refusal("ORIGINATOR_ID is this router", path(attributes=attributes(originator_id=ip_address("10.0.0.1")))),
    Refusal("own cluster in CLUSTER_LIST", path(attributes=attributes(cluster_list=(ip_address("9.9.9.9"),)))),
    Refusal("no next hop", path(next_hop=None)),
    Refusal("next hop is this node", path(next_hop="10.0.0.1")),
    Refusal("next hop is this node", path(next_hop="172.31.0.1")),
    Refusal("next hop is no unicast address", path(next_hop="224.0.0.1")),
    Refusal("next hop is no unicast address", path(next_hop="127.0.0.1")),
    Refusal("next hop is no unicast address", path(next_hop="255.255.255.255")),
    Refusal("next hop is no unicast address", path("fd65::/64", next_hop="::"), SIX),
    Refusal("next hop is link-local", path("fd65::/64", next_hop="fe80::1"), SIX),
    Refusal("next hop outside the session's subnet", outside("1.2.3.0/24", next_hop="10.9.0.9"), TOR),
    Refusal("not a unicast prefix", path("224.0.0.0/8")),
    Refusal("not a unicast prefix", path("127.0.0.0/8")),
    Refusal("not a unicast prefix", path("169.254.0.0/16")),
    Refusal("default route", path("0.0.0.0/0")),
    Refusal("default route", path("::/0", next_hop="fd00::2"), SIX),
    Refusal("equal to or inside a connected subnet", path("10.0.0.0/24"), detail="10.0.0.0/24"),
    Refusal("equal to or inside a connected subnet", path("10.0.0.254/32"), detail="10.0.0.0/24"),
    Refusal("equal to or inside a connected subnet", path("172.31.0.1/32"), detail="172.31.0.1 is this node's own"),
    Refusal("own block, or covering it", path("10.65.0.0/26"), detail="10.65.0.0/26"),
    Refusal("own block, or covering it", path("10.64.0.0/10"), detail="10.65.0.0/26"),
    Refusal("inside an own block", path("10.65.0.0/27"), detail="10.65.0.0/26, announced by 10.0.0.2"),
    Refusal(
        "inside an own block",
        outside("10.65.0.7/32"),
        TOR,
        "10.65.0.0/26, announced by 10.0.0.9: not by a node of the cluster",
    ),
    Refusal(
        "inside an own block",
        path("10.65.0.8/32"),
        session(cluster_node="n2"),
        "10.65.0.0/26, announced by n2: IPAM gives it to nobody, not to n2",
    ),
    Refusal(
        "inside an own block",
        path("10.65.0.7/32", next_hop="10.0.0.3"),
        session("10.0.0.3", cluster_node="n3"),
        "10.65.0.0/26, announced by n3: IPAM gives it to n2, not to n3",
    ),
    Refusal(
        "inside an own block",
        path("10.65.0.9/32"),
        session(cluster_node="n2"),
        "10.65.0.0/26, announced by n2: a pod of this node has 10.65.0.9",
    ),
    Refusal("would capture a peer's address", path("192.0.2.0/24"), detail="192.0.2.9"),
    Refusal("would capture a peer's address", path("192.0.0.0/8"), detail="192.0.2.9"),
    Refusal(
        "would capture its own next hop", path("198.51.100.0/24", next_hop="198.51.100.1"), detail="198.51.100.1"
    ),
    Refusal("would capture the API server", path("203.0.113.0/24"), detail="203.0.113.5"),
]


@pytest.mark.parametrize("case", REFUSALS, ids=lambda c: f"{c.reason}: {c.path.prefix} {c.detail}")
def test_a_path_is_refused_with_its_reason(case: Refusal) -> None:
    verdict = judge(case.path, case.session, AROUND)
    assert isinstance(verdict, Rejected)
    assert (verdict.received, verdict.reason) == (case.path, case.reason)
    assert case.detail in ("", verdict.detail)
    assert verdict.text.startswith(case.reason)


def test_every_reason_has_a_case() -> None:
    assert {case.reason for case in REFUSALS} | {"refused by a filter"} == set(REASONS)
    assert len(REFUSALS) == 37


ACCEPTED: list[tuple[Path, Session]] = [
    (path(), MESH),
    (path("10.0.0.0/8", next_hop="10.0.0.2"), session("10.0.0.2", name="m")),
    (path("172.16.0.0/12"), MESH),
    (outside("1.2.3.0/24"), TOR),
    (outside("1.2.3.0/24", next_hop="10.0.0.77"), TOR),
    (outside("1.2.3.0/24", next_hop="10.99.0.77"), external()),
    (outside("1.2.3.0/24", next_hop="10.99.0.77"), external("192.0.2.9", multihop=False)),
    (path("10.65.0.7/32"), session(cluster_node="n2")),
    (path("10.65.0.7/32", next_hop="10.0.0.2"), session("10.0.0.3", cluster_node="n3")),
    (path(attributes=attributes(faults=("no as path",))), MESH),
    (path(attributes=attributes(faults=("no next hop",))), MESH),
    (path(attributes=attributes(64512)), session(allowed_local_as=1)),
    (path("fd65::/64", next_hop="fd00::2"), SIX),
    (path("198.51.100.0/24", next_hop="10.0.0.2"), MESH),
]


@pytest.mark.parametrize(("one", "over"), ACCEPTED, ids=lambda v: str(getattr(v, "prefix", "")))
def test_everything_else_is_accepted_as_it_came(one: Path, over: Session) -> None:
    around = AROUND if one.prefix != ip_network("10.0.0.0/8") else surroundings(speaker(), {}, HERE, Own())
    assert judge(one, over, around) == Accepted(one, BY_DEFAULT, one)


def test_a_covering_aggregate_is_harmless_although_a_peer_is_inside() -> None:
    around = surroundings(speaker(session("10.0.0.2")), {}, HERE, Own())
    assert isinstance(judge(path("10.0.0.0/8"), MESH, around), Accepted)


def test_without_a_route_any_prefix_with_the_peer_captures_it() -> None:
    around = surroundings(speaker(session("10.0.0.2")), {}, Here(), Own())
    verdict = judge(path("10.0.0.0/8", next_hop="172.20.0.1"), MESH, around)
    assert isinstance(verdict, Rejected) and verdict.reason == "would capture a peer's address"


def filtered(*rules: BGPFilterRule, base: Session = MESH, **fields: Any) -> Any:
    around = surroundings(speaker(MESH), {"f": BGPFilter(import_v4=rules)}, HERE, OWN)
    return lambda one: judge(one, replace(base, filters=("f",), **fields), around)


def named(prefix: str, operator: str, action: str = "Accept", **fields: Any) -> BGPFilterRule:
    return BGPFilterRule(action=action, cidr=ip_network(prefix), match_operator=operator, **fields)


def test_a_filter_that_names_the_prefix_exactly_opens_the_guard() -> None:
    verdict = filtered(named("0.0.0.0/0", "Equal"))(path("0.0.0.0/0"))
    assert isinstance(verdict, Accepted) and verdict.rule == "filter f, import rule 1"


def test_a_filter_that_only_covers_the_prefix_does_not() -> None:
    for wide in (named("0.0.0.0/0", "In"), BGPFilterRule(action="Accept"), named("1.0.0.0/8", "NotEqual")):
        verdict = filtered(wide)(path("0.0.0.0/0"))
        assert isinstance(verdict, Rejected) and verdict.reason == "default route"


def test_no_filter_opens_a_loop() -> None:
    verdict = filtered(BGPFilterRule(action="Accept"))(path(attributes=attributes(64512)))
    assert isinstance(verdict, Rejected) and verdict.reason == "own AS in the path"


def test_a_filter_refuses_and_names_its_rule() -> None:
    verdict = filtered(named("10.65.0.0/16", "In", "Reject"))(path())
    assert verdict == Rejected(path(), "refused by a filter", "filter f, import rule 1")


def test_a_path_that_no_rule_matches_is_accepted_by_default() -> None:
    verdict = filtered(named("99.0.0.0/8", "In", "Reject"))(path())
    assert isinstance(verdict, Accepted) and verdict.rule == BY_DEFAULT


def test_local_preference_from_outside_is_ignored_and_what_a_filter_sets_is_not() -> None:
    received = outside("1.2.3.0/24", attributes=attributes(65001, local_pref=900))
    verdict = judge(received, TOR, AROUND)
    assert isinstance(verdict, Accepted)
    assert (verdict.path.preference, verdict.received) == (100, received)
    raise_it = BGPFilterRule(action="Accept", operations=(Operation(set_priority=SetPriority(value=1000)),))
    raised = filtered(raise_it, base=TOR)(received)
    assert isinstance(raised, Accepted) and raised.path.preference == 2147482647
    inside = judge(path(attributes=attributes(local_pref=900)), MESH, AROUND)
    assert isinstance(inside, Accepted) and inside.path.preference == 900


def test_graceful_shutdown_makes_a_path_the_last_resort() -> None:
    leaving = attributes(local_pref=900, communities=communities((65535, 0)))
    verdict = judge(path(attributes=leaving), MESH, AROUND)
    assert isinstance(verdict, Accepted) and verdict.path.preference == 0


def test_many_paths_are_judged_as_each_alone() -> None:
    decide = judgement(MESH, AROUND)
    many = [path(f"10.70.{n}.0/26", attributes=attributes(n + 1)) for n in range(100)]
    assert [decide(one) for one in many] == [judge(one, MESH, AROUND) for one in many]


def test_without_the_guard_the_hostile_prefixes_would_come_in() -> None:
    open_house = surroundings(speaker(cluster_id=ip_address("9.9.9.9")), {}, Here(), Own())
    hostile = [case for case in REFUSALS if case.reason in ("own block, or covering it", "inside an own block")]
    assert hostile
    assert all(isinstance(judge(case.path, case.session, open_house), Accepted) for case in hostile)


def test_many_different_attributes_do_not_fill_the_memory_and_are_judged_right() -> None:
    decide = judgement(MESH, AROUND)
    odd = [path(f"10.70.{n}.0/26", attributes=attributes(n + 1, 64512 if n % 2 else n + 7)) for n in range(200)]
    assert [isinstance(decide(one), Rejected) for one in odd] == [bool(n % 2) for n in range(200)]


def test_by_default_nobody_borrowed_anything() -> None:
    around = surroundings(speaker(MESH), {}, HERE, Own((ip_network("10.65.0.0/26"),)))
    verdict = judge(path("10.65.0.7/32"), session(cluster_node="n2"), around)
    assert isinstance(verdict, Rejected) and "IPAM gives it to nobody" in verdict.detail


def test_what_an_update_shares_is_refused_and_accepted_for_each_of_its_prefixes() -> None:
    decide = judgement(MESH, AROUND)
    good, bad = attributes(7), attributes(64512)
    for prefix in ("10.70.0.0/26", "10.70.1.0/26", "0.0.0.0/0"):
        assert isinstance(decide(path(prefix, attributes=bad)), Rejected)
        assert isinstance(decide(path(prefix, attributes=good)), Accepted) == (prefix != "0.0.0.0/0")


BLACKHOLED = attributes(communities=frozenset({(65535, 666)}))


def test_traffic_is_dropped_only_where_a_rule_that_accepts_names_the_community() -> None:
    named_it = BGPFilterRule(action="Accept", communities=Communities(values=("65535:666",)))
    for rules, discards in (
        ((named_it,), True),
        ((BGPFilterRule(action="Accept"),), False),
        ((BGPFilterRule(action="Accept"), named_it), False),
        ((), False),
    ):
        verdict = filtered(*rules)(path(attributes=BLACKHOLED))
        assert isinstance(verdict, Accepted) and verdict.path.discard is discards
    plain = filtered(named_it)(path())
    assert isinstance(plain, Accepted) and not plain.path.discard
