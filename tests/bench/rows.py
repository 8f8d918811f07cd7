"""Which benchmarks there are. Add a row: one line here, one function `Bench -> Row` in a module of this folder."""

import importlib
from collections.abc import Callable
from typing import cast

from tests.bench.table import Bench, Row

ROWS = {
    "routes": "tests.bench.routes:write",
    "resync": "tests.bench.routes:resync",
    "one-more": "tests.bench.routes:one_more",
    "attach": "tests.bench.attach:attach",
    "plugins": "tests.bench.plugins:compare",
    "ipam": "tests.bench.ipam:allocation",
    "agent": "tests.bench.agent:full",
    "store": "tests.bench.store:store",
    "exabgp-decode": "tests.bench.exabgp:decoding",
    "exabgp-tell": "tests.bench.exabgp:telling",
    "exabgp-latency": "tests.bench.exabgp:latency",
    "exabgp-idle": "tests.bench.exabgp:idle",
    "load-equal": "tests.bench.load:equal",
    "load-own": "tests.bench.load:each_its_own",
    "load-100k": "tests.bench.load:packed",
    "load-one-more": "tests.bench.load:one_more",
    "reflector": "tests.bench.reflector:reflect",
    "blocks": "tests.bench.routers:blocks",
    "start": "tests.bench.routers:start",
    "failed-neighbour": "tests.bench.failures:by_neighbour",
    "failed-carrier": "tests.bench.failures:by_carrier",
    "failed-session": "tests.bench.failures:by_session",
    "mesh-10": "tests.bench.convergence:mesh_10",
    "mesh-20": "tests.bench.convergence:mesh_20",
    "long-cut": "tests.bench.convergence:long_cut",
    "restart": "tests.bench.convergence:restart",
    "watching": "tests.bench.convergence:watching",
    "plan": "tests.bench.plan:mesh_to_reflector",
    "lab": "tests.bench.node:deployment",
    "idle": "tests.bench.node:idle",
    "kube-500": "tests.bench.kube:many_nodes",
    "kube-pod": "tests.bench.kube:pod_life",
    "kube-idle": "tests.bench.kube:quiet_node",
    "cluster": "tests.bench.cluster:cluster",
    "imports": "tests.bench.node:imports",
}


def measured_by(name: str) -> Callable[[Bench], Row]:
    """The function behind a name; imported only when it is run."""
    module, _, function = ROWS[name].partition(":")
    return cast("Callable[[Bench], Row]", getattr(importlib.import_module(module), function))
