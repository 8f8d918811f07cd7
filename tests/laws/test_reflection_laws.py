"""Routers that talk: on quiescence there is no loop, and every block is reached from every node that is connected.

Messages are delayed and reordered between peers (never within one wire), sessions break and come back, routers crash
and start again. The topologies are a mesh, and any number of reflectors of any clusters with the others as clients.
"""

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from birdpy.policy import imports
from felixpy.model.resources import Resource
from felixpy.model.snapshot import Snapshot
from tests.laws.simulator.day import Day
from tests.laws.simulator.network import Network, address_of, block_of
from tests.unit.birdpy.builders import affinity, node, peer, pool, snapshot

SIZE = 5


def cluster(reflectors: dict[int, str], *peers: Resource[Any]) -> Snapshot:
    """Five nodes, some of them reflectors with the given cluster id; the others are a mesh of their own."""
    nodes = []
    for number in range(1, SIZE + 1):
        labels = {"rr": "yes"} if number in reflectors else {"client": "yes"}
        extra = {"cluster_id": reflectors[number]} if number in reflectors else {}
        nodes.append(node(f"n{number}", f"10.0.0.{number}/24", labels=labels, **extra))
    blocks = [affinity(f"n{number}", str(block_of(number))) for number in range(1, SIZE + 1)]
    return snapshot(*nodes, *blocks, pool("10.65.0.0/16", "pods"), *peers)


TO_ALL = peer("rr", peer_selector="has(rr)")
TOPOLOGIES = {
    "mesh": cluster({}),
    "one reflector and a mesh of clients": cluster({1: "1.1.1.1"}, TO_ALL),
    "two reflectors of one cluster": cluster({1: "1.1.1.1", 2: "1.1.1.1"}, TO_ALL),
    "two reflectors of two clusters": cluster({1: "1.1.1.1", 2: "2.2.2.2"}, TO_ALL),
    "three reflectors of three clusters": cluster({1: "1.1.1.1", 2: "2.2.2.2", 3: "3.3.3.3"}, TO_ALL),
    "three reflectors, two of one cluster": cluster({1: "1.1.1.1", 2: "2.2.2.2", 3: "2.2.2.2"}, TO_ALL),
}
ADDRESSES = [address_of(number) for number in range(1, SIZE + 1)]
PAIRS = [(a, b) for a in ADDRESSES for b in ADDRESSES if a < b]  # type: ignore[operator]


def network(shape: Snapshot) -> Network:
    return Network.of(shape, [f"n{number}" for number in range(1, SIZE + 1)])


def assert_at_peace(net: Network) -> None:
    """No loop, and everybody reaches every block of everybody."""
    for start in ADDRESSES:
        for number in range(1, SIZE + 1):
            assert net.trace(start, block_of(number))[-1] == address_of(number)


@pytest.mark.parametrize("shape", TOPOLOGIES)
def test_every_topology_settles_and_everybody_is_reached(shape: str) -> None:
    net = network(TOPOLOGIES[shape])
    for one, other in PAIRS:
        net.connect(one, other)
    assert 1 <= net.settle() < 20
    assert_at_peace(net)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("connect"), st.integers(0, len(PAIRS) - 1)),
        st.tuples(st.just("cut"), st.integers(0, len(PAIRS) - 1)),
        st.tuples(st.just("crash"), st.integers(0, SIZE - 1)),
        st.tuples(st.just("speak"), st.integers(0, SIZE - 1)),
        st.tuples(st.just("deliver"), st.integers(0, 1000)),
    ),
    max_size=60,
)
topologies = st.dictionaries(st.integers(1, SIZE), st.sampled_from(["1.1.1.1", "2.2.2.2", "3.3.3.3"]))


@settings(max_examples=50, deadline=None)
@given(topologies, steps)
def test_no_history_of_delays_losses_and_crashes_leaves_a_loop_or_a_hole(
    reflectors: dict[int, str], history: list[tuple[str, int]]
) -> None:
    net = network(cluster(reflectors, *([TO_ALL] if reflectors else [])))
    for what, number in history:
        if what == "connect":
            net.connect(*PAIRS[number])
        elif what == "cut":
            net.cut(*PAIRS[number])
        elif what == "crash":
            net.crash(ADDRESSES[number])
        elif what == "speak":
            net.speak(ADDRESSES[number])
        else:
            waiting = [wire for wire, queue in net.wires.items() if queue]
            if waiting:
                net.deliver(waiting[number % len(waiting)])
    net.settle()
    for start in ADDRESSES:
        for number in range(1, SIZE + 1):
            net.trace(start, block_of(number))
    for one, other in PAIRS:
        net.connect(one, other)
    net.settle()
    assert_at_peace(net)


def ghosts() -> int:
    """A triangle of reflectors loses the client at one of its corners: who still believes in the client's block?"""
    net = network(TOPOLOGIES["three reflectors of three clusters"])
    for one, other in ((0, 1), (1, 2), (0, 2), (0, 3)):
        net.connect(ADDRESSES[one], ADDRESSES[other])
    net.settle()
    assert all(router.selection.choice(block_of(4)) for router in list(net.routers.values())[:4])
    net.cut(ADDRESSES[0], ADDRESSES[3])
    net.settle(limit=200)
    return sum(router.selection.choice(block_of(4)) is not None for router in list(net.routers.values())[:3])


def test_a_lost_block_is_forgotten_by_reflectors_in_a_circle() -> None:
    assert ghosts() == 0


def test_without_the_loop_checks_they_remind_each_other_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control of the law: what it would see if CLUSTER_LIST and ORIGINATOR_ID were not looked at."""
    monkeypatch.setattr(imports, "_shared_fault", lambda *_: ("", ""))
    with pytest.raises(AssertionError, match="never come to rest"):
        ghosts()


@pytest.mark.parametrize("shape", TOPOLOGIES)
def test_minutes_of_virtual_time_with_breaks_and_crashes_leaves_no_loop_and_no_hole(shape: str) -> None:
    """`make soak` runs a day of each."""
    day = Day(network(TOPOLOGIES[shape]), Random(f"1 {shape}"))
    day.run(0.2)
    assert min(day.seen[what] for what in ("break", "arrive", "whole", "broken")) > 1
