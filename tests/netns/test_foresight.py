"""A failed next hop that many routes share: they turn at once; a wrong forecast is put right."""

import asyncio
from collections.abc import Collection
from ipaddress import ip_address, ip_network

import pytest

from birdpy.foresight import ASKED, MANY, turn
from birdpy.forwarding import Forwarding
from birdpy.orders import orders
from birdpy.policy.sessions import SpeakerSettings
from birdpy.rib.events import Down, Opened, Reach, Unreach, Up, Update
from birdpy.state import State
from birdpy.telling import Telling
from felixpy.kernel.fib import read_connected
from felixpy.kernel.memory import MemoryTable
from felixpy.kernel.netlink import Netlink
from felixpy.kernel.routes import KernelRoutes
from felixpy.model.addresses import Asn
from felixpy.model.routes import Route, RouteKey
from felixpy.reconcile.table import Outcome
from tests.namespaces import Namespace
from tests.netns.test_nexthops import A, B, ways, wire
from tests.unit.birdpy.builders import attributes, node, peer, snapshot

COUNT = 200
PREFIXES = [ip_network((0x14000000 + 256 * at, 24)) for at in range(COUNT)]


class Router:
    """The state of a router in this namespace, and its table; peers at both gateways have told everything."""

    def __init__(self, *, shared: bool, only_a: Collection[int] = (), count: int = COUNT) -> None:
        self.table = KernelRoutes(12, (1024,), lambda _key, _route: True, shared=shared)
        telling = Telling(MemoryTable(), dict, resync_s=1e9)
        self.state = State(Forwarding(self.table, resync_s=1e9), telling)
        self.state.around.look(read_connected(Netlink(), (12,)), ())
        peers = [peer(f"p{at}", peer_ip=str(hop.via), as_number=Asn(65009)) for at, hop in enumerate((A, B))]
        self.state.take(orders(snapshot(node("n1", "10.0.0.1/24"), *peers), "n1", 1024, SpeakerSettings()), 0.0)
        self.state.look()
        for hop in (A, B):
            told = [PREFIXES[at] for at in range(count) if hop is A or at not in only_a]
            opened = Opened(hop.via, int(ip_address(str(hop.via))), 65009, 90, frozenset({4}))
            reached = Update(hop.via, tuple(Reach(prefix, hop.via) for prefix in told), (), attributes(65009))
            self.state.hear([opened, Up(hop.via), reached], 0.0)
        self.settle()

    def settle(self) -> Outcome[RouteKey, Route]:
        return asyncio.run(self.state.forwarding.settle(1.0, may_erase=True))

    def neighbour_fails(self) -> None:
        self.state.around.failed.add((A.via, A.device))
        asyncio.run(turn(self.state, self.table.nexthops, 1.0))

    def session_ends(self) -> None:
        asyncio.run(turn(self.state, self.table.nexthops, 1.0, {self.state.peers[A.via].session.name}))


def only(*hops: str) -> set[tuple[str, ...]]:
    return {hops}


EITHER = pytest.mark.parametrize("shared", [True, False], ids=["objects", "plain"])


@EITHER
@pytest.mark.parametrize("event", [Router.neighbour_fails, Router.session_ends])
def test_the_kernel_turns_before_anything_is_worked_out(netns: Namespace, event: object, shared: bool) -> None:
    wire(netns)
    router = Router(shared=shared)
    assert set(ways(netns).values()) == only("10.0.0.2", "10.2.0.2")
    assert callable(event)
    event(router)
    assert set(ways(netns).values()) == only("10.2.0.2")
    assert len(ways(netns)) == COUNT


def test_a_few_plain_routes_wait_until_they_are_worked_out(netns: Namespace) -> None:
    """The control."""
    wire(netns)
    router = Router(shared=False, count=MANY - 1)
    router.neighbour_fails()
    assert set(ways(netns).values()) == only("10.0.0.2", "10.2.0.2")
    router.state.look()
    router.settle()
    assert set(ways(netns).values()) == only("10.2.0.2")


def test_what_was_foreseen_is_not_written_again(netns: Namespace) -> None:
    wire(netns)
    router = Router(shared=False)
    router.neighbour_fails()
    router.state.look()
    assert not router.settle().plan


@EITHER
def test_a_forecast_that_does_not_come_true_is_taken_back(netns: Namespace, shared: bool) -> None:
    wire(netns)
    router = Router(shared=shared)
    router.neighbour_fails()
    router.state.around.failed.clear()  # it answered again before the pass
    router.state.look()
    router.settle()
    assert set(ways(netns).values()) == only("10.0.0.2", "10.2.0.2")


@EITHER
def test_a_session_that_ends_leaves_only_what_others_say(netns: Namespace, shared: bool) -> None:
    wire(netns)
    router = Router(shared=shared, only_a=range(ASKED))
    router.session_ends()
    router.state.hear([Down(A.via, "peer closed the connection")], 1.0)
    router.settle()
    assert set(ways(netns).values()) == only("10.2.0.2")
    assert len(ways(netns)) == COUNT - ASKED


def test_a_route_that_nobody_asked_and_that_goes_elsewhere_is_put_right(netns: Namespace) -> None:
    """All leave by A, which is nearer; one of those that were not asked has no other way."""
    wire(netns)
    router = Router(shared=False)
    nearer = Update(A.via, tuple(Reach(prefix, A.via) for prefix in PREFIXES), (), attributes(65009, med=1))
    further = attributes(65009, 65010)
    behind = tuple(Reach(prefix, B.via) for prefix in PREFIXES if prefix != PREFIXES[1])
    router.state.hear([nearer, Update(B.via, behind, (Unreach(PREFIXES[1]),), further)], 0.5)
    router.settle()
    assert set(ways(netns).values()) == only("10.0.0.2")
    router.session_ends()
    assert set(ways(netns).values()) == only("10.2.0.2")
    router.state.hear([Down(A.via, "peer closed the connection")], 1.0)
    router.settle()
    assert str(PREFIXES[1]) not in ways(netns)
    assert len(ways(netns)) == COUNT - 1
