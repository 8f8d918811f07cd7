"""A plan of 500 nodes that go from a full mesh to two reflectors, a quarter of a million sessions."""

import time

from felixpy.insight.plan.plan import plan
from tests.bench.table import Bench, Goal, Row, Series
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
