"""What other nodes' blocks and pods ask of a node: nothing, unless two claim one block."""

from ipaddress import ip_network
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from birdpy.orders import Orders, concerning, orders
from birdpy.policy.sessions import SpeakerSettings
from felixpy.model.resources import IPAMBlock, Resource, WorkloadEndpoint
from felixpy.model.resources.ipam import AllocationAttribute
from felixpy.model.snapshot import Snapshot
from tests.unit.birdpy.builders import affinity, configuration, node, peer, pool, resource

NODES = ("n1", "n2", "n3")
BLOCKS = ("10.65.0.0/30", "10.65.0.4/30", "10.65.0.8/30")


def block(cidr: str, owner: str, holder: str) -> Resource[IPAMBlock]:
    given = (AllocationAttribute(secondary={"node": holder}),)
    spec = IPAMBlock(
        cidr=ip_network(cidr), affinity=f"host:{owner}", allocations=(None, 0, None, None), attributes=given
    )
    return resource(cidr.replace("/", "-"), spec)


def pod(number: int, of: str) -> Resource[WorkloadEndpoint]:
    network = ip_network(f"10.65.0.{number}/32")
    return resource(f"default/p{number}", WorkloadEndpoint(node=of, ip_networks=(network,)), labels={"app": "router"})


names, blocks = st.sampled_from(NODES), st.sampled_from(BLOCKS)
affinities = st.builds(affinity, names, blocks, st.sampled_from(["confirmed", "pending", "pendingDeletion", ""]))
things = st.lists(
    affinities | st.builds(block, blocks, names, names) | st.builds(pod, st.integers(1, 11), names), max_size=12
)


def world(*more: Resource[Any]) -> Snapshot:
    nodes = [node(name, f"10.0.0.{at}/24") for at, name in enumerate(NODES, 1)]
    wish = peer(local_workload_selector="app == 'router'", as_number=65010)
    return Snapshot.holding([*nodes, configuration(), pool("10.65.0.0/16"), wish, *more])


def said(made: Orders) -> tuple[object, ...]:
    keys = (made.import_key, made.export_key, made.fib_key)
    problems = [str(each) for each in made.problems]
    return made.blocks.announced, made.paths, made.blackholes, made.peering, made.pools, made.holders, problems, keys


@settings(max_examples=60, deadline=None)
@given(things)
def test_others_blocks_and_pods_ask_nothing_of_a_node(more: list[Resource[Any]]) -> None:
    whole = world(*more)
    for name in NODES:
        part = orders(concerning(whole, name), name, 1024, SpeakerSettings())
        assert said(part) == said(orders(whole, name, 1024, SpeakerSettings()))


@settings(max_examples=60, deadline=None)
@given(things, things)
def test_who_is_not_concerned_is_asked_for_the_same(before: list[Resource[Any]], after: list[Resource[Any]]) -> None:
    first, second = world(*before), world(*before, *after)
    for name in NODES:
        if concerning(first, name) == concerning(second, name):
            made = (orders(each, name, 1024, SpeakerSettings()) for each in (first, second))
            assert said(next(made)) == said(next(made))


def test_a_block_that_another_node_claims_too_concerns_both() -> None:
    """The control: what is left out is not everything."""
    alone = world(affinity("n1", BLOCKS[0]))
    for rival in (affinity("n2", BLOCKS[0]), block(BLOCKS[0], "n2", "n2")):
        assert concerning(alone, "n1") != concerning(world(affinity("n1", BLOCKS[0]), rival), "n1")
    for other in (affinity("n2", BLOCKS[1]), block(BLOCKS[1], "n2", "n2"), pod(9, "n2")):
        assert concerning(alone, "n1") == concerning(world(affinity("n1", BLOCKS[0]), other), "n1")
