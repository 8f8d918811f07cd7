"""The router's whole state, moved from one to the next: what fixed routes follow from which event."""

import math
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from msgspec import structs

from birdpy.forwarding import Forwarding
from birdpy.orders import Orders, orders
from birdpy.policy.sessions import SpeakerSettings
from birdpy.rib.events import Down, EndOfRib, Opened, Reach, Unreach, Up, Update
from birdpy.rib.next_hops import Unresolved
from birdpy.state import State
from birdpy.telling import Telling
from felixpy.kernel.memory import MemoryTable
from felixpy.model.resources import Resource, WorkloadEndpoint
from felixpy.model.routes import LOCAL_TABLE, Device, Hop, Route, RouteKey, RouteKind
from tests.unit.birdpy.builders import attributes, configuration, node, peer, resource, routes, snapshot, way

NODES = (node("n1", "10.0.0.1/24"), node("n2", "10.0.0.2/24"))
N2 = ip_address("10.0.0.2")
FAR = RouteKey(ip_network("192.0.2.9/32"), metric=1024)


def made_of(*resources: Resource[Any]) -> Orders:
    return orders(snapshot(*NODES, *resources), "n1", 1024, SpeakerSettings())


def state() -> State:
    made = State(Forwarding(MemoryTable(), resync_s=math.inf), Telling(MemoryTable(), dict, resync_s=math.inf))
    made.around.look(routes(way("10.0.0.0/24")), ())
    made.look()
    return made


def test_next_hops_on_an_ignored_interface_are_out_of_reach_as_long_as_it_is_ignored() -> None:
    made = state()
    made.take(made_of(), 0.0)
    made.hear([Opened(N2, 2, 64512, 90, frozenset({4}), 120), Up(N2)], 1.0)
    made.hear([Update(N2, (Reach(ip_network("10.65.7.0/26"), N2),), (), attributes())], 2.0)
    key = RouteKey(ip_network("10.65.7.0/26"), metric=1024)
    assert key in made.forwarding.settler.desired
    made.take(made_of(configuration(ignored_interfaces=("docker*", "eth*"))), 3.0)
    assert key not in made.forwarding.settler.desired
    choice = made.learning.selection.way(N2)
    assert choice == Unresolved("eth0, the way to 10.0.0.2, is among BGPConfiguration's ignoredInterfaces")
    made.take(made_of(configuration(ignored_interfaces=("docker*",))), 4.0)
    assert key in made.forwarding.settler.desired


def test_a_gateway_that_bgp_alone_knows_makes_and_unmakes_the_way_to_its_peer() -> None:
    """reachableBy 198.51.100.1, a network that n2 announces."""
    made = state()
    made.take(made_of(peer(peer_ip="192.0.2.9", as_number=65001, reachable_by="198.51.100.1")), 0.0)
    assert FAR not in made.forwarding.settler.desired
    gateway = ip_network("198.51.100.0/24")
    made.hear([Opened(N2, 2, 64512, 90, frozenset({4}), 120), Up(N2)], 1.0)
    made.hear([Update(N2, (Reach(gateway, N2),), (), attributes())], 2.0)
    assert [str(hop.via) for hop in made.forwarding.settler.desired[FAR].hops] == ["10.0.0.2"]
    made.hear([Update(N2, (), (Unreach(gateway),))], 3.0)
    assert FAR not in made.forwarding.settler.desired


def test_the_address_that_pods_dial_is_there_while_a_pod_is_a_peer() -> None:
    made = state()
    key = RouteKey(ip_network("169.254.64.1/32"), LOCAL_TABLE, 1024)
    peering = configuration(local_workload_peering_ipv4=ip_address("169.254.64.1"))
    pod = resource(
        "default/a", WorkloadEndpoint(node="n1", ip_networks=(ip_network("10.65.0.2/32"),)), labels={"app": "router"}
    )
    wish = peer(local_workload_selector="app == 'router'", as_number=65010)
    made.take(made_of(peering, wish), 0.0)
    assert key not in made.forwarding.settler.desired, "no pod is selected"
    made.take(made_of(peering, wish, pod), 0.0)
    assert made.forwarding.settler.desired[key].kind is RouteKind.HOST
    address = ip_address("10.65.0.2")
    made.hear([Opened(address, 2, 65010, 90, frozenset({4}), 120), Up(address)], 1.0)
    made.take(made_of(peering, pod), 2.0)
    assert key in made.forwarding.settler.desired, "the pod has still to hear that nothing is here"
    made.keep_time(100.0)
    assert made.peers[address].let_go
    made.hear([Down(address, "stop, message [removed]")], 101.0)
    assert key not in made.forwarding.settler.desired
    assert address not in made.peers


def restarted() -> State:
    """A router that finds n2's block in its kernel, and the way to n2, which a switch told."""
    made = state()
    made.forwarding.adopt({route.key: route for route in (OVER_SWITCH, WAY)})
    made.take(made_of(peer(peer_ip="10.0.0.9", as_number=65009)), 0.0)
    made.learning.expect(0.0)
    made.forwarding.wait_for({BLOCK: frozenset({N2}), LOOPBACKS: frozenset({SWITCH})}, frozenset(made.peers))
    assert set(made.peers) == {N2, SWITCH}
    for address, asn in ((N2, 64512), (SWITCH, 65009)):
        made.hear([Opened(address, asn, asn, 90, frozenset({4}), 120), Up(address)], 1.0)
    return made


BLOCK, SWITCH = ip_network("10.65.2.0/26"), ip_address("10.0.0.9")
OVER_SWITCH = Route(RouteKey(BLOCK, metric=1024), RouteKind.LEARNED, hops=(Hop(SWITCH, Device("eth0")),))
BEHIND, LOOPBACKS = ip_address("192.0.2.2"), ip_network("192.0.2.0/24")
WAY = structs.replace(OVER_SWITCH, key=RouteKey(LOOPBACKS, metric=1024))


def test_after_a_restart_a_route_stays_until_those_have_spoken_who_may_know_the_way_to_its_next_hop() -> None:
    """The session between loopback addresses is back before the switches have told the way there."""
    made = restarted()
    made.hear([Update(N2, (Reach(BLOCK, BEHIND),), (), attributes()), EndOfRib(N2, 4)], 2.0)
    assert made.forwarding.settler.desired[OVER_SWITCH.key] == OVER_SWITCH
    told = Update(SWITCH, (Reach(LOOPBACKS, SWITCH),), (), attributes(as_path=(65009,)))
    made.hear([told, EndOfRib(SWITCH, 4)], 3.0)
    assert made.forwarding.settler.desired[OVER_SWITCH.key].hops == OVER_SWITCH.hops
    assert not made.forwarding.found


@pytest.mark.parametrize("told", [(), (Reach(BLOCK, BEHIND),)], ids=["gave up", "has no way"])
def test_after_a_restart_what_leads_nowhere_goes_when_all_have_spoken(told: tuple[Reach, ...]) -> None:
    made = restarted()
    made.hear([Update(N2, told, (), attributes()), EndOfRib(N2, 4)], 2.0)
    assert (OVER_SWITCH.key in made.forwarding.settler.desired) is bool(told)
    made.hear([EndOfRib(SWITCH, 4)], 3.0)
    assert not made.forwarding.settler.desired
