"""Each check of what a kernel does to packets: silent on a node in order, red for its one fault, with a fix."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network

import msgspec
import pytest

from felixpy.insight.doctor.check import NodeCheck, Patient
from felixpy.insight.doctor.forwarding import CHECKS
from felixpy.insight.view import NetworkView, NodeView
from felixpy.model.facts import AddressFact, LinkFact, NeighbourFact, RouteFact, RuleFact
from felixpy.model.resources import IPPool, Metadata, Node, NodeBGP, Resource
from felixpy.model.snapshot import Put
from felixpy.model.status import RoutesStatus, RouteStatus
from felixpy.model.system import BaseChainFact, SystemFacts
from tests.network_view import address, block, onto, pod, route, segment, via

SYSTEM = SystemFacts(node="n0", taken=1.0, kernel="6.1.0", chains=())
FINE = {
    "net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1", "net/ipv6/conf/all/disable_ipv6": "0",
    "net/ipv4/conf/all/rp_filter": "1", "net/ipv4/conf/all/ignore_routes_with_linkdown": "1",
}  # fmt: skip
Spoil = Callable[[NodeView], NodeView]


def patient() -> Patient:
    """n0 of two nodes with pools of both families, as it should be."""
    view = segment(2)
    six = Resource(Metadata("six"), IPPool(cidr=ip_network("fd65::/64")))
    four = Resource(Metadata("four"), IPPool(cidr=ip_network("10.64.0.0/10")))
    me = Resource(Metadata("n0"), Node(bgp=NodeBGP(ipv4_address=f"{address(0)}/24")))
    snapshot = view.snapshot.after(Put(IPPool, six)).after(Put(IPPool, four)).after(Put(Node, me))
    node = replace(facts(view.nodes["n0"], sysctls=FINE), system=SYSTEM)
    assert node.facts is not None
    as_wanted = {"family": 4, "table": 254, "kind": "learned", "wanted": True, "installed": True}
    rows = [{"prefix": it.prefix, "metric": it.metric, **as_wanted} for it in node.facts.routes]
    node = replace(node, routes=RoutesStatus(node="n0", routes=tuple(msgspec.convert(rows, list[RouteStatus]))))
    return Patient(NetworkView({**view.nodes, "n0": node}, snapshot), node)


def facts(node: NodeView, **fields: object) -> NodeView:
    """The node with other facts."""
    assert node.facts is not None
    return replace(node, facts=msgspec.structs.replace(node.facts, **fields))


def sysctl(path: str, value: str) -> Spoil:
    return lambda node: facts(node, sysctls={**(node.facts.sysctls if node.facts else {}), path: value})


def more(name: str, *rows: object) -> Spoil:
    """Further links, addresses, routes, neighbours or rules."""
    return lambda node: facts(node, **{name: (*getattr(node.facts, name), *rows)})


def both(*spoils: Spoil) -> Spoil:
    def all_of(node: NodeView) -> NodeView:
        for one in spoils:
            node = one(node)
        return node

    return all_of


def links(**fields: object) -> Spoil:
    """Every link changed likewise but for lo."""
    return lambda node: facts(
        node,
        links=tuple(msgspec.structs.replace(it, **fields) for it in node.facts.links) if node.facts else (),
    )


def first_pod_down(node: NodeView) -> NodeView:
    assert node.endpoints is not None
    first, *rest = node.endpoints.endpoints
    down = msgspec.structs.replace(first, state="down", reason="no route")
    return replace(node, endpoints=msgspec.structs.replace(node.endpoints, endpoints=(down, *rest)))


def chains(found: tuple[BaseChainFact, ...] | None) -> Spoil:
    return lambda node: replace(node, system=msgspec.structs.replace(SYSTEM, chains=found))


UPLINK = LinkFact(name="eth2", index=9, up=True, carrier=True, mac="02:00:00:00:00:99", mtu=1500, kind="")
SECOND = both(
    more("links", UPLINK), more("addresses", AddressFact(device="eth2", address="192.0.2.1", subnet="192.0.2.0/24"))
)
DROP = BaseChainFact(family="ip", table="filter", name="FORWARD", hook="forward", policy="drop")
RA = RouteFact(prefix="::/0", table=254, metric=1024, kind="unicast", protocol="ra", ways=(via("fe80::1"),))
FOREIGN = RouteFact(
    prefix=pod(0, 0) + "/32", table=254, metric=0, kind="unicast", protocol="static", ways=(onto("eth1"),)
)
FAULTS: dict[str, tuple[Spoil, str]] = {
    "ipv4-forwarding": (sysctl("net/ipv4/ip_forward", "0"), "the node passes no packet on"),
    "ipv6-forwarding": (sysctl("net/ipv6/conf/all/forwarding", "0"), "the node passes no packet on"),
    "ipv6-disabled": (sysctl("net/ipv6/conf/all/disable_ipv6", "1"), "IPv6 is switched off"),
    "rp-filter-uplinks": (SECOND, "strict rp_filter on eth1, eth2"),
    "rp-filter-pods": (sysctl("net/ipv4/conf/all/rp_filter", "0"), "may send from addresses that it does not hold"),
    "linkdown-ways": (
        both(
            more("routes", route("203.0.113.0/24", via("172.20.0.1"), via("172.20.0.2"))),
            sysctl("net/ipv4/conf/all/ignore_routes_with_linkdown", "0"),
        ),
        "half the flows",
    ),
    "forward-policy": (chains((DROP,)), "nftables ip filter FORWARD drops"),
    "nft": (chains(None), "nft does not answer"),
    "uplinks": (links(carrier=False), "uplink eth1 has no carrier"),
    "pods-up": (first_pod_down, "no route"),
    "pod-mtu": (
        lambda node: facts(node, links=tuple(
            msgspec.structs.replace(it, mtu=1400) if it.name == "eth1" else it
            for it in (node.facts.links if node.facts else ())
        )),
        "the smallest uplink 1400",
    ),
    "duplicate-address-detection": (
        more("addresses", AddressFact(device="eth1", address="fd20::1", subnet="fd20::/64", tentative=True)),
        "fd20::1 on eth1 is tentative",
    ),
    "next-hops": (
        more("neighbours", NeighbourFact(device="eth1", address="172.20.0.1", mac="", state="failed")),
        "next hop 172.20.0.1 on eth1 does not answer",
    ),
    "accept-ra": (both(more("routes", RA), sysctl("net/ipv6/conf/eth1/accept_ra", "1")), "will time out"),
    "foreign-speaker": (
        more("routes", route("198.51.100.0/24", via("172.20.0.1"), metric=77)),
        "198.51.100.0/24 has birdpy's protocol number",
    ),
    "foreign-routes": (more("routes", FOREIGN), "lies in a pool and is not ours"),
    "policy-rules": (
        more("rules", RuleFact(family=4, priority=100, table=7, action="lookup", destination=block(0))),
        "policy rule 100 sends packets of pods to table 7",
    ),
    "node-address": (lambda node: facts(node, addresses=()), "no interface has it"),
}  # fmt: skip


def test_every_check_of_forwarding_has_a_fault_here() -> None:
    assert {check.name for check in CHECKS} == set(FAULTS)


@pytest.mark.parametrize("check", CHECKS, ids=lambda it: it.name)
def test_it_is_silent_in_order_and_names_its_fault_with_a_fix(check: NodeCheck) -> None:
    well = patient()
    assert list(check.look(well)) == []
    spoil, wanted = FAULTS[check.name]
    found = list(check.look(Patient(well.view, spoil(well.node))))
    assert found and wanted in found[0][0] and found[0][1], found


@pytest.mark.parametrize("check", CHECKS, ids=lambda it: it.name)
def test_a_node_that_nobody_could_look_into_has_no_fault(check: NodeCheck) -> None:
    well = patient()
    assert list(check.look(Patient(well.view, NodeView("n0", why={"felixpy": "away"})))) == []


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("uplinks", links(up=False, carrier=False)),
        ("next-hops", more("neighbours", NeighbourFact(device="eth1", address="172.20.9.9", mac="", state="failed"))),
        ("accept-ra", both(more("routes", RA), sysctl("net/ipv6/conf/eth1/accept_ra", "2"))),
        ("forward-policy", chains((msgspec.structs.replace(DROP, policy="accept"),))),
        ("foreign-speaker", lambda node: replace(node, routes=None)),
        ("linkdown-ways", sysctl("net/ipv4/conf/all/ignore_routes_with_linkdown", "0")),
    ],
)
def test_what_looks_like_a_fault_and_is_none_or_is_one_all_the_same(name: str, spoil: Spoil) -> None:
    (check,) = [it for it in CHECKS if it.name == name]
    well = patient()
    found = list(check.look(Patient(well.view, spoil(well.node))))
    assert bool(found) == (name == "uplinks"), "a link that is down is one in either way; the others harm nobody"
