"""Who is in the picture, on which tier and in which rack, and which cables lie between them. Pure.

Of a lab its topology file says so, drawn as `felixpy lab graph` draws it. Of a cluster its nodes and whom they peer
with: peers that are no nodes stand above the nodes, and who shares them shares a rack.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from felixpy.insight.view import NetworkView
from felixpy.lab import layout
from felixpy.lab.images import Program
from felixpy.lab.topology import Topology
from felixpy.model.resources import BGPPeer, Node
from felixpy.model.status import PeerStatus

RACK_LABELS = ("rack", "topology.kubernetes.io/rack", "topology.kubernetes.io/zone")
OURS = "felixpy, birdpy"


@dataclass(frozen=True, slots=True)
class Actor:
    """One box to be. `tier` 0 is the top; `rack` is "" where nothing says one."""

    id: str
    name: str
    role: str
    runs: str
    tier: int
    rack: str = ""


@dataclass(frozen=True, slots=True)
class Cable:
    """One line that is drawn whatever runs over it; the upper end first."""

    upper: str
    lower: str
    ends: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody and every cable."""

    name: str
    actors: tuple[Actor, ...]
    cables: tuple[Cable, ...]

    def above(self, name: str) -> frozenset[str]:
        """Who stands one tier or more above `name` at the other end of a cable."""
        return frozenset(cable.upper for cable in self.cables if cable.lower == name)


class Told(NamedTuple):
    """One end of one session, and the id of who is at the other; "" for a pod."""

    node: str
    peer: PeerStatus
    other: str


def cast_of(view: NetworkView, topology: Topology | None, name: str) -> tuple[Cast, list[Told]]:
    """The cast of a lab, or of a cluster when there is no `topology`, and every session that its nodes tell of; peers
    that neither knows are added on top.
    """
    base = of_lab(topology) if topology is not None else _nodes(view, name)
    known = frozenset(actor.id for actor in base.actors)
    told = list(told_sessions(view, known))
    strangers = {it.other: it.peer for it in told if it.other and it.other not in known}
    if not strangers:
        return base, told
    cables = set[Cable]()
    if topology is None:  # a lab's cables are in its file
        cables = {Cable(it.other, it.node) for it in told if it.other in strangers}
    names = peer_names(view)
    added = [
        Actor(name, names.get(peer.address, peer.address), "peer", f"{peer.address}, AS {peer.asn}", 0)
        for name, peer in sorted(strangers.items())
    ]
    moved = (replace(actor, tier=actor.tier + 1) for actor in base.actors)
    wired = (*base.cables, *sorted(cables, key=lambda it: (it.upper, it.lower)))
    return _racked(Cast(base.name, (*added, *moved), wired)), told


def of_lab(topology: Topology) -> Cast:
    """Everybody of a topology file, by the layers of `felixpy lab graph`."""
    tiers = {name: tier for tier, layer in enumerate(layout.layers(topology)) for name in layer}
    near, far = layout.edges(topology)
    cables = tuple(
        Cable(edge.upper.node, edge.lower.node, (edge.upper.interface, edge.lower.interface))
        for edge in (*near, *far)
    )
    actors = (
        Actor(name, name, _role(topology, name), layout.runs(topology, name), tiers[name]) for name in topology.nodes
    )
    return _racked(Cast(topology.name, tuple(actors), cables))


def _role(topology: Topology, name: str) -> str:
    node = topology.nodes[name]
    if node.kind == "bridge":
        return "switch"
    return {Program.FELIXPY: "node", Program.PLAIN: "host"}.get(node.program, "router")


def _nodes(view: NetworkView, name: str) -> Cast:
    resources = view.snapshot.of(Node)
    names = sorted({*view.nodes, *resources}, key=_natural)
    labels = {key: it.meta.labels for key, it in resources.items()}
    return Cast(name, tuple(Actor(it, it, "node", OURS, 0, _told_rack(labels.get(it, {}))) for it in names), ())


def _told_rack(labels: Mapping[str, str]) -> str:
    return next((labels[key] for key in RACK_LABELS if labels.get(key)), "")


def _natural(name: str) -> list[tuple[int, int, str]]:
    """n2 before n10."""
    words: list[tuple[int, int, str]] = []
    for character in name:
        digit = character.isascii() and character.isdigit()
        if digit and words and words[-1][0] == 0:
            words[-1] = (0, words[-1][1] * 10 + int(character), "")
        else:
            words.append((0, int(character), "") if digit else (1, 0, character))
    return words


def _racked(cast: Cast) -> Cast:
    """Where no label says a rack, the lowest tier is divided by whom its members are wired to."""
    lowest = max((actor.tier for actor in cast.actors), default=0)
    if not lowest or not cast.cables:
        return cast
    return replace(cast, actors=tuple(_in_rack(cast, actor, lowest) for actor in cast.actors))


def _in_rack(cast: Cast, actor: Actor, lowest: int) -> Actor:
    if actor.rack or actor.tier != lowest:
        return actor
    names = {it.id: it.name for it in cast.actors}
    return replace(actor, rack=", ".join(sorted((names[it] for it in cast.above(actor.id)), key=_natural)))


def told_sessions(view: NetworkView, known: Collection[str]) -> Iterator[Told]:
    """Every session that a node tells of. Who is `known` is named by its id, others by their address."""
    owners, pods = _owners(view, known), frozenset(map(str, view.pods))
    for node in view.nodes.values():
        for peer in node.peers.peers if node.peers else ():
            pod = peer.type == "local" or peer.address in pods
            yield Told(node.name, peer, "" if pod else owners.get(peer.address, peer.address))


def _owners(view: NetworkView, names: Collection[str]) -> Mapping[str, str]:
    """Who has which address: by the Node resources, and by what kernels hold, where only one does."""
    held = {
        str(address): ports[0].node for address, ports in view.ports.items() if len({it.node for it in ports}) == 1
    }
    told = {str(address): name for name in view.snapshot.of(Node) for address in view.address_of(name)}
    return {address: name for address, name in {**held, **told}.items() if name in names}


def peer_names(view: NetworkView) -> Mapping[str, str]:
    """What BGPPeers call the addresses that they name, where only one does."""
    found: dict[str, list[str]] = {}
    for name, it in view.snapshot.of(BGPPeer).items():
        if it.spec.peer_ip:
            found.setdefault(_bare(it.spec.peer_ip), []).append(name)
    return {address: names[0] for address, names in found.items() if len(names) == 1}


def _bare(peer_ip: str) -> str:
    """`addr`, `addr:port` or `[v6]:port` without the port."""
    if peer_ip.startswith("["):
        return peer_ip[1:].partition("]")[0]
    return peer_ip.partition(":")[0] if peer_ip.count(":") == 1 else peer_ip
