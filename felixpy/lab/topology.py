"""A containerlab topology as values. Pure: text in, `Topology` out, or every reason why not, each with its line."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from felixpy.lab import cables, fields
from felixpy.lab.cables import Endpoint, Link
from felixpy.lab.located import At, InvalidTopology, read
from felixpy.lab.nodes import Node
from felixpy.lab.nodes import nodes as read_nodes
from felixpy.lab.problems import Problems

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Topology:
    """One lab, as its file describes it."""

    name: str
    file: Path
    prefix: str = "clab"
    nodes: dict[str, Node] = field(default_factory=dict)
    links: tuple[Link, ...] = ()
    notes: tuple[str, ...] = ()  # what is ignored, one line each

    def netns(self, node: str) -> str:
        """The name of a node's network namespace, by containerlab's rule for container names."""
        if not self.prefix:
            return node
        if self.prefix == "__lab-name":
            return f"{self.name}-{node}"
        return f"{self.prefix}-{self.name}-{node}"

    def links_of(self, node: str) -> Iterator[tuple[Link, Endpoint]]:
        """Every link of a node, with the node's own end."""
        for link in self.links:
            yield from ((link, end) for end in link.ends if end.node == node)


def parse(text: str, file: Path) -> Topology:
    """Decode a topology file. InvalidTopology lists everything that stops it, one line each."""
    problems = Problems(str(file))
    top = read(text, str(file))
    problems.unknown(top, fields.TOP, "")
    body = top.get("topology") or At({}, top.line)
    problems.unknown(body, fields.TOPOLOGY, "topology")
    name = _name(top, file, problems)
    found = read_nodes(body, problems)
    links = cables.links(body, found, problems)
    if not found:
        problems.add(body.line, "", "topology.nodes: at least one node is needed")
    if top.get("mgmt"):
        problems.harmless("mgmt", "the file")
    problems.raise_any()
    prefix = top.get("prefix")
    prefix_text = "clab" if "prefix" not in top.value else str(prefix.value if prefix else "")
    return Topology(name, file, prefix_text, found, links, problems.notes())


def load(file: Path) -> Topology:
    """Read and parse a topology file; the one function here that touches the disk."""
    try:
        return parse(file.read_text(), file)
    except UnicodeDecodeError as error:
        raise InvalidTopology(f"{file}:1: not text (byte {error.start})") from error
    except OSError as error:
        raise InvalidTopology(f"{file}: {error.strerror}") from error


def _name(top: At, file: Path, problems: Problems) -> str:
    name = top.get("name")
    if name is None:
        problems.add(top.line, "", "name: every lab needs one")
        return file.name.partition(".")[0]
    text = str(name.value)
    if not NAME.fullmatch(text):
        problems.add(name.line, "", f"name: {text!r} must be letters, digits, '.', '_' and '-'")
    return text
