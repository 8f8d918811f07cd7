"""Join: the RIB as people see it: every path, the best, what decided, and whether the kernel has it."""

from collections.abc import Iterable

from birdpy.desired.fib import learned_route
from birdpy.rib.best_path import Choice
from birdpy.rib.next_hops import Resolved, Unresolved
from birdpy.rib.path import Path
from birdpy.rib.verdict import Accepted, Verdict
from birdpy.state import State
from felixpy.model.addresses import Prefix, contains, family
from felixpy.model.routes import Route, RouteKey
from felixpy.model.status import GatewayStatus, RibEntry, RibPath
from felixpy.reconcile.settle import Settler

SHARES = "shares the load with the best path"


def entries(state: State, prefix: Prefix | None) -> tuple[RibEntry, ...]:
    """What is known, of one prefix or of all; of an address, what its longest prefix has."""
    rib = state.learning.rib
    wanted: Iterable[Prefix] = rib
    if prefix is not None:
        found = nearest(state, prefix)
        wanted = [] if found is None else [found]
    return tuple(entry(state, each) for each in sorted(wanted, key=in_order))


def nearest(state: State, prefix: Prefix) -> Prefix | None:
    """`prefix` itself when something is known of it; for a host prefix else the longest one around it."""
    if state.learning.rib.held(prefix):
        return prefix
    if prefix.prefixlen < prefix.max_prefixlen:
        return None
    around = [each for each in state.learning.rib if contains(each, prefix)]
    return max(around, key=lambda each: each.prefixlen, default=None)


def in_order(prefix: Prefix) -> tuple[int, int, int]:
    """IPv4 first, by address, then by length."""
    return family(prefix), int(prefix.network_address), prefix.prefixlen


def entry(state: State, prefix: Prefix) -> RibEntry:
    """One prefix."""
    choice = state.learning.selection.choice(prefix)
    installed, reason = in_kernel(state, prefix, choice)
    key = state.orders.fib.key(prefix) if state.orders else None
    held = state.forwarding.settler.held.get(key) if key else None
    paths = [path_status(state, verdict, choice) for verdict in state.learning.rib.held(prefix)]
    return RibEntry(
        prefix=str(prefix),
        decided_by=choice.because if choice else "",
        installed=installed,
        paths=tuple(sorted(paths, key=lambda path: (not path.best, path.session))),
        reason=reason,
        gateways=tuple(
            GatewayStatus(via=str(hop.via), device=hop.device, weight=hop.weight, onlink=hop.onlink)
            for hop in (held.hops if held else ())
        ),
    )


def in_kernel(state: State, prefix: Prefix, choice: Choice | None) -> tuple[bool, str]:
    """Whether the kernel has what was chosen, and why not."""
    if state.orders is None or choice is None:
        return False, "no path may be chosen"
    settler = state.forwarding.settler
    key = state.orders.fib.key(prefix)
    if key not in state.fixed:
        made = learned_route(choice, state.learning.selection.way, state.orders.fib)
        if not isinstance(made, Route):
            return False, made
    held = settler.held.get(key)
    return held is not None and held == settler.desired.get(key), why_not_installed(settler, key)


def why_not_installed(settler: Settler[RouteKey, Route], key: RouteKey) -> str:
    """Why the kernel has not what is wanted under `key`; "" when it has."""
    refused = settler.refused((key,)).get(key)
    if refused is not None:
        return refused.reason
    return "" if settler.held.get(key) == settler.desired.get(key) else "not written yet"


def path_status(state: State, verdict: Verdict, choice: Choice | None) -> RibPath:
    """One path, as policy left it when it was accepted."""
    path = verdict.path if isinstance(verdict, Accepted) else verdict.received
    attributes = path.attributes
    best = choice is not None and path == choice.best
    stale = (path.prefix, path.path_id) in state.learning.rib.stale(path.session)
    return RibPath(
        source=path.source,
        session=path.session,
        peer=str(path.peer) if path.peer else None,
        next_hop=str(path.next_hop) if path.next_hop else None,
        as_path=tuple(int(asn) for asn in attributes.as_path),
        origin=attributes.origin.name.lower(),
        local_pref=attributes.local_pref,
        med=attributes.med,
        communities=tuple(f"{high}:{low}" for high, low in sorted(attributes.communities)),
        large_communities=tuple(":".join(map(str, each)) for each in sorted(attributes.large_communities)),
        extended_communities=tuple(sorted(attributes.extended_communities)),
        since=path.since or None,
        stale=stale,
        best=best,
        accepted=isinstance(verdict, Accepted),
        path_id=path.path_id,
        reason=last_resort(state, path) if best else why(state, verdict, path, choice),
    )


def last_resort(state: State, path: Path) -> str:
    """What speaks against the best path: nothing, unless there is none better."""
    way = None if path.next_hop is None else state.learning.selection.way(path)
    return f"last resort: {way.failing}" if isinstance(way, Resolved) and way.failing else ""


def why(state: State, verdict: Verdict, path: Path, choice: Choice | None) -> str:
    """Why a path is not the best one."""
    if not isinstance(verdict, Accepted):
        return verdict.text
    if path.next_hop is not None:
        way = state.learning.selection.way(path.next_hop)
        if isinstance(way, Unresolved):
            return f"next hop unresolved: {way.reason}"
    if choice is None:
        return ""
    return SHARES if path in choice.multipath else f"lost: {choice.because}"
