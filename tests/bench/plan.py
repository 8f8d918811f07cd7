"""Thinking about 500 nodes: a plan from a full mesh to two reflectors, and the check of every node's FIB."""

import time

from felixpy.insight.invariants import violations
from felixpy.insight.plan.plan import plan
from tests.bench.table import Bench, Goal, Row, Series
from tests.network_view import segment
from tests.plan_world import cluster, reflected

NODES = 500


def mesh_to_reflector(bench: Bench) -> Row:
    """Nothing but the thinking: the resources are in memory."""
    before = cluster(NODES)
    after = reflected(before, "n0", "n1")
    samples, sessions = [], 0
    for _ in range(bench.rounds):
        began = time.perf_counter()
        made = plan(before, after)
        samples.append(time.perf_counter() - began)
        sessions = sum(row.count for row in made.sessions)
    series = Series(f"plan, {NODES} nodes", "s", tuple(samples), remark=f"{sessions} sessions do something")
    return Row("plan of mesh to reflector", [series], [Goal("500 nodes, s", series.median, 5.0)])


def whole_check(bench: Bench) -> Row:
    """Every block, every pod and every session from every node, without asking anybody: the tables are in memory."""
    samples = []
    for _ in range(bench.rounds):
        view = segment(NODES, 2)  # anew: what a view has worked out once it keeps
        began = time.process_time()
        found = violations(view, time.time())
        samples.append(time.process_time() - began)
        assert not found
    series = Series(f"check, {NODES} nodes x {NODES} blocks", "s", tuple(samples), remark="250,000 routes")
    return Row("check of a whole cluster", [series], [Goal("500 nodes x 500 blocks, s", series.median, 3.0)])
