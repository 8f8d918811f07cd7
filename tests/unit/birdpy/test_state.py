"""The router's whole state, moved from one to the next: what fixed routes follow from which event."""

import math
from ipaddress import ip_address, ip_network
from typing import Any

from birdpy.forwarding import Forwarding
from birdpy.orders import Orders, orders
from birdpy.policy.sessions import SpeakerSettings
from birdpy.rib.events import Down, Opened, Reach, Unreach, Up, Update
from birdpy.state import State
from birdpy.telling import Telling
from felixpy.kernel.memory import MemoryTable
from felixpy.model.resources import Resource, WorkloadEndpoint
from felixpy.model.routes import LOCAL_TABLE, RouteKey, RouteKind
from tests.unit.birdpy.builders import attributes, configuration, node, peer, resource, routes, snapshot, way

NODES = (node("n1", "10.0.0.1/24"), node("n2", "10.0.0.2/24"))
N2 = ip_address("10.0.0.2")
FAR = RouteKey(ip_network("192.0.2.9/32"), metric=1024)


def made_of(*resources: Resource[Any]) -> Orders:
    return orders(snapshot(*NODES, *resources), "n1", 1024, SpeakerSettings())


def state() -> State:
    made = State(Forwarding(MemoryTable(), resync_s=math.inf), Telling(MemoryTable(), dict, resync_s=math.inf))
    made.around.routes = routes(way("10.0.0.0/24"))
    made.look()
    return made


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
