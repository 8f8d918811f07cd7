"""Join: turn shared nexthop objects at once when a next hop fails, before everything is worked out anew.

With 10,000 routes on one next hop, choosing anew for each takes longer than traffic should wait. So a few routes
of each group are asked where they would go; where all of them agree their whole group turns, by one message. Whoever
goes elsewhere is put right by the pass that follows, which looks at every route: until then it shares the others' way
instead of a dead one.
"""

from collections.abc import Collection, Iterable
from itertools import islice

from birdpy.desired.fib import Way, learned_route
from birdpy.peers import forgets
from birdpy.rib.best_path import best_path, reachable
from birdpy.rib.events import Down, Event
from birdpy.rib.next_hops import Resolution, Unresolved, resolve_firmly
from birdpy.rib.path import Path
from birdpy.state import State
from felixpy.kernel.nexthops import Nexthops
from felixpy.model.addresses import Address
from felixpy.model.routes import Hop, Route, RouteKey

ASKED = 8  # routes of a group
NOT_SAID = Unresolved("not settled by the kernel's own routes alone")


def before(events: Iterable[Event], state: State, nexthops: Nexthops | None) -> None:
    """Turn away from the sessions that end among `events`, if their paths go with them."""
    ends = [(state.peers.get(event.peer), event) for event in events if isinstance(event, Down)]
    gone = {peer.session.name for peer, event in ends if peer is not None and forgets(peer, event)}
    if gone:
        turn(state, nexthops, gone)


def turn(state: State, nexthops: Nexthops | None, gone: Collection[str] = ()) -> None:
    """Turn what `state.around` has just learned of, or the end of the sessions `gone`, will turn anyway."""
    if nexthops is None or state.orders is None:
        return
    way = ways_of(state)
    for number, keys in list(nexthops.users().items()):
        forecasts = {forecast(state, key, way, gone) for key in islice(keys, ASKED)}
        hops = forecasts.pop() if len(forecasts) == 1 else None
        if hops and nexthops.hops(number) not in (None, hops) and nexthops.turn(number, hops):
            state.forwarding.settler.again(keys)
            state.kernel_due.mark()


def ways_of(state: State) -> Way:
    """How next hops are reached from now on, as far as the kernel's own routes say."""
    ground = state.around.ground()
    known: dict[Address, Resolution] = {}

    def way(of: Path | Address) -> Resolution:
        hop = of.next_hop if isinstance(of, Path) else of
        assert hop is not None
        return known.get(hop) or known.setdefault(hop, resolve_firmly(hop, ground) or NOT_SAID)

    return way


def forecast(state: State, key: RouteKey, way: Way, gone: Collection[str]) -> tuple[Hop, ...] | None:
    """Where the route would lead; None when that is not for a forecast to say."""
    assert state.orders is not None
    if key in state.fixed or key in state.forwarding.found or key != state.orders.fib.key(key.prefix):
        return None
    paths = [path for path in state.learning.rib.candidates(key.prefix) if path.session not in gone]
    choice = best_path(reachable(paths, way), state.learning.selection.wanted)
    route = learned_route(choice, way, state.orders.fib) if choice is not None else ""
    return route.hops if isinstance(route, Route) else None
