"""Interfaces: both ends of a link are created in their nodes' namespaces by one message each. Edge.

No name ever appears in the host. `ip -batch` makes all links of a lab in one process.
"""

import subprocess
from collections.abc import Collection, Iterator, Mapping

from felixpy.lab.cables import Link
from felixpy.lab.topology import Topology
from felixpy.model.errors import Trouble


def creation(links: tuple[Link, ...], pids: Mapping[str, int]) -> Iterator[str]:
    """The lines of one `ip -batch` that make every link; pure."""
    for link in links:
        told = [_end(end.interface, end.mac, link.mtu, pids[end.node]) for end in link.ends]
        if len(told) == 1:
            yield f"link add {told[0]} type dummy"
        else:
            yield f"link add {told[0]} type veth peer {told[1]}"


def _end(interface: str, mac: str, mtu: int, pid: int) -> str:
    return f"name {interface}{f' address {mac}' if mac else ''} mtu {mtu} netns /proc/{pid}/ns/net"


def settings(topology: Topology, node: str, *, fresh: bool = True) -> Iterator[str]:
    """The lines of the `ip -batch` that is run inside one node: a bridge's ports, addresses, everything up; pure."""
    bridge = node in topology.nodes and topology.nodes[node].kind == "bridge"
    if bridge and fresh:
        yield f"link add name {bridge_name(node)} type bridge forward_delay 0 mcast_snooping 0"
        yield f"link set dev {bridge_name(node)} up"
    for _, end in topology.links_of(node):
        port = f" master {bridge_name(node)}" if bridge else ""
        for address in end.addresses:
            yield f"address add {address} dev {end.interface}"
        yield f"link set dev {end.interface}{port} up"


def bridge_name(node: str) -> str:
    """A bridge node's one bridge: its own name, as far as an interface's name goes."""
    return node[:15]


def unplug(pid: int, interface: str) -> None:
    """Remove a link; its other end goes with it."""
    _batch(["nsenter", f"--net=/proc/{pid}/ns/net"], [f"link delete dev {interface}"])


def make(topology: Topology, pids: Mapping[str, int], *, fresh: Collection[str]) -> None:
    """Create and set up the links of `topology`; `fresh` nodes have nothing yet. Trouble when one is refused."""
    _batch([], list(creation(topology.links, pids)))
    running = []
    for node, pid in pids.items():
        lines = list(settings(topology, node, fresh=node in fresh))
        if lines:
            running.append((node, lines, _started(["nsenter", f"--net=/proc/{pid}/ns/net"], lines)))
    for node, lines, process in running:
        _finish(process, lines, f"node {node}: ")


def _batch(within: list[str], lines: list[str]) -> None:
    if lines:
        _finish(_started(within, lines), lines, "")


def _started(within: list[str], lines: list[str]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [*within, "ip", "-batch", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write("\n".join(lines) + "\n")
    process.stdin.close()
    return process


def _finish(process: subprocess.Popen[str], lines: list[str], whose: str) -> None:
    assert process.stderr is not None
    with process.stderr as stream:
        said = stream.read().strip()
    if process.wait(30) != 0:
        place = said.rpartition("Command failed -:")[2].strip()
        line = lines[int(place) - 1] if place.isdigit() and 0 < int(place) <= len(lines) else ""
        raise Trouble(f"{whose}ip {line}: {said.splitlines()[0] if said else 'failed'}")
