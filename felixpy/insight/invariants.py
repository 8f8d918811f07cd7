"""What must hold of the whole network, and the proof where it does not. Pure.

Forwarding is judged by the kernels' own tables (`outcomes`), ownership and books by the resources, sessions by what
both ends say. A node that nobody could look into is no fault here: the caller says who was missing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from felixpy.insight.delivery import own_blocks, undelivered
from felixpy.insight.lookup import parsed, parsed_address
from felixpy.insight.view import NetworkView, NodeView
from felixpy.ipam.collect import problems
from felixpy.model.resources import BGPConfiguration, Node

INVARIANTS = ("pod-reachable", "block-deliverable", "loop", "blackhole", "sessions", "reflectors", "books")


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that does not hold: of what, where, the proof, and what mends it."""

    invariant: str  # one of INVARIANTS
    subject: str
    node: str  # "" for the cluster
    proof: str
    fix: str


def violations(view: NetworkView, now: float, grace_s: float = 0.0) -> list[Violation]:
    """Everything that does not hold, in the order of what hurts most."""
    return [
        *(Violation(*it) for it in undelivered(view)),
        *_blackholes(view),
        *_sessions(view),
        *_reflectors(view),
        *(Violation("books", it.subject, "", f"{it.kind}: {it.proof}", it.fix)
          for it in problems(view.snapshot, now, grace_s)),
    ]  # fmt: skip


def _blackholes(view: NetworkView) -> Iterator[Violation]:
    """Under every block that is announced as a whole lies a blackhole."""
    for block, home in own_blocks(view).items():
        node = view.nodes.get(home)
        if node is None or node.facts is None or block.prefixlen == block.max_prefixlen:
            continue
        held = any(it.kind == "blackhole" and parsed(it.prefix) == block for it in node.facts.routes)
        if not held and node.peers is not None:
            proof = (
                f"{home} owns it and its kernel has no blackhole for it: unused addresses follow the default route"
            )
            yield Violation("blackhole", f"block {block}", home, proof, f"birdpy explain {block} --node {home}")


def _sessions(view: NetworkView) -> Iterator[Violation]:
    """Both ends of a session between nodes of the view have it, and it is up."""
    ends = {name: _ends(node) for name, node in view.nodes.items()}
    for name, node in view.nodes.items():
        for peer in node.peers.peers if node.peers else ():
            ports = [port.node for port in view.ports.get(parsed_address(peer.address), ()) if port.node != name]
            if peer.state != "established":
                why = peer.held_down or peer.last_error or "no reason is known"
                subject = f"{name} - {ports[0] if len(ports) == 1 else peer.address}"
                yield Violation(
                    "sessions", subject, name, f"{peer.name} is {peer.state}: {why}", f"birdpy peers --node {name}"
                )
            if len(ports) == 1 and not ends[ports[0]].has_session_with(ends[name]):
                proof = f"{name} has {peer.name}, and {ports[0]} has no session with an address of {name}"
                yield Violation("sessions", f"{name} - {ports[0]}", name, proof, f"birdpy config --node {ports[0]}")


class _Ends(NamedTuple):
    """One node as an end of sessions: the addresses it holds and those it has sessions with; None: not known."""

    held: frozenset[str] | None
    peers: frozenset[str] | None

    def has_session_with(self, other: "_Ends") -> bool:
        """Whether this one has a session with any address of `other`; True when it could not be asked."""
        return self.peers is None or other.held is None or not self.peers.isdisjoint(other.held)


def _ends(node: NodeView) -> _Ends:
    return _Ends(
        frozenset(it.address for it in node.facts.addresses) if node.facts else None,
        frozenset(it.address for it in node.peers.peers) if node.peers else None,
    )


def _reflectors(view: NetworkView) -> Iterator[Violation]:
    """With the mesh switched off by a configuration with reflectors, one reflector's death must not cut the rest."""
    config = view.snapshot.of(BGPConfiguration).get("default")
    if config is None or config.spec.node_to_node_mesh_enabled is not False:
        return
    nodes = view.snapshot.of(Node)
    reflectors = sorted(
        name for name, it in nodes.items() if it.spec.bgp and it.spec.bgp.route_reflector_cluster_id is not None
    )
    if len(reflectors) == 1 and len(nodes) > 2:
        proof = f"{reflectors[0]} is the only route reflector of {len(nodes)} nodes and the mesh is off"
        yield Violation("reflectors", reflectors[0], "", proof, "give a second node routeReflectorClusterID")
