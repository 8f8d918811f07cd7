"""Which blocks are ours, announced, blackholed."""

from ipaddress import ip_network
from typing import Any

import pytest

from birdpy.desired.originate import local_paths, own_blocks
from birdpy.rib.path import NORMAL_LOCAL_PREF
from tests.unit.birdpy.builders import affinity, attributes, block, configuration, pool, snapshot

BLOCK = "10.65.0.0/26"


@pytest.mark.parametrize(
    ("state", "announced", "blackholed"),
    [
        ("confirmed", True, True),
        ("", True, True),
        ("pending", False, False),
        ("pendingDeletion", False, True),
        ("nonsense", False, False),
    ],
)
def test_the_state_of_an_affinity_says_what_is_done(state: str, announced: bool, blackholed: bool) -> None:
    blocks = own_blocks(snapshot(affinity("n1", BLOCK, state)), "n1")
    assert (bool(blocks.announced), bool(blocks.blackholed)) == (announced, blackholed)
    assert blocks.problems == ()


@pytest.mark.parametrize(
    "other", [affinity("n2", BLOCK), affinity("n1", BLOCK, deleted=True), affinity("n1", BLOCK, type="virtual")]
)
def test_what_is_not_this_nodes_is_nothing_to_it(other: Any) -> None:
    blocks = own_blocks(snapshot(other), "n1")
    assert (blocks.announced, blocks.blackholed) == ((), frozenset())


def test_a_block_of_one_address_has_no_blackhole() -> None:
    blocks = own_blocks(snapshot(affinity("n1", "10.65.0.9/32"), affinity("n1", "fd65::/128")), "n1")
    assert blocks.announced == (ip_network("10.65.0.9/32"), ip_network("fd65::/128"))
    assert blocks.blackholed == frozenset()


def test_blocks_are_listed_as_people_read_them() -> None:
    now = snapshot(*(affinity("n1", cidr) for cidr in ("fd65::/122", "10.65.1.0/26", "10.65.0.128/26", BLOCK)))
    assert [str(b) for b in own_blocks(now, "n1").announced] == [
        BLOCK,
        "10.65.0.128/26",
        "10.65.1.0/26",
        "fd65::/122",
    ]


@pytest.mark.parametrize(
    ("owner", "n1_has_it", "says"),
    [("n1", True, "its IPAMBlock gives it to n1"), ("n2", False, "gives it to n2"), ("n9", False, "names none")],
)
def test_of_two_claimants_the_block_itself_decides_and_both_say_so(owner: str, n1_has_it: bool, says: str) -> None:
    now = snapshot(affinity("n1", BLOCK), affinity("n2", BLOCK), block(BLOCK, owner))
    mine, theirs = own_blocks(now, "n1"), own_blocks(now, "n2")
    assert bool(mine.announced) == bool(mine.blackholed) == n1_has_it
    assert bool(theirs.announced) == (owner == "n2")
    for blocks in (mine, theirs):
        (problem,) = blocks.problems
        assert says in str(problem) and "n1, n2" in str(problem)


def test_without_an_ipam_block_neither_claimant_announces() -> None:
    now = snapshot(affinity("n1", BLOCK), affinity("n2", BLOCK))
    assert own_blocks(now, "n1").announced == own_blocks(now, "n2").announced == ()


def test_a_claim_that_is_being_released_is_no_conflict() -> None:
    now = snapshot(affinity("n1", BLOCK), affinity("n2", BLOCK, "pendingDeletion"))
    assert [str(b) for b in own_blocks(now, "n1").announced] == [BLOCK]
    assert own_blocks(now, "n1").problems == ()


@pytest.mark.parametrize("mode", [{"ipip_mode": "Always"}, {"vxlan_mode": "CrossSubnet"}])
def test_a_pool_with_a_tunnel_is_not_served_and_says_so(mode: dict[str, str]) -> None:
    blocks = own_blocks(snapshot(pool("10.65.0.0/16", "tunnelled", **mode), affinity("n1", BLOCK)), "n1")
    assert blocks.announced == ()
    (problem,) = blocks.problems
    assert "IPPool tunnelled" in str(problem) and "set it to Never" in str(problem)


def test_own_paths_are_blocks_and_borrowed_addresses() -> None:
    now = snapshot(pool("10.65.0.0/16"), affinity("n1", BLOCK), affinity("n1", "10.65.9.0/26", "pendingDeletion"))
    pods = map(ip_network, ("10.65.0.5/32", "10.65.9.5/32", "10.65.7.7/32", "192.0.2.1/32"))
    found = local_paths(now, "n1", pods)
    assert {str(prefix): p.source for prefix, p in found.items()} == {BLOCK: "local", "10.65.7.7/32": "kernel"}
    assert {p.attributes for p in found.values()} == {attributes(local_pref=NORMAL_LOCAL_PREF)}


def test_the_configured_priority_is_carried_in_local_pref() -> None:
    now = snapshot(affinity("n1", BLOCK), affinity("n1", "fd65::/122"), configuration(ipv6_normal_route_priority=500))
    found = local_paths(now, "n1")
    assert [p.attributes.local_pref for p in found.values()] == [NORMAL_LOCAL_PREF, 2147483647 - 500]
