"""What `felixpy trace` says on networks on paper: the whole way in order, and the first station that fails."""

from dataclasses import replace

import msgspec
import pytest

from felixpy.insight.trace import Direction, places, trace
from felixpy.insight.view import NetworkView
from felixpy.model.addresses import parse_address
from felixpy.model.facts import NeighbourFact, RuleFact
from tests.network_view import address, block, changed, pod, route, segment, via


def traced(view: NetworkView, source: str = pod(0, 0), destination: str = pod(1, 0)) -> Direction:
    ends = [places(view, parse_address(text)) for text in (source, destination)]
    return trace(view, *ends)


def told(direction: Direction) -> list[tuple[str, str, bool]]:
    return [(station.node, station.what, station.passed) for station in direction.stations]


def with_facts(view: NetworkView, name: str, **fields: object) -> NetworkView:
    facts = view.nodes[name].facts
    assert facts is not None
    node = replace(view.nodes[name], facts=msgspec.structs.replace(facts, **fields))
    return NetworkView({**view.nodes, name: node}, view.snapshot)


def failure(view: NetworkView) -> tuple[str, str, str, str]:
    direction = traced(view)
    assert not direction.arrives
    station = direction.failure
    assert station is not None
    return station.node, station.what, station.text, station.fix


def test_a_way_in_order_names_every_station() -> None:
    direction = traced(segment(2))
    assert told(direction) == [
        ("n0", "pod", True),
        ("n0", "route", True),
        ("n0", "link", True),
        ("n0", "next hop", True),
        ("n1", "route", True),
        ("n1", "link", True),
        ("n1", "delivery", True),
    ]
    assert direction.arrives
    assert direction.mtu == 1500
    assert direction.stations[1].text == f"{block(1)} via {address(1)} dev eth1 proto bird"


def test_an_address_that_nobody_holds_is_named_as_itself_and_ends_in_its_blocks_blackhole() -> None:
    free = block(1).replace(".0/24", ".99")
    direction = traced(segment(2), destination=free)
    assert direction.destination.name == free
    assert direction.failure is not None
    assert direction.failure.text == f"blackhole {block(1)} proto bird"
    assert direction.failure.fix.endswith(f"felixpy ipam why {free}")


def test_a_source_that_nobody_holds_cannot_send() -> None:
    direction = traced(segment(2), source="10.200.0.1")
    assert [(it.what, it.passed) for it in direction.stations] == [("pod", False)]


def test_no_route_and_a_route_by_rule_are_told_apart() -> None:
    assert failure(changed(segment(2), "n0", without=[block(1)]))[:3] == ("n0", "route", f"no route to {pod(1, 0)}")
    rules = (RuleFact(family=4, priority=5, table=0, action="prohibit"),)
    assert failure(with_facts(segment(2), "n0", rules=rules))[:3] == ("n0", "route", "a rule says prohibit")


def test_a_rule_that_cannot_be_judged_is_passed_over_and_said() -> None:
    rules = (
        RuleFact(family=4, priority=5, table=100, action="lookup", selective=True),
        RuleFact(family=4, priority=9, table=255, action="lookup"),
        RuleFact(family=4, priority=10, table=254, action="lookup"),
    )
    direction = traced(with_facts(segment(2), "n0", rules=rules))
    assert direction.arrives
    assert direction.stations[1].text.startswith("rule 5 to table 100 has conditions that cannot be judged here")


def test_a_silent_next_hop_is_named_with_its_interface() -> None:
    entry = NeighbourFact(device="eth1", address=address(1), mac="", state="failed")
    node, what, text, _ = failure(with_facts(segment(2), "n0", neighbours=(entry,)))
    assert (node, what, text) == ("n0", "next hop", f"{address(1)} behind eth1 (no address, failed)")


@pytest.mark.parametrize(("sysctl", "dropped"), [("0", False), ("1", True), ("2", False)])
def test_the_reverse_path_filter_drops_only_what_comes_in_by_another_way_than_it_would_go_out(
    sysctl: str, dropped: bool
) -> None:
    view = changed(segment(2), "n1", route(block(0), via("10.9.9.9", "eth2")), without=[block(0)])
    facts = view.nodes["n1"].facts
    assert facts is not None
    view = with_facts(view, "n1", sysctls={**facts.sysctls, "net/ipv4/conf/eth1/rp_filter": sysctl})
    assert traced(view).arrives is not dropped
    if dropped:
        node, what, text, _ = failure(view)
        assert (node, what) == ("n1", "route")
        assert text.startswith("refused by the reverse path filter")


def test_a_pod_that_is_not_up_fails_first() -> None:
    view = segment(2)
    endpoints = view.nodes["n0"].endpoints
    assert endpoints is not None
    down = msgspec.structs.replace(endpoints.endpoints[0], state="down", reason="the link is gone")
    node = replace(view.nodes["n0"], endpoints=msgspec.structs.replace(endpoints, endpoints=(down,)))
    found = failure(NetworkView({**view.nodes, "n0": node}, view.snapshot))
    assert found[:3] == ("n0", "pod", "pod default/p0-0 is down: the link is gone")


def test_a_node_that_nobody_could_look_into_ends_the_way_there() -> None:
    view = segment(2)
    dark = replace(view.nodes["n1"], facts=None)
    direction = traced(NetworkView({**view.nodes, "n1": dark}, view.snapshot))
    assert direction.failure is not None
    assert (direction.failure.what, direction.failure.fix.partition(";")[0]) == (
        "delivery",
        "the way goes on outside of what can be seen",
    )


def test_who_is_behind_an_address_is_known_for_pods_nodes_and_nobody() -> None:
    view = segment(2)
    named = [places(view, parse_address(text)).name for text in (pod(1, 0), address(1), "203.0.113.1")]
    assert named == ["pod default/p1-0", "node n1", "203.0.113.1"]


def test_between_two_nodes_the_way_ends_at_the_host() -> None:
    direction = traced(segment(2), source=address(0), destination=address(1))
    assert direction.arrives
    assert direction.stations[-1].text == "delivered to node n1"


def test_of_equal_ways_one_is_followed_and_it_says_so() -> None:
    view = changed(segment(3), "n0", route(block(1), via(address(1)), via(address(2))), without=[block(1)])
    direction = traced(view)
    assert direction.arrives
    assert f"2 equal ways, {address(1)} is followed here" in direction.stations[1].text
