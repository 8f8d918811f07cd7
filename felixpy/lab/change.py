"""What an edited topology file asks of a running lab. Pure.

A node that is in both keeps its processes; of its `exec` lines only those run that were not there before.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from felixpy.lab.cables import Link
from felixpy.lab.topology import Topology


@dataclass(frozen=True, slots=True)
class Change:
    """What makes a running lab equal to its file."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    links: tuple[Link, ...]  # to be made
    unplugged: tuple[tuple[str, str], ...]  # node and interface: both ends of a link go with one
    exec: dict[str, tuple[str, ...]]  # lines to run in nodes that stay

    def __bool__(self) -> bool:
        return any((self.added, self.removed, self.links, self.unplugged, self.exec))


def between(before: Mapping[str, Any], running: Collection[str], wanted: Topology) -> Change:
    """Compare what was made (`made` of the former file, and the nodes that run) with the file as it is now."""
    added = tuple(name for name in wanted.nodes if name not in running)
    removed = tuple(name for name in running if name not in wanted.nodes)
    held = {frozenset(ends) for ends in before["links"]}
    told = {frozenset(map(str, link.ends)) for link in wanted.links}
    gone = [ends for ends in held - told if not any(end.partition(":")[0] in removed for end in ends)]
    ends = (min(pair).partition(":") for pair in gone)
    lines = {
        name: tuple(line for line in node.exec if line not in before["exec"].get(name, ()))
        for name, node in wanted.nodes.items()
        if name in running
    }
    return Change(
        added, removed, tuple(link for link in wanted.links if frozenset(map(str, link.ends)) not in held),
        tuple((node, interface) for node, _, interface in ends), {name: new for name, new in lines.items() if new},
    )  # fmt: skip


def made(topology: Topology) -> dict[str, Any]:
    """What a deployment notes of its file, to compare a later one with."""
    return {
        "links": [[str(end) for end in link.ends] for link in topology.links],
        "exec": {name: list(node.exec) for name, node in topology.nodes.items()},
    }
