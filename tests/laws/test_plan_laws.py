"""What holds for the plan of any change: nothing is nothing, and the way back is the way there, turned round."""

import asyncio
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from felixpy.cli.foresight import foreseen
from felixpy.datastore.apply import apply
from felixpy.datastore.encode import encode
from felixpy.datastore.files import FilesDatastore
from felixpy.datastore.manifests import Manifest
from felixpy.insight.plan.plan import plan
from felixpy.insight.plan.rows import Plan
from felixpy.model.resources import Resource
from felixpy.model.snapshot import Snapshot
from tests.plan_world import address, cluster, put, reflected
from tests.unit.birdpy.builders import affinity, configuration, node, peer, pool

NODES = ("n0", "n1", "n2")
BACK = {"begins": "ends", "ends": "begins", "added": "removed", "removed": "added", "announced": "withdrawn"}
BACK |= {"withdrawn": "announced", "created": "deleted", "deleted": "created"}


def numbered(name: str, number: int, asn: int | None) -> Resource[Any]:
    return node(name, f"{address(number)}/16", **({"as_number": asn} if asn else {}))


MESH = st.builds(lambda on, asn: configuration(node_to_node_mesh_enabled=on, as_number=asn), st.booleans(),
                 st.sampled_from((64512, 64513)))  # fmt: skip
TOR = st.builds(
    lambda where, more: peer("tor", node=where, peer_ip="172.20.9.9", as_number=65009, **more),
    st.sampled_from(("", *NODES)), st.sampled_from(({}, {"num_allowed_local_as_numbers": 2})),
)  # fmt: skip
BLOCK = st.builds(affinity, st.sampled_from(NODES), st.sampled_from(("10.64.99.0/26", "10.64.98.0/26")))
POOL = st.builds(lambda off: pool("10.64.0.0/12", "pods", disable_bgp_export=off), st.booleans())
NODE = st.builds(lambda i, asn: numbered(NODES[i], i, asn), st.integers(0, 2), st.sampled_from((None, 64999)))
CHANGE = st.lists(st.one_of(MESH, TOR, BLOCK, POOL, NODE), max_size=3)
REFLECTED = st.booleans()


def worlds(changes: list[Resource[Any]], reflect: bool) -> tuple[Snapshot, Snapshot]:
    before = cluster(3)
    after = put(before, *changes)
    return before, reflected(after, "n1", mesh=True) if reflect else after


def sessions(made: Plan, *, back: bool = False) -> Counter[tuple[str, str, str]]:
    """What the sessions do, by node and peer; told of the way back when it is to be compared with the way there."""
    found: Counter[tuple[str, str, str]] = Counter()
    for row in made.sessions:
        found[row.node, row.address, BACK.get(row.effect, row.effect) if back else row.effect] += row.count
    return found


@settings(max_examples=40, deadline=None)
@given(CHANGE, REFLECTED)
def test_the_plan_of_nothing_is_empty(changes: list[Resource[Any]], reflect: bool) -> None:
    _, after = worlds(changes, reflect)
    made = plan(after, after)
    assert made.empty
    assert (made.sessions, made.announcements, made.routes, made.dangers, made.worst.lost) == ([], [], [], [], 0)


@settings(max_examples=60, deadline=None)
@given(CHANGE, REFLECTED)
def test_the_plan_of_the_way_back_is_the_inverse(changes: list[Resource[Any]], reflect: bool) -> None:
    before, after = worlds(changes, reflect)
    there, back = plan(before, after), plan(after, before)
    assert {(it.what, it.action, *it.fields) for it in there.objects} == {
        (it.what, BACK.get(it.action, it.action), *it.fields) for it in back.objects
    }  # fmt: skip
    assert {(it.node, it.prefix, it.before, it.after) for it in there.routes} == {
        (it.node, it.prefix, it.after, it.before) for it in back.routes
    }  # fmt: skip
    assert {(it.node, it.peer, it.prefix, it.action) for it in there.announcements} == {
        (it.node, it.peer, it.prefix, BACK.get(it.action, it.action)) for it in back.announcements
    }  # fmt: skip
    assert sessions(there) == sessions(back, back=True)


@settings(max_examples=8, deadline=None)
@given(CHANGE)
def test_what_was_planned_and_applied_leaves_nothing_to_do(changes: list[Resource[Any]]) -> None:
    async def body(store: FilesDatastore) -> None:
        for resource in (it for objects in cluster(3).kinds.values() for it in objects.values()):
            await store.create(resource)
        manifests = [Manifest(f"change {i}", encode(it)) for i, it in enumerate(changes)]
        seen = await foreseen(store, manifests)
        done = [it async for it in apply(store, manifests)]
        assert [it.action for it in done] == [it.action for it in seen.applied], "a plan says what apply does"
        left = [it for it, one in zip(manifests, done, strict=True) if one.error is None]
        last = {
            it.document["kind"] + it.document["metadata"]["name"]: it for it in left
        }  # several of one name: the last
        assert (await foreseen(store, list(last.values()))).plan.empty

    with TemporaryDirectory() as folder:
        asyncio.run(body(FilesDatastore(Path(folder), sync=False)))
