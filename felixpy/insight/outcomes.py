"""What becomes of packets to one destination from every node at once. Pure.

A packet's fate at a node does not depend on where it came from (but for rules that look at the source), so the fate
of each node is worked out once from those of its next hops: n look-ups for n nodes, not n walks.
"""

from collections.abc import Collection, Mapping

import msgspec

from felixpy.insight.view import NetworkView
from felixpy.insight.walk import End, Hop, Packet, onward
from felixpy.model.addresses import Address

Known = dict[tuple[str, bool], "Fate"]  # by node, and whether the packet comes from another one


class Fate(msgspec.Struct, frozen=True, gc=False):
    """How a packet that is at `node` ends, by the worst of equal ways; `hops` lead there."""

    end: End
    at: str
    hops: tuple[Hop, ...]

    @property
    def path(self) -> str:
        """`n1 > tor > n2`."""
        return " > ".join(hop.node for hop in self.hops)


def fates(view: NetworkView, destination: Address, nodes: Collection[str] | None = None) -> Mapping[str, Fate]:
    """The fate of packets to `destination` from each node (of `nodes`, when given) that could be looked into."""
    known: Known = {}
    packet = Packet(destination)
    asked = [name for name in (view.nodes if nodes is None else nodes) if view.nodes[name].fib is not None]
    return {name: _fate(view, name, packet, known, ()) for name in asked}


def _fate(view: NetworkView, node: str, packet: Packet, known: Known, behind: tuple[str, ...]) -> Fate:
    if node in behind:
        return Fate(End.LOOP, node, ())
    place = node, bool(behind)
    if place in known:
        return known[place]
    worst: Fate | None = None
    for step in onward(view, node, packet, into="" if behind else None):
        hops = (step.hop,) if step.hop else ()
        if step.end is not None:
            fate = Fate(step.end, step.at, hops)
        else:
            further = _fate(view, step.at, packet, known, (*behind, node))
            fate = Fate(further.end, further.at, (*hops, *further.hops))
        if worst is None or worst.end.good > fate.end.good:
            worst = fate
    assert worst is not None
    # On the way round a loop the fate depends on where it was entered: only what it is for its entry is final.
    if worst.end is not End.LOOP or worst.at == node or not behind:
        known[place] = worst
    return worst
