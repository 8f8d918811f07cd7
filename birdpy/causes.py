"""Why the router works a prefix out anew, in the words of the log. Pure."""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from birdpy.orders import Orders
from birdpy.peers import Peer
from birdpy.rib.events import Down, EndOfRib, Event, Refresh, Up, Update
from felixpy.history.events import Cause
from felixpy.model.addresses import Prefix

if TYPE_CHECKING:
    from birdpy.learning import Heard

HEARD = "heard"  # of a session's UPDATE: announced or withdrawn, whichever it turns out to be
Causes = Mapping[Prefix, Cause]

NONE: Causes = MappingProxyType({})
SPOKEN = Cause("not told again", why="every peer that gave it before our restart has spoken")
LEANED = Cause("leaned on", why="a route that its next hop leans on changed")
RELEASED = Cause("block released", why="its withdrawal was answered")
OVERFLOW = Cause("updates lost", why="more came than could be kept: everything is asked for again")
OWN = Cause("datastore changed", why="own blocks, services or static routes")


def of_event(event: Event, peer: Peer) -> Cause:
    """Of what an event of a peer moved; asked when the event was taken in."""
    name = peer.session.name
    match event:
        case Update():
            return Cause(HEARD, name)
        case Down(_, reason, ours):
            return Cause("session down", name, "our own ExaBGP ended" if ours else reason or peer.last_error)
        case Up():
            return Cause("session up", name, "what it did not keep while it restarted is gone")
        case EndOfRib() | Refresh():
            return Cause("not told again by", name, "it has said everything since its restart")
        case _:
            return Cause(type(event).__name__.lower(), name)


def overdue(peer: Peer) -> Cause:
    """Of what was swept because nobody said it again in time."""
    return Cause("not told again by", peer.session.name, "its restart time is over")


def removed(peer: Peer) -> Cause:
    """Of what a session gave that is configured no more, or under another name."""
    return Cause("session removed", peer.session.name)


def configured(
    heard: "Heard", judged: Collection[Prefix], own: Collection[Prefix], orders: tuple[Orders | None, Orders]
) -> set[Prefix]:
    """Add why prefixes moved that policy judged anew, or that are our own; all of these."""
    if judged:
        heard.causes = {**dict.fromkeys(judged, Cause("policy changed", why=policy(heard, *orders))), **heard.causes}
    if own:
        heard.causes = {**heard.causes, **dict.fromkeys(own, OWN)}
    return {*judged, *own}


def policy(heard: "Heard", before: Orders | None, after: Orders) -> str:
    """What of policy is another one than before."""
    words = [f"session {name}: {', '.join(change.fields)}" for name, change in sorted(heard.changes.items())]
    if before is not None:
        one, other = before.export.filters, after.export.filters
        names = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
        words += [f"BGPFilter {name}" for name in names]
    words += [f"session {name} is new" for name in sorted(heard.begun)]
    return ", ".join(words) or "addresses or blocks of this node"
