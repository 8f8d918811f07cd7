"""BGPFilter: each condition, each operation, the order."""

from ipaddress import ip_network
from typing import Any

import pytest

from birdpy.policy.communities import carries, parse_community, text_of, with_community
from birdpy.policy.filters import CONDITIONS, evaluate, matches
from birdpy.rib.path import NORMAL_LOCAL_PREF
from felixpy.model.addresses import Asn
from felixpy.model.resources import BGPFilter, BGPFilterRule
from felixpy.model.resources.bgp import AddCommunity, Communities, Operation, PrefixLength, PrependASPath, SetPriority
from tests.unit.birdpy.builders import attributes, external, path, session


def rule(action: str = "Accept", **fields: Any) -> BGPFilterRule:
    if "cidr" in fields:
        fields["cidr"] = ip_network(fields["cidr"])
    if "length" in fields:
        low, high = fields.pop("length")
        fields["prefix_length"] = PrefixLength(min=low, max=high)
    if "community" in fields:
        fields["communities"] = Communities(values=(fields.pop("community"),))
    return BGPFilterRule(action=action, **fields)


RICH = path(
    "10.65.1.0/26",
    attributes=attributes(
        65001,
        65002,
        local_pref=NORMAL_LOCAL_PREF,
        communities=frozenset({(65000, 10)}),
        large_communities=frozenset({(65000, 1, 2)}),
    ),
)
MATCHES: list[tuple[BGPFilterRule, bool]] = [
    (rule(), True),
    (rule(cidr="10.65.1.0/26", match_operator="Equal"), True),
    (rule(cidr="10.65.0.0/16", match_operator="Equal"), False),
    (rule(cidr="10.65.1.0/26", match_operator="NotEqual"), False),
    (rule(cidr="10.65.0.0/16", match_operator="NotEqual"), True),
    (rule(cidr="10.65.0.0/16", match_operator="In"), True),
    (rule(cidr="10.65.1.0/26", match_operator="In"), True),
    (rule(cidr="10.65.1.0/27", match_operator="In"), False),
    (rule(cidr="10.65.0.0/16", match_operator="NotIn"), False),
    (rule(cidr="10.66.0.0/16", match_operator="NotIn"), True),
    (rule(cidr="fd00::/8", match_operator="In"), False),
    (rule(cidr="10.65.0.0/16", match_operator="In", length=(26, 26)), True),
    (rule(cidr="10.65.0.0/16", match_operator="In", length=(None, 25)), False),
    (rule(cidr="10.65.0.0/16", match_operator="In", length=(27, None)), False),
    (rule(cidr="10.65.0.0/16", match_operator="NotIn", length=(27, 32)), True),
    (rule(cidr="10.65.1.0/26", match_operator="Equal", length=(0, 8)), False),
    (rule(source="RemotePeers"), True),
    (rule(interface="eth*"), True),
    (rule(interface="*"), True),
    (rule(interface="cali*"), False),
    (rule(peer_type="iBGP"), True),
    (rule(peer_type="eBGP"), False),
    (rule(community="65000:10"), True),
    (rule(community="65000:11"), False),
    (rule(community="65000:1:2"), True),
    (rule(community="65000:1:3"), False),
    (rule(as_path_prefix=(Asn(65001),)), True),
    (rule(as_path_prefix=(Asn(65001), Asn(65002))), True),
    (rule(as_path_prefix=(Asn(65002),)), False),
    (rule(as_path_prefix=(Asn(65001), Asn(65002), Asn(65003))), False),
    (rule(priority=1024), True),
    (rule(priority=512), False),
    (rule(priority=1024, peer_type="eBGP"), False),
]


@pytest.mark.parametrize(("one", "expected"), MATCHES, ids=[str(n) for n in range(len(MATCHES))])
def test_a_rule_matches_when_all_its_conditions_hold(one: BGPFilterRule, expected: bool) -> None:
    assert matches(one, RICH, session(), "eth0") is expected


def test_every_condition_is_seen_to_hold_and_to_fail() -> None:
    answers = {
        (condition.__name__, condition(one, RICH, session(), "eth0"))
        for one, _ in MATCHES
        for condition in CONDITIONS
    }
    local = path(source="local", next_hop=None)
    answers |= {("_source", matches(rule(source="RemotePeers"), local, session(), ""))}
    assert len(answers) == 2 * len(CONDITIONS)


def test_an_external_session_is_ebgp() -> None:
    assert matches(rule(peer_type="eBGP"), RICH, external(), "")


def test_the_first_rule_that_matches_decides() -> None:
    filters = {
        "a": BGPFilter(import_v4=(rule("Reject", cidr="10.66.0.0/16", match_operator="In"),)),
        "b": BGPFilter(
            import_v4=(
                rule("Reject", cidr="10.65.1.0/26", match_operator="Equal"),
                rule("Accept"),
            )
        ),
    }
    one = session(filters=("a", "gone", "b"))
    said = evaluate(filters, "import", RICH, one)
    assert said is not None
    assert (said.accepted, said.rule, said.path, said.exact) == (False, "filter b, import rule 1", RICH, True)
    other = evaluate(filters, "import", path("10.65.2.0/26"), one)
    assert other is not None
    assert (other.accepted, other.rule, other.exact) == (True, "filter b, import rule 2", False)
    assert evaluate(filters, "export", RICH, one) is None
    assert evaluate(filters, "import", path("fd00::/64"), one) is None


@pytest.mark.parametrize(("direction", "kind"), [("import", 4), ("import", 6), ("export", 4), ("export", 6)])
def test_each_direction_and_family_has_its_own_rules(direction: Any, kind: int) -> None:
    filters = {"a": BGPFilter(**{f"{direction}_v{kind}": (rule("Reject"),)})}
    for asked, prefix in ((4, "10.65.1.0/26"), (6, "fd65::/122")):
        for way in ("import", "export"):
            said = evaluate(filters, way, path(prefix), session(filters=("a",)))
            assert (said is not None) == (way == direction and asked == kind)


def test_operations_change_an_accepted_path_in_their_order() -> None:
    operations = (
        Operation(add_community=AddCommunity(value="65000:20")),
        Operation(add_community=AddCommunity(value="65000:7:8")),
        Operation(prepend_as_path=PrependASPath(prefix=(Asn(1), Asn(2)))),
        Operation(prepend_as_path=PrependASPath(prefix=(Asn(3),))),
        Operation(set_priority=SetPriority(value=512)),
    )
    filters = {"a": BGPFilter(import_v4=(rule(operations=operations),))}
    said = evaluate(filters, "import", path(attributes=attributes(9)), session(filters=("a",)))
    assert said is not None
    assert said.path.attributes == attributes(
        3,
        1,
        2,
        9,
        communities=frozenset({(65000, 20)}),
        large_communities=frozenset({(65000, 7, 8)}),
        local_pref=2147483647 - 512,
    )


def test_a_rejected_path_is_not_changed() -> None:
    operations = (Operation(set_priority=SetPriority(value=512)),)
    filters = {"a": BGPFilter(import_v4=(rule("Reject", operations=operations),))}
    said = evaluate(filters, "import", RICH, session(filters=("a",)))
    assert said is not None and said.path is RICH


@pytest.mark.parametrize("text", ["", "1", "1:2:3:4", "a:b", "65536:1", "1:65536", "1:2:4294967296", "-1:2", "²:1"])
def test_what_is_no_community_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a community"):
        parse_community(text)


@pytest.mark.parametrize("text", ["0:0", "65535:65535", "4294967295:0:1"])
def test_a_community_is_read_and_written(text: str) -> None:
    value = parse_community(text)
    assert text_of(value) == text
    added = with_community(attributes(), value)
    assert carries(added, value) and with_community(added, value) is added
