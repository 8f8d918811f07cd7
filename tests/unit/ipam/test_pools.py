"""Which pools serve a request, and in which order blocks are tried."""

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from felixpy.ipam.errors import NoQualifiedPool
from felixpy.ipam.pools import Rules, Wish, block_cidr, candidates, pool_of, pools_for, rules_of
from felixpy.model.resources import IPAMConfig, IPPool, IPReservation, Metadata, Node, Resource
from felixpy.model.snapshot import Listed, Snapshot


def pool(name: str = "p", cidr: str = "10.65.0.0/24", **fields: Any) -> Resource[IPPool]:
    return Resource(Metadata(name), IPPool(cidr=ip_network(cidr), **{"block_size": 26, **fields}))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"disabled": True}, "it is disabled"),
        ({"ipip_mode": "Always"}, "ipipMode is Always: there is no encapsulation"),
        ({"vxlan_mode": "CrossSubnet"}, "vxlanMode is CrossSubnet"),
        ({"block_size": 20}, "blockSize 20 does not fit"),
        ({"allowed_uses": ("Tunnel",)}, "allowedUses is Tunnel, not Workload"),
        ({"assignment_mode": "Manual"}, "only when it is asked for by name"),
        ({"node_selector": "has(rack)"}, "nodeSelector 'has(rack)' does not select this node"),
        ({"namespace_selector": "has(blue)"}, "namespaceSelector 'has(blue)' does not select the namespace"),
    ],
)
def test_a_pool_that_does_not_serve_says_why(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(NoQualifiedPool, match=r"no IPv4 pool serves this request: pool p: .*") as raised:
        pools_for(Wish(4), Rules(pools=(pool(**fields),)))
    assert reason in str(raised.value)


def test_without_pools_the_error_says_that_there_is_none() -> None:
    with pytest.raises(NoQualifiedPool, match="no IPv6 pool serves this request: there is none"):
        pools_for(Wish(6), Rules(pools=(pool(),)))


def test_selectors_see_the_labels_of_node_and_namespace() -> None:
    chosen = pool(node_selector="has(rack)", namespace_selector="has(blue)")
    rules = Rules(pools=(chosen,), labels={"rack": "r1"})
    assert pools_for(Wish(4, namespace_labels={"blue": ""}), rules) == (chosen,)


def test_a_named_pool_is_used_whatever_its_selectors_say() -> None:
    manual = pool("m", assignment_mode="Manual", node_selector="has(rack)", allowed_uses=("Tunnel",))
    rules = Rules(pools=(pool("a", "10.66.0.0/24"), manual))
    assert pools_for(Wish(4, ("m",)), rules) == (manual,)
    assert pools_for(Wish(4, ("10.65.0.0/24",)), rules) == (manual,)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nope", "does not exist, or is not enabled; pools: six, off"),
        ("off", "it is disabled"),
        ("six", "not an IPv4"),
    ],
)
def test_a_named_pool_must_exist_and_serve(name: str, message: str) -> None:
    rules = Rules(pools=(pool("six", "fd00:65::/112", block_size=122), pool("off", disabled=True)))
    with pytest.raises(NoQualifiedPool, match=r"the given pool") as raised:
        pools_for(Wish(4, (name,)), rules)
    assert message in str(raised.value)


def test_the_rules_come_from_the_snapshot() -> None:
    reservation = Resource(Metadata("r"), IPReservation(reserved_cidrs=("10.65.0.1", "10.65.0.8/30", "nonsense")))
    node = Resource(Metadata("n1", labels={"rack": "r1"}), Node())
    snapshot = Snapshot()
    assert rules_of(snapshot, "n1") == Rules()
    snapshot = snapshot.after(Listed(IPPool, {"b": pool("b"), "a": pool("a", "10.66.0.0/24")}))
    snapshot = snapshot.after(Listed(IPReservation, {"r": reservation})).after(Listed(Node, {"n1": node}))
    config = IPAMConfig(strict_affinity=True, max_blocks_per_host=3)
    snapshot = snapshot.after(Listed(IPAMConfig, {"default": Resource(Metadata("default"), config)}))
    rules = rules_of(snapshot, "n1")
    assert [p.name for p in rules.pools] == ["a", "b"]
    assert [str(p) for p in rules.reserved] == ["10.65.0.1/32", "10.65.0.8/30"]
    assert (rules.labels, rules.max_blocks, Rules().max_blocks) == ({"rack": "r1"}, 3, 20)


def test_every_block_is_a_candidate_once_and_nodes_start_apart() -> None:
    wide = pool(cidr="10.65.0.0/16").spec
    one, two = list(candidates(wide, "n1")), list(candidates(wide, "n2"))
    assert set(one) == set(two) == set(wide.cidr.subnets(new_prefix=26))
    assert len(one) == 1024 and one[0] != two[0]
    assert one == list(candidates(wide, "n1"))


def test_an_address_knows_its_pool_and_its_block() -> None:
    rules = Rules(pools=(pool(),))
    found = pool_of(ip_address("10.65.0.70"), rules)
    assert found is not None
    assert str(block_cidr(found.spec, ip_address("10.65.0.70"))) == "10.65.0.64/26"
    assert pool_of(ip_address("10.70.0.1"), rules) is None
