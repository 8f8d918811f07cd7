"""What a lab is right now: its nodes, what runs in them, their addresses. Edge."""

import json
import subprocess
from dataclasses import asdict, dataclass, field
from typing import Any

from felixpy.lab import control
from felixpy.lab.registry import Lab, LabNode
from felixpy.lab.rootless import join_options
from felixpy.model.errors import Unreachable


@dataclass(frozen=True, slots=True)
class Seen:
    """One node as it is; `state` is running or dead."""

    name: str
    state: str
    kind: str
    runs: str
    netns: str
    pid: int
    image: str = ""
    group: str = ""
    programs: list[dict[str, Any]] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)  # "eth1 172.20.0.11/24"

    @property
    def program_states(self) -> str:
        """`felixpy running, birdpy running (2 restarts)`."""
        return ", ".join(
            f"{one['name']} {one['state']}" + (f" ({one['restarts']} restarts)" if one["restarts"] else "")
            for one in self.programs
        )


def look(lab: Lab) -> list[Seen]:
    """Every node of a lab."""
    asked = {name: _ask_addresses(node) for name, node in lab.nodes.items() if node.alive}
    return [_seen(lab, node, asked.get(name)) for name, node in lab.nodes.items()]


def document(lab: Lab) -> dict[str, Any]:
    """The same for scripts."""
    nodes = [asdict(one) for one in look(lab)]
    return {
        "lab": lab.name, "state": lab.state, "topology": lab.topology, "folder": str(lab.folder), "nodes": nodes,
    }  # fmt: skip


def _seen(lab: Lab, node: LabNode, asked: "subprocess.Popen[str] | None") -> Seen:
    programs: list[dict[str, Any]] = []
    if asked is not None:
        try:
            programs = control.ask(lab.node_folder(node.name), "list")
        except Unreachable:
            programs = []
    return Seen(
        node.name, "running" if asked is not None else "dead", node.kind, node.program, node.netns, node.pid,
        node.image, node.group, programs, _addresses(asked),
    )  # fmt: skip


def _ask_addresses(node: LabNode) -> "subprocess.Popen[str]":
    within = ["nsenter", f"--target={node.pid}", *join_options(node.pid), "--net", "--"]
    return subprocess.Popen(
        [*within, "ip", "-j", "address", "show", "scope", "global"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip


def _addresses(asked: "subprocess.Popen[str] | None") -> list[str]:
    if asked is None:
        return []
    said, _ = asked.communicate(timeout=10)
    return [
        f"{link['ifname']} {entry['local']}/{entry['prefixlen']}"
        for link in json.loads(said or "[]")
        for entry in link.get("addr_info", ())
        if "local" in entry and not link["ifname"].startswith("cali")
    ]
