"""What leaves, how, and every reason why something does not."""

from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from birdpy.policy.exports import REASONS, Announced, ExportRules, Withheld, judge
from birdpy.policy.session import Session
from birdpy.rib.path import NORMAL_LOCAL_PREF, Path
from birdpy.rib.prefixes import PrefixMap
from felixpy.model.addresses import Asn
from felixpy.model.resources import BGPFilter, BGPFilterRule
from felixpy.model.resources.bgp import Operation, PrependASPath, SetPriority
from tests.unit.birdpy.builders import attributes, communities, external, path, session, speaker

MESH, OTHER, TOR = session("10.0.0.2"), session("10.0.0.3"), external()
CLIENT = session("10.0.0.4", route_reflector_client=True, cluster_id=ip_address("9.9.9.9"))
CLIENT2 = replace(CLIENT, name="client2", address=ip_address("10.0.0.5"))
RULES = ExportRules(
    speaker(MESH, OTHER, TOR),
    blocks=PrefixMap({ip_network("10.65.0.0/26"): "b"}),
    pools=PrefixMap({ip_network("10.65.0.0/16"): "pods", ip_network("fd65::/64"): "pods6"}),
    silent_pools=PrefixMap({ip_network("10.66.0.0/16"): "quiet"}),
    services=PrefixMap({ip_network("10.96.0.0/12"): "s"}),
    reflected_services=PrefixMap({ip_network("172.30.0.0/16"): "lb"}),
    communities=PrefixMap(
        {ip_network("10.65.0.0/16"): ((65000, 1),), ip_network("10.65.0.0/24"): ((65000, 2), (1, 2, 3))}
    ),
)
PLAIN = replace(RULES, communities=PrefixMap())
HOMELESS = replace(RULES, speaker=speaker(addresses=()))
REFLECTOR = replace(RULES, speaker=speaker(MESH, OTHER, TOR, CLIENT, CLIENT2, cluster_id=ip_address("9.9.9.9")))


def own(prefix: str = "10.65.0.0/26", **fields: Any) -> Path:
    given = {"attributes": attributes(local_pref=NORMAL_LOCAL_PREF), "source": "local", "session": "", "peer": None}
    return path(prefix, None, **{**given, "peer_id": 0, **fields})


def from_tor(prefix: str = "10.65.9.0/26", **fields: Any) -> Path:
    given = {"attributes": attributes(65001, 7, med=9), "session": TOR.name, "peer": TOR.address, "external": True}
    return path(prefix, "10.0.0.9", **{**given, **fields})


@dataclass(frozen=True)
class Refusal:
    reason: str
    path: Path
    session: Session = MESH
    rules: ExportRules = RULES


REFUSALS = [
    Refusal("came from this peer", path(), MESH),
    Refusal("came from this peer", from_tor(), TOR),
    Refusal("came from this peer", path(session=CLIENT.name), CLIENT, REFLECTOR),
    Refusal("family not agreed", own("fd65::/122")),
    Refusal(
        "a community forbids it", from_tor(attributes=attributes(65001, communities=communities((65535, 65282))))
    ),
    Refusal("a community forbids it", path(attributes=attributes(communities=communities((65535, 65281)))), TOR),
    Refusal("a community forbids it", path(attributes=attributes(communities=communities((65535, 65283)))), TOR),
    Refusal("learned over iBGP, and neither side is a client", path(), OTHER),
    Refusal("learned over iBGP, and neither side is a client", path(), OTHER, REFLECTOR),
    Refusal("inside a pool with disableBGPExport", own("10.66.1.0/26")),
    Refusal("inside an own block, which is announced instead", own("10.65.0.5/32")),
    Refusal("inside an own block, which is announced instead", path("10.65.0.5/32"), TOR),
    Refusal("outside every pool and service range", from_tor("192.0.2.0/24")),
    Refusal("outside every pool and service range", own("10.0.0.0/24")),
    Refusal("outside every pool and service range", from_tor("172.30.1.0/24")),
    Refusal(
        "no address of that family to be the next hop", own(), MESH, replace(RULES, speaker=speaker(addresses=()))
    ),
]


@pytest.mark.parametrize("case", REFUSALS, ids=lambda c: f"{c.reason}: {c.path.prefix}")
def test_a_path_is_withheld_with_its_reason(case: Refusal) -> None:
    over = replace(case.session, source_address=None) if case.reason == REASONS[-1] else case.session
    verdict = judge(case.path, over, case.rules)
    assert isinstance(verdict, Withheld)
    assert verdict.reason == case.reason


def test_every_reason_has_a_case() -> None:
    assert {case.reason for case in REFUSALS} | {"refused by a filter"} == set(REASONS)


RULED: list[tuple[str, Path, Session, ExportRules]] = [
    ("own block 10.65.0.0/26", own(), MESH, RULES),
    ("elevated inside own block 10.65.0.0/26", from_tor("10.65.0.5/32", attributes=attributes(
        65001, local_pref=NORMAL_LOCAL_PREF + 512)), MESH, RULES),
    ("service 10.96.0.0/12", own("10.96.0.0/12"), TOR, RULES),
    ("service 10.96.0.0/12", own("10.96.0.10/32"), MESH, RULES),
    ("reflected service range 172.30.0.0/16", from_tor("172.30.1.1/32"), CLIENT, REFLECTOR),
    ("pool pods", path(), TOR, RULES),
    ("pool pods", own("10.65.7.7/32", source="kernel"), MESH, RULES),
    ("pool pods6", own("fd65::/122"), session("fd00::2"), RULES),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "one", "over", "rules"), RULED, ids=[r[0] for r in RULED])
def test_the_rule_that_lets_a_path_out_is_named(rule: str, one: Path, over: Session, rules: ExportRules) -> None:
    verdict = judge(one, over, rules)
    assert isinstance(verdict, Announced)
    assert verdict.rule == rule


def told(one: Path, over: Session, rules: ExportRules = PLAIN) -> Announced:
    verdict = judge(one, over, rules)
    assert isinstance(verdict, Announced), verdict
    return verdict


def test_an_own_block_inside_the_as() -> None:
    heard = told(own(), MESH)
    assert (str(heard.next_hop), heard.attributes) == ("10.0.0.1", attributes(local_pref=NORMAL_LOCAL_PREF))


def test_an_own_block_towards_another_as() -> None:
    heard = told(own(), TOR)
    assert (str(heard.next_hop), heard.attributes) == ("10.0.0.1", attributes(64512))


def test_the_as_that_is_put_in_front_is_the_sessions() -> None:
    assert told(own(), replace(TOR, local_as=Asn(64999))).attributes == attributes(64999)


def test_another_nodes_block_towards_another_as_loses_what_belongs_inside() -> None:
    inside = attributes(
        local_pref=900, med=5, originator_id=ip_address("1.1.1.1"), cluster_list=(ip_address("2.2.2.2"),)
    )
    heard = told(path(attributes=inside), TOR)
    assert (str(heard.next_hop), heard.attributes) == ("10.0.0.1", attributes(64512))


def test_an_external_path_inside_the_as_keeps_next_hop_and_med() -> None:
    heard = told(from_tor(), MESH)
    assert (str(heard.next_hop), heard.attributes) == ("10.0.0.9", attributes(65001, 7, med=9, local_pref=100))


@pytest.mark.parametrize(
    ("one", "over", "mode", "next_hop"),
    [
        (from_tor(), MESH, "Auto", "10.0.0.9"),
        (from_tor(), MESH, "Self", "10.0.0.1"),
        (from_tor(), MESH, "Keep", "10.0.0.9"),
        (path(), TOR, "Auto", "10.0.0.1"),
        (path(), TOR, "Self", "10.0.0.1"),
        (path(), TOR, "Keep", "10.0.0.2"),
        (own(), TOR, "Keep", "10.0.0.1"),
        (path(), CLIENT, "Auto", "10.0.0.2"),
        (path(), CLIENT, "Self", "10.0.0.1"),
    ],
)
def test_the_next_hop_is_ours_unchanged_or_as_asked(one: Path, over: Session, mode: str, next_hop: str) -> None:
    assert str(told(one, replace(over, next_hop_mode=mode), REFLECTOR).next_hop) == next_hop


def test_without_a_source_address_the_nodes_own_is_the_next_hop() -> None:
    assert str(told(own(), replace(TOR, source_address=None)).next_hop) == "10.0.0.1"
    both = replace(TOR, families=frozenset({4, 6}))
    assert str(told(own("fd65::/122"), both).next_hop) == "fd00::1"


def test_a_reflector_marks_what_it_passes_on() -> None:
    heard = told(path(), CLIENT, REFLECTOR)
    expected = attributes(
        local_pref=100,
        originator_id=ip_address("10.0.0.2"),
        cluster_list=(ip_address("9.9.9.9"),),
        communities=communities((65000, 1)),
    )
    assert (heard.attributes, str(heard.next_hop)) == (expected, "10.0.0.2")
    marked = attributes(originator_id=ip_address("1.1.1.1"), cluster_list=(ip_address("8.8.8.8"),))
    again = told(path(attributes=marked), CLIENT, REFLECTOR).attributes
    assert str(again.originator_id) == "1.1.1.1"
    assert [str(c) for c in again.cluster_list] == ["9.9.9.9", "8.8.8.8"]


def test_a_reflector_passes_from_clients_to_all_and_from_others_to_clients() -> None:
    from_client = path(session=CLIENT.name, peer=CLIENT.address)
    from_other = path(session=MESH.name)
    assert isinstance(judge(from_client, CLIENT2, REFLECTOR), Announced)
    assert isinstance(judge(from_client, MESH, REFLECTOR), Announced)
    assert isinstance(judge(from_other, CLIENT, REFLECTOR), Announced)
    assert isinstance(judge(from_other, OTHER, REFLECTOR), Withheld)


def test_communities_of_every_covering_prefix_are_added() -> None:
    heard = told(own(), MESH, RULES).attributes
    assert heard.communities == communities((65000, 1), (65000, 2))
    assert heard.large_communities == frozenset({(1, 2, 3)})
    assert told(own("10.65.9.9/32", source="kernel"), MESH, RULES).attributes.communities == communities((65000, 1))


def filtered(*rules: BGPFilterRule, over: Session = TOR) -> Any:
    known = replace(RULES, filters={"f": BGPFilter(export_v4=rules)})
    return lambda one: judge(one, replace(over, filters=("f",)), known)


def test_a_filter_decides_before_everything_built_in() -> None:
    quiet = own("10.66.1.0/26")
    heard = filtered(BGPFilterRule(action="Accept"))(quiet)
    assert isinstance(heard, Announced)
    assert (heard.rule, heard.attributes) == ("filter f, export rule 1", attributes(64512))
    assert filtered(BGPFilterRule(action="Reject"))(own()) == Withheld(
        "refused by a filter", "filter f, export rule 1"
    )


def test_what_no_rule_matches_goes_on_to_the_built_in_ones() -> None:
    odd = BGPFilterRule(action="Reject", interface="cali*")
    assert isinstance(filtered(odd)(own()), Announced)
    assert isinstance(filtered(odd)(from_tor("192.0.2.0/24")), Withheld)


def test_a_filters_operations_leave_with_the_path() -> None:
    rule = BGPFilterRule(
        action="Accept",
        operations=(
            Operation(prepend_as_path=PrependASPath(prefix=(Asn(64512), Asn(64512)))),
            Operation(set_priority=SetPriority(value=2048)),
        ),
    )
    outside = filtered(rule)(own())
    inside = filtered(rule, over=MESH)(own())
    assert isinstance(outside, Announced) and isinstance(inside, Announced)
    assert outside.attributes.as_path == (64512, 64512, 64512)
    assert inside.attributes.local_pref == 2147483647 - 2048


def test_no_filter_sends_a_path_back_or_over_a_loop() -> None:
    always = BGPFilterRule(action="Accept")
    assert isinstance(filtered(always)(from_tor()), Withheld)
    assert isinstance(filtered(always, over=OTHER)(path()), Withheld)


def test_draining_makes_everything_the_last_resort() -> None:
    leaving = replace(RULES, draining=True, communities=PrefixMap())
    inside, outside = told(own(), MESH, leaving), told(own(), TOR, leaving)
    assert inside.attributes == attributes(local_pref=0, communities=communities((65535, 0)))
    assert outside.attributes == attributes(64512, communities=communities((65535, 0)))
