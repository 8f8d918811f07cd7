"""Can a BGP next hop be reached, and by which gateways and devices. Pure.

A next hop is resolved recursively: through non-BGP routes that say something about it, then through BGP routes, then
through the default route, which says nothing about it in particular. A covering route with a gateway gives that
gateway (asking for the next hop itself on that wire would be asking for a host behind a router); a device route gives
the next hop itself.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from math import gcd

from felixpy.model.addresses import Address, Prefix
from felixpy.model.fib import ConnectedRoute, ConnectedRoutes
from felixpy.model.routes import Device, Hop

MAX_DEPTH = 4  # routes that lean on routes; deeper is a mistake or an attack
MAX_WEIGHT = 256  # rtnh_hops is one byte and counts from 0


@dataclass(frozen=True, slots=True)
class Resolved:
    """How packets for a next hop leave. `distance` 0 is on the wire; each route that is leaned on adds one."""

    hops: tuple[Hop, ...]
    through: tuple[Prefix, ...]  # the routes that were leaned on, the first one covering the next hop itself
    distance: int = 0
    failing: str = ""  # why this is only a last resort: a device without carrier, a neighbour that does not answer


@dataclass(frozen=True, slots=True)
class Unresolved:
    """Why there is no way to a next hop."""

    reason: str


Resolution = Resolved | Unresolved
Chain = tuple[Prefix, ...]
Learned = Callable[[Address, Chain], Iterator[tuple[Prefix, tuple[Address, ...]]]]


@dataclass(frozen=True, slots=True)
class Ground:
    """What resolving stands on: the kernel's non-BGP routes, and what is known to be out of order."""

    routes: ConnectedRoutes
    down: Collection[Device] = frozenset()  # no carrier, or set down
    failed: Collection[tuple[Address, Device]] = frozenset()  # neighbours that do not answer
    forced: Collection[tuple[Address, Device]] = frozenset()  # the kernel refused the plain form: say onlink
    ignored: ConnectedRoutes = field(default_factory=ConnectedRoutes)  # not to be stood on: only to say so


def no_bgp_routes(_address: Address, _leaning: Chain) -> Iterator[tuple[Prefix, tuple[Address, ...]]]:
    """The `Learned` of a table that holds nothing."""
    return iter(())


def resolve(next_hop: Address, ground: Ground, learned: Learned = no_bgp_routes, leaning: Chain = ()) -> Resolution:
    """The way to `next_hop`.

    `leaning` holds the prefix whose path this is and every BGP route that is leaned on so far: no route leans on
    itself, at any distance. `learned` gives the BGP routes that contain an address, the most specific first, each
    with the next hops that it would have if it must not lean on `leaning` (none: it leads nowhere then).
    """
    firm = resolve_firmly(next_hop, ground)
    if firm is not None:
        return firm
    reason = ""
    if len(leaning) > MAX_DEPTH:
        reason = f"more than {MAX_DEPTH} BGP routes lean on each other"
    else:
        for prefix, next_hops in learned(next_hop, leaning):
            if prefix.prefixlen == 0:
                continue
            if prefix in leaning or next_hop in next_hops:
                reason = reason or "only a route through itself leads there"
                continue
            found = _over_bgp(prefix, next_hops, ground, learned, leaning)
            if isinstance(found, Resolved):
                return found
            reason = reason or f"through {prefix}: {found.reason}"
    default = ground.routes.covering(next_hop)
    if default:
        return _over_kernel(next_hop, default, ground)
    for way in ground.ignored.covering(next_hop):
        return Unresolved(f"{way.device}, the way to {next_hop}, is among BGPConfiguration's ignoredInterfaces")
    return Unresolved(reason or f"no route to {next_hop}")


def resolve_firmly(next_hop: Address, ground: Ground) -> Resolution | None:
    """What a non-BGP route says of `next_hop`; None: only the default route does."""
    plain = ground.routes.covering(next_hop)
    return _over_kernel(next_hop, plain, ground) if plain and plain[0].prefix.prefixlen > 0 else None


def _over_kernel(next_hop: Address, ways: tuple[ConnectedRoute, ...], ground: Ground) -> Resolution:
    hops: list[tuple[Hop, str]] = []
    for way in ways:
        if way.device is None:
            return Unresolved(f"{way.prefix}, which covers {next_hop}, leads nowhere on this node")
        via = way.gateway or next_hop
        onlink = way.onlink if way.gateway else (via, way.device) in ground.forced
        hops.append((Hop(via, way.device, 1, onlink), _trouble(via, way.device, ground)))
    healthy = [hop for hop, trouble in hops if not trouble]
    return Resolved(
        merged(healthy or [hop for hop, _ in hops]),
        (ways[0].prefix,),
        0 if any(way.gateway is None for way in ways) else 1,
        "" if healthy else hops[0][1],
    )


def _trouble(via: Address, device: Device, ground: Ground) -> str:
    if device in ground.down:
        return f"{device} is down"
    return f"neighbour {via} on {device} does not answer" if (via, device) in ground.failed else ""


def _over_bgp(
    prefix: Prefix, next_hops: tuple[Address, ...], ground: Ground, learned: Learned, leaning: Chain
) -> Resolution:
    answers = [resolve(hop, ground, learned, (*leaning, prefix)) for hop in next_hops]
    found = [answer for answer in answers if isinstance(answer, Resolved)]
    if not found:
        return next((a for a in answers if isinstance(a, Unresolved)), Unresolved("its own next hop is unresolved"))
    best = [answer for answer in found if not answer.failing] or found
    return Resolved(
        merged(hop for answer in best for hop in answer.hops),
        (prefix, *best[0].through),
        1 + max(answer.distance for answer in best),
        best[0].failing,
    )


def merged(hops: Iterable[Hop]) -> tuple[Hop, ...]:
    """Sorted, one hop per gateway and device; weights of equal ones are added, then shortened, 1..256."""
    weights: dict[tuple[Address, Device, bool], int] = {}
    for hop in hops:
        key = (hop.via, hop.device, hop.onlink)
        weights[key] = weights.get(key, 0) + hop.weight
    shorter = gcd(*weights.values())
    made = [
        Hop(via, device, min(weight // shorter, MAX_WEIGHT), onlink)
        for (via, device, onlink), weight in weights.items()
    ]
    return tuple(sorted(made, key=lambda hop: (hop.via.version, hop.via.packed, hop.device)))


__all__ = ["Ground", "Resolution", "Resolved", "Unresolved", "resolve"]
