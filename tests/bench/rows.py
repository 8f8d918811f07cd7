"""Which benchmarks there are. Add a row: one line here, one function `Bench -> Row` in a module of this folder.

What a row measures is the first sentence of its function; `how` says how to read it. Without names on the command
line `--quick` runs the rows of mode `quick`, and the full mode these and those of mode `full`, in this order, the
long ones last, so that an hour that is not enough costs those; `named` rows run by name only. `limit_s`: a row that
takes longer is ended, and what it has found so far is kept.
"""

import ast
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from tests.bench.table import Bench, Row

Mode = Literal["quick", "full", "named"]


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a row's function is, how its figures are read, and how long it may take."""

    place: str
    how: str
    mode: Mode = "full"
    limit_s: float = 300.0


RATIO = "the ratio is to the row's first system marked 1.00; other work on the machine moves both"
NEEDS = "`> 60 s`: not within a minute, and not waited for any longer"
MESH = f"each system alone on the same nodes, one after the other; timers are the system's own unless said; {NEEDS}"

LOGGED = (
    "in turn with the log and without, so that other work on the machine moves both; the ratio is what the log costs"
)

ROWS = {
    "routes": Entry("tests.bench.routes:write", f"{RATIO}; void when C itself is slow", mode="quick"),
    "resync": Entry("tests.bench.routes:resync", RATIO, mode="quick"),
    "one-more": Entry(
        "tests.bench.routes:one_more", "the ratio is what a full table costs the next route", mode="quick"
    ),
    "datapath": Entry(
        "tests.bench.datapath:across",
        "throughput higher is better, round trip lower; ratios to the bridge per node",
        mode="quick",
    ),
    "datapath-node": Entry("tests.bench.datapath:within", "the same between two pods of one node"),
    "datapath-settings": Entry(
        "tests.bench.datapath:settings",
        "each setting changed alone on ours; a ratio within the spread of `as it is` does not matter",
        limit_s=400,
    ),
    "attach": Entry("tests.bench.attach:attach", "what a pod's start waits for; its disk is the floor", mode="quick"),
    "plugins": Entry("tests.bench.plugins:compare", "whole processes, as a runtime calls them; ratios to ptp"),
    "ipam": Entry("tests.bench.ipam:allocation", "milliseconds of one call"),
    "agent": Entry("tests.bench.agent:full", "one pass of the agent over a full node"),
    "store": Entry("tests.bench.store:store", "a store without disk is the floor of one with"),
    "exabgp-decode": Entry(
        "tests.bench.exabgp:decoding", "microseconds of birdpy's processor for a line of ExaBGP", mode="quick"
    ),
    "exabgp-tell": Entry("tests.bench.exabgp:telling", "seconds until the last of all routes"),
    "exabgp-latency": Entry("tests.bench.exabgp:latency", "one message each way, nothing else to do"),
    "exabgp-idle": Entry("tests.bench.exabgp:idle", "what a node pays for ExaBGP when nothing happens"),
    "load-equal": Entry("tests.bench.load:equal", RATIO, mode="quick"),
    "load-own": Entry("tests.bench.load:each_its_own", RATIO),
    "load-100k": Entry("tests.bench.load:packed", RATIO),
    "load-one-more": Entry("tests.bench.load:one_more", "what an UPDATE costs a full table", limit_s=180),
    "history-load": Entry("tests.bench.history:load", LOGGED, limit_s=400),
    "history-blocks": Entry("tests.bench.history:blocks", LOGGED, limit_s=400),
    "reflector": Entry("tests.bench.reflector:reflect", "one birdpy is the reflector of many BIRDs", limit_s=240),
    "blocks": Entry(
        "tests.bench.routers:blocks",
        "with the write of the store's file, or of BIRD's file and `birdc`",
        mode="quick",
    ),
    "start": Entry("tests.bench.routers:start", "all daemons of three nodes are started at once", mode="quick"),
    "converge-3": Entry("tests.bench.sizes:mesh_3", MESH, mode="quick"),
    "converge-10": Entry("tests.bench.sizes:mesh_10", MESH, limit_s=500),
    "reflected-10": Entry("tests.bench.sizes:reflected_10", MESH),
    "exabgp-floor": Entry(
        "tests.bench.floor:floor", "ExaBGP with nothing behind it: no birdpy can be faster", mode="quick"
    ),
    "failed-neighbour": Entry("tests.bench.failures:by_neighbour", "plain gateways against `--kernel-nexthops`"),
    "failed-carrier": Entry("tests.bench.failures:by_carrier", "plain gateways against `--kernel-nexthops`"),
    "failed-session": Entry("tests.bench.failures:by_session", "plain gateways against `--kernel-nexthops`"),
    "restart": Entry("tests.bench.convergence:restart", "pings and route events should be 0"),
    "growth-routes": Entry(
        "tests.bench.growth:routes",
        "an exponent of 1 is linear, below it fixed costs show",
        mode="quick",
        limit_s=400,
    ),
    "growth-bgp": Entry("tests.bench.growth:announced", "an exponent of 1 is linear, below it fixed costs show"),
    "growth-nodes": Entry("tests.bench.growth:nodes", "an exponent of 1 is linear, below it fixed costs show"),
    "growth-pods": Entry(
        "tests.bench.growth:pods_on_a_node",
        "a pod's own time should stay (0), the totals be linear (1)",
        mode="quick",
    ),
    "plan": Entry("tests.bench.plan:mesh_to_reflector", "seconds of thinking; nothing is written"),
    "check": Entry("tests.bench.plan:whole_check", "seconds of the processor's time; nobody is asked"),
    "page": Entry("tests.bench.page:many_nodes", "milliseconds in a real browser; the network is on paper and free"),
    "lab": Entry("tests.bench.node:deployment", "what a newcomer waits for"),
    "idle": Entry("tests.bench.node:idle", "what a node pays for being a node"),
    "kube-500": Entry("tests.bench.kube:many_nodes", "one node's share of a cluster of 500"),
    "kube-pod": Entry("tests.bench.kube:pod_life", "requests of the agent to the API server"),
    "kube-idle": Entry("tests.bench.kube:quiet_node", "what a node asks when nothing happens"),
    "imports": Entry(
        "tests.bench.node:imports", "memory is what the code alone costs; help is what a user waits for", mode="quick"
    ),
    "converge-20": Entry("tests.bench.sizes:mesh_20", MESH, limit_s=500),
    "reflected-20": Entry("tests.bench.sizes:reflected_20", MESH),
    "lost-10": Entry("tests.bench.losses:ten_nodes", f"timers decide, not work; {NEEDS}", limit_s=900),
    "cluster": Entry(
        "tests.bench.cluster:cluster", "an upper bound: the whole of Kubernetes shares the processors", limit_s=600
    ),
    "converge-40": Entry("tests.bench.sizes:mesh_40", MESH, limit_s=300),
    "reflected-40": Entry("tests.bench.sizes:reflected_40", MESH, limit_s=240),
    "mesh-10": Entry("tests.bench.convergence:mesh_10", MESH, mode="named"),
    "mesh-20": Entry("tests.bench.convergence:mesh_20", MESH, mode="named"),
    "long-cut": Entry("tests.bench.convergence:long_cut", MESH, mode="named", limit_s=480),
    "watching": Entry(
        "tests.bench.convergence:watching", "the difference is what asking neighbours costs", mode="named"
    ),
    "reflected-3": Entry("tests.bench.sizes:reflected_3", MESH, mode="named"),
}


def measured_by(name: str) -> Callable[[Bench], Row]:
    """The function behind a name; imported only when it is run."""
    module, _, function = ROWS[name].place.partition(":")
    return cast("Callable[[Bench], Row]", getattr(importlib.import_module(module), function))


def about(name: str) -> str:
    """What a row measures and how to read it. Its module is read, not imported: a broken one costs its own row."""
    module, _, function = ROWS[name].place.partition(":")
    tree = ast.parse((Path(__file__).parent / f"{module.rpartition('.')[2]}.py").read_text())
    found = next(each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == function)
    measured = (ast.get_docstring(found) or "").partition("\n\n")[0]
    return f"{' '.join(measured.split())} To read it: {ROWS[name].how}."
