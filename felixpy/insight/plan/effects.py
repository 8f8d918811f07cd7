"""What peers hear and kernels hold afterwards, and what is missing in between. Pure."""

from collections import defaultdict
from collections.abc import Mapping

from birdpy.rib.advertisement import Advertisement
from birdpy.rib.path import Path
from birdpy.rib.prefixes import by_number
from felixpy.insight.plan.ledger import Ledger
from felixpy.insight.plan.network import Network, Router
from felixpy.insight.plan.rows import Announcement, Loss, RouteRow
from felixpy.model.addresses import Address, Prefix
from felixpy.model.routes import Route, RouteKey, RouteKind

Owners = Mapping[Prefix, tuple[str, int]]  # prefix -> the node that has it, and which of its prefixes that is


def owners(before: Network, after: Network) -> Owners:
    """Whose prefix each is: of the node that announces it alone, before or after."""
    found: dict[Prefix, str] = {}
    many: set[Prefix] = set()
    for made in (before, after):
        mine = {prefix: name for name, router in made.routers.items() for prefix in router.orders.paths}
        for name, router in made.routers.items():
            for prefix in router.orders.paths:
                if mine[prefix] != name:
                    many.add(prefix)  # service routes: several nodes have them
        found |= mine
    ranked: dict[str, list[Prefix]] = defaultdict(list)
    for prefix, name in found.items():
        if prefix not in many:
            ranked[name].append(prefix)
    return {
        prefix: (name, place)
        for name, of_one in ranked.items()
        for place, prefix in enumerate(sorted(of_one, key=lambda it: (it.prefixlen, by_number(it))))
    }


def announcement_rows(before: Network, after: Network, whose: Owners, into: Ledger[Announcement]) -> None:
    """Write down every prefix that a peer hears of otherwise."""
    for name in dict.fromkeys((*before.routers, *after.routers)):
        old, new = _told(before.routers.get(name)), _told(after.routers.get(name))
        for at in dict.fromkeys((*old, *new)):
            one, other = old.get(at), new.get(at)
            if one == other:
                continue
            peer, prefix = at
            action = "announced" if one is None else "withdrawn" if other is None else "changed"
            known = other or one
            assert known is not None  # before or after there is one
            far = after.far.get((name, peer)) or before.far.get((name, peer)) or ""
            owner, place = whose.get(prefix, ("", str(prefix)))
            row = Announcement(
                node=name, peer=far or str(peer), prefix=str(prefix), action=action,
                rule=known.origin.name if known.origin else "",
            )  # fmt: skip
            nodes = tuple(it for it in (name, far, owner) if it)
            into.add(nodes, (action, place, bool(far), "" if far else peer), row)


def route_rows(before: Network, after: Network, whose: Owners, into: Ledger[RouteRow]) -> None:
    """Write down every route of a kernel that is another one, new or gone."""
    for name in dict.fromkeys((*before.routers, *after.routers)):
        old, new = _kernel(before.routers.get(name)), _kernel(after.routers.get(name))
        for key in dict.fromkeys((*old, *new)):
            one, other = old.get(key), new.get(key)
            said = _said(one), _said(other)
            if said[0] == said[1]:
                continue
            action = "added" if one is None else "removed" if other is None else "changed"
            kind = "blackhole" if "blackhole" in said else "learned"
            owner, place = whose.get(key.prefix, ("", str(key.prefix)))
            row = RouteRow(
                node=name, prefix=str(key.prefix), kind=kind, action=action, before=said[0], after=said[1]
            )  # fmt: skip
            into.add((name, owner) if owner else (name,), (action, kind, place), row)


def losses(networks: tuple[Network, Network, Network], whose: Owners, into: Ledger[Loss]) -> None:
    """Write down what is reached before and after, and not in between."""
    before, between, after = networks
    for name in before.routers.keys() & after.routers.keys():
        kept = _kernel(between.routers.get(name))
        for key, route in _kernel(before.routers[name]).items():
            if key in after.routers[name].kernel and key not in kept and route.kind is RouteKind.LEARNED:
                owner, place = whose.get(key.prefix, ("", str(key.prefix)))
                row = Loss(node=name, prefix=str(key.prefix))
                into.add((name, owner) if owner else (name,), place, row)


def path_of(router: Router, prefix: Prefix) -> Path | None:
    """The chosen path of a prefix."""
    choice = router.selection.choice(prefix)
    return choice.best if choice else None


def _told(router: Router | None) -> Mapping[tuple[Address, Prefix], Advertisement]:
    return {(key.peer, key.prefix): it for key, it in router.told.items()} if router else {}


def _kernel(router: Router | None) -> Mapping[RouteKey, Route]:
    return router.kernel if router else {}


def _said(route: Route | None) -> str:
    if route is None:
        return ""
    if route.kind is RouteKind.BLACKHOLE:
        return "blackhole"
    return ", ".join(f"via {hop.via}" for hop in route.hops)
