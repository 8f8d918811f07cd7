"""Which node of a drawing stands above which: layers, as racks are drawn. Pure.

containerlab's label `graph-level` decides where it is given (1 is the top). Else the nodes with pods stand at the
bottom, and every other node as many layers above them as it is links away.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from felixpy.lab.cables import Endpoint
from felixpy.lab.images import Program
from felixpy.lab.topology import Topology

LEVEL = "graph-level"
RUNS = {
    Program.FELIXPY: "felixpy, birdpy", Program.FRR: "FRR", Program.BIRD: "BIRD", Program.GOBGP: "GoBGP",
    Program.PLAIN: "host",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Edge:
    """One link as it is drawn: the upper end first."""

    upper: Endpoint
    lower: Endpoint


def layers(topology: Topology) -> list[list[str]]:
    """The nodes by layer, top first, in the file's order within a layer."""
    depth = _depths(topology)
    return [[name for name in topology.nodes if depth[name] == level] for level in sorted(set(depth.values()))]


def _depths(topology: Topology) -> dict[str, int]:
    told = {name: node.labels.get(LEVEL, "") for name, node in topology.nodes.items()}
    if all(text.isdigit() for text in told.values()):
        return {name: int(text) for name, text in told.items()}
    height = _heights(topology)
    top = max(height.values(), default=0)
    return {name: top - height[name] for name in topology.nodes}


def _heights(topology: Topology) -> dict[str, int]:
    """Links between each node and the nearest node at the bottom; 0 where there is no way."""
    ground = [name for name, node in topology.nodes.items() if node.program is Program.FELIXPY]
    ground = ground or [name for name in topology.nodes if len(list(topology.links_of(name))) <= 1]
    found = dict.fromkeys(ground, 0)
    queue = list(ground)
    for name in queue:
        for near in _neighbours(topology, name):
            if near not in found:
                found[near] = found[name] + 1
                queue.append(near)
    return {name: found.get(name, 0) for name in topology.nodes}


def _neighbours(topology: Topology, name: str) -> Iterator[str]:
    for link, _ in topology.links_of(name):
        yield from (end.node for end in link.ends if end.node != name)


def edges(topology: Topology) -> tuple[list[Edge], list[Edge]]:
    """The links between neighbouring layers, and all others."""
    depth = {name: place for place, layer in enumerate(layers(topology)) for name in layer}
    near: list[Edge] = []
    far: list[Edge] = []
    for link in topology.links:
        if len(link.ends) != 2:
            continue
        upper, lower = sorted(link.ends, key=lambda end: depth[end.node])
        (near if depth[lower.node] - depth[upper.node] == 1 else far).append(Edge(upper, lower))
    return near, far


def runs(topology: Topology, name: str) -> str:
    """What a node is, in a word or two."""
    node = topology.nodes[name]
    return "switch" if node.kind == "bridge" else RUNS[node.program]
