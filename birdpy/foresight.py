"""Join: turn the routes that share a way out when it fails, before everything is worked out anew.

With 10,000 routes on one next hop, choosing anew for each takes longer than traffic should wait. So a few routes
of each group are asked where they would go; where all of them agree their whole group turns: by one message when it
names a nexthop object, else by one message of one shape for each route. Whoever goes elsewhere is put right by the
pass that follows, which looks at every route: until then it shares the others' way instead of a dead one.
"""

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from itertools import islice

from msgspec.structs import replace

from birdpy.desired.fib import Way, learned_route
from birdpy.peers import forgets
from birdpy.rib.best_path import best_path, reachable
from birdpy.rib.events import Down, Event
from birdpy.rib.next_hops import Resolution, Unresolved, resolve_firmly
from birdpy.rib.path import Path
from birdpy.state import State
from felixpy.kernel.nexthops import Nexthops
from felixpy.model.addresses import Address
from felixpy.model.errors import Unreachable
from felixpy.model.routes import Hop, Route, RouteKey

ASKED = 8  # routes of a group
MANY = 64  # routes without an object that are worth it: fewer are worked out just as soon
NOT_SAID = Unresolved("not settled by the kernel's own routes alone")


async def before(events: Iterable[Event], state: State, nexthops: Nexthops | None, now: float) -> None:
    """Turn away from the sessions that end among `events`, if their paths go with them."""
    ends = [(state.peers.get(event.peer), event) for event in events if isinstance(event, Down)]
    gone = {peer.session.name for peer, event in ends if peer is not None and forgets(peer, event)}
    if gone:
        await turn(state, nexthops, now, gone)


async def turn(state: State, nexthops: Nexthops | None, now: float, gone: Collection[str] = ()) -> None:
    """Turn what `state.around` has just learned of, or the end of the sessions `gone`, will turn anyway."""
    if state.orders is None:
        return
    if nexthops is not None:
        turn_groups(state, nexthops, gone)
    elif not state.forwarding.settler.reads(now):  # what the kernel holds is in doubt: nothing to build on
        routes = turned(state, gone)
        if routes:
            state.kernel_due.mark()
            with suppress(Unreachable):  # the pass that follows says so
                await state.forwarding.ahead(routes, now)


def turn_groups(state: State, nexthops: Nexthops, gone: Collection[str]) -> None:
    """Turn the nexthop objects all of whose users would leave by other ways."""
    way = ways_of(state)
    for number, keys in list(nexthops.users().items()):
        hops = agreed(state, list(islice(keys, ASKED)), way, gone)
        if hops and nexthops.hops(number) not in (None, hops) and nexthops.turn(number, hops):
            state.forwarding.settler.again(keys)
            state.kernel_due.mark()


def turned(state: State, gone: Collection[str]) -> dict[RouteKey, Route]:
    """The routes that will leave by other ways, as their whole group does, with these."""
    way = ways_of(state)
    found: dict[RouteKey, Route] = {}
    for routes in state.forwarding.alike():
        if len(routes) >= MANY:
            hops = agreed(state, [route.key for route in routes[:: len(routes) // ASKED]], way, gone)
            if hops and hops != routes[0].hops:
                found |= {route.key: replace(route, hops=hops) for route in routes if route.key not in state.fixed}
    return found


def agreed(state: State, keys: Sequence[RouteKey], way: Way, gone: Collection[str]) -> tuple[Hop, ...] | None:
    """Where all these routes would lead; None when they differ."""
    forecasts = {forecast(state, key, way, gone) for key in keys}
    return forecasts.pop() if len(forecasts) == 1 else None


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
