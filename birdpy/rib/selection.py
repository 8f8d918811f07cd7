"""The chosen path of every prefix, kept up to date piece by piece. Pure.

What is chosen is a function of the table and of the kernel's other routes alone, never of how they came about: a path
leans only on routes that stand without the path's own prefix, so that no choice can take away its own ground (with
one table lookup per next hop instead, a better path that is only reachable by the worse one oscillates for ever).

A next hop that the kernel's own routes settle is resolved once for all prefixes ("firm"). The few others are resolved
for each prefix that uses them, and it is known which routes they would lean on.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass

from birdpy.rib.best_path import ONLY, Candidate, Choice, Preferences, best_path, reachable
from birdpy.rib.next_hops import MAX_DEPTH, Chain, Ground, Resolution, Unresolved, resolve, resolve_firmly
from birdpy.rib.path import Path
from birdpy.rib.prefixes import Cover, cover_of, covers
from birdpy.rib.table import Rib
from felixpy.model.addresses import Address, Prefix

UNKNOWN = Unresolved("not looked at yet")


DECIDED_KEPT = 1024


@dataclass(frozen=True, slots=True)
class Decided:
    """What came of one set of candidates; prefixes whose paths differ in nothing else share it."""

    offered: tuple[Candidate, ...]  # held so that nothing takes over the identities in its key
    because: str
    shares: tuple[int, ...]  # which of them share the load, the best first


class Selection:
    """What is chosen from a `Rib`, given the kernel's other routes."""

    def __init__(self, rib: Rib, ground: Ground, wanted: Preferences | None = None) -> None:
        self._rib, self._ground, self._wanted = rib, ground, wanted or Preferences()
        self._decided: dict[object, Decided] = {}
        self._choices: dict[Prefix, Choice] = {}
        self._offers: dict[Prefix, list[Candidate]] | None = None  # what may be chosen, when all of it is told
        self._firm: dict[Address, Resolution] = {}
        self._soft: dict[Address, dict[Prefix, Resolution]] = {}  # not settled by the kernel: for each user
        self._soft_of: dict[Prefix, frozenset[Address]] = {}  # the soft next hops of a prefix, where it has any
        self._covers: dict[Cover, set[Address]] = {}  # which soft next hops a route to that prefix would cover

    @property
    def wanted(self) -> Preferences:
        """What is asked of a choice."""
        return self._wanted

    def choice(self, prefix: Prefix) -> Choice | None:
        """What is chosen for exactly `prefix`."""
        return self._choices.get(prefix)

    @property
    def choices(self) -> Mapping[Prefix, Choice]:
        """All that is chosen."""
        return self._choices

    def keep_offers(self, *, wanted: bool) -> Set[Prefix]:
        """Whether paths that were not chosen count as well, for `ranked`; the prefixes that changed by that."""
        if wanted is (self._offers is not None):
            return frozenset()
        self._offers = {} if wanted else None
        return self.update(tuple(self._rib)) if wanted else frozenset()

    def ranked(self, prefix: Prefix, most: int) -> list[Path]:
        """The best paths to `prefix`, the best first: each is what would be chosen without those before it."""
        left = list((self._offers or {}).get(prefix, ()))
        found: list[Path] = []
        while left and len(found) < most:
            choice = best_path(left, self._wanted)
            assert choice is not None  # there is one at least
            found.append(choice.best)
            left = [candidate for candidate in left if candidate.path is not choice.best]
        return found

    def way(self, of: Path | Address) -> Resolution:
        """How the next hop of a path is reached, or an address that is no path's."""
        if not isinstance(of, Path):
            return self._firm.get(of) or resolve(of, self._ground, self._learned)
        assert of.next_hop is not None  # our own paths lead nowhere
        found = self._firm.get(of.next_hop) or self._soft.get(of.next_hop, {}).get(of.prefix)
        return found or self._resolved(of, ())

    def ways(self) -> Iterator[Resolution]:
        """How the next hops in use, or lately in use, are reached."""
        yield from self._firm.values()
        for of_each in self._soft.values():
            yield from of_each.values()

    def update(self, touched: Iterable[Prefix]) -> Set[Prefix]:
        """Choose anew for `touched` and what leans on them; the prefixes whose choice or way changed, in order."""
        known = {prefix: self._rib.candidates(prefix) for prefix in touched}
        for prefix, paths in known.items():
            self._watch(prefix, paths)
        changed = dict.fromkeys(prefix for prefix, paths in known.items() if self._choose(prefix, paths))
        for prefix in self._leaning_on(known.keys()):
            if self._choose(prefix, self._rib.candidates(prefix)):
                changed[prefix] = None
        return changed.keys()

    def on(self, ground: Ground) -> set[Prefix]:
        """The kernel's other routes, a link or a neighbour changed; the prefixes whose choice or way changed."""
        self._ground = ground
        before = {hop: self._firm.get(hop) for hop in (*self._firm, *self._soft)}
        after = {hop: resolve_firmly(hop, ground) for hop in before}
        moved = {hop for hop, way in after.items() if way != before[hop]}
        if not moved and not self._soft:
            return set()
        users = self._users_of(moved | self._soft.keys())
        self._firm = {h: way for h, way in after.items() if way is not None and (h in users or h not in moved)}
        for hop in moved:
            if before[hop] is None or after[hop] is None:  # else it was firm and stays so: the books are right
                for prefix in users.get(hop, ()):
                    self._watch(prefix, self._rib.candidates(prefix))
        todo = {prefix for prefixes in users.values() for prefix in prefixes}
        todo |= self._leaning_on(todo)
        changed = {prefix for prefix in todo if self._choose(prefix, self._rib.candidates(prefix))}
        return changed | {prefix for hop in moved for prefix in users.get(hop, ())}

    def _users_of(self, hops: Collection[Address]) -> dict[Address, list[Prefix]]:
        """Which prefixes have a path through each of `hops`. Walks the table."""
        found: dict[Address, list[Prefix]] = {hop: [] for hop in hops}
        lists: dict[int, list[Prefix] | None] = {}  # by identity: an address hashes slowly
        for prefix in self._rib:
            for path in self._rib.candidates(prefix):
                hop = path.next_hop
                if hop is not None:
                    users = lists[id(hop)] if id(hop) in lists else lists.setdefault(id(hop), found.get(hop))
                    if users is not None:
                        users.append(prefix)
        return {hop: prefixes for hop, prefixes in found.items() if prefixes}

    def _choose(self, prefix: Prefix, paths: list[Path]) -> bool:
        """Choose for one prefix; whether the choice or one of its soft ways is another one now."""
        moved = False
        for hop in self._soft_of.get(prefix, ()) if self._soft_of else ():
            way = resolve(hop, self._ground, self._learned, (prefix,))
            moved = moved or self._soft[hop].get(prefix) != way
            self._soft[hop][prefix] = way
        before = self._choices.get(prefix)
        if before is None and not moved and self._offers is None and len(paths) == 1:  # a table that fills
            return self._only(prefix, paths[0])
        offered = reachable(paths, self.way)
        if self._offers is not None:
            moved = moved or self._offers.get(prefix, []) != offered
            self._offers[prefix] = offered
            if not offered:
                del self._offers[prefix]
        after = self._decide(offered)
        if before == after:
            return moved
        if after is None:
            del self._choices[prefix]
        else:
            self._choices[prefix] = after
        return True

    def _only(self, prefix: Prefix, path: Path) -> bool:
        """`_choose` where there was nothing and now is one path."""
        if path.next_hop is not None and isinstance(self.way(path), Unresolved):
            return False
        self._choices[prefix] = Choice(path, ONLY, (path,))
        return True

    def _decide(self, offered: list[Candidate]) -> Choice | None:
        """`best_path`, asked once for all prefixes that have the same paths over the same ways."""
        if len(offered) < 2 or self._wanted.prefer_oldest:  # age differs from prefix to prefix
            return best_path(offered, self._wanted)
        key = tuple(
            (id(c.path.attributes), id(c.way), c.path.session, c.path.path_id, c.path.peer_id, c.path.external)
            for c in offered
        )
        known = self._decided.get(key)
        if known is None:
            choice = best_path(offered, self._wanted)
            assert choice is not None  # there are two at least
            if len(self._decided) >= DECIDED_KEPT:
                self._decided.clear()
            place = {id(candidate.path): number for number, candidate in enumerate(offered)}
            shares = tuple(place[id(path)] for path in choice.multipath)
            known = self._decided[key] = Decided(tuple(offered), choice.because, shares)
        multipath = tuple(offered[number].path for number in known.shares)
        return Choice(multipath[0], known.because, multipath)

    def _resolved(self, path: Path, leaning: Chain) -> Resolution:
        assert path.next_hop is not None
        return resolve(path.next_hop, self._ground, self._learned, (*leaning, path.prefix))

    def _learned(self, address: Address, leaning: Chain) -> Iterator[tuple[Prefix, tuple[Address, ...]]]:
        """The BGP routes that contain `address`, each as it would be chosen without leaning on `leaning`."""
        for prefix in self._rib.covering(address):
            paths = [path for path in self._rib.candidates(prefix) if path.source == "bgp"]
            if paths:
                ways = [] if prefix in leaning else reachable(paths, lambda path: self._resolved(path, leaning))
                choice = best_path(ways, self._wanted)
                shared = choice.multipath if choice is not None else ()
                yield prefix, tuple(path.next_hop for path in shared if path.next_hop is not None)

    def _watch(self, prefix: Prefix, paths: list[Path]) -> None:
        """Keep the books on the next hops of a prefix; the firm ones need none."""
        soft: set[Address] = set()
        for path in paths:
            hop = path.next_hop
            if hop is not None and hop not in self._firm:
                firm = None if hop in self._soft else resolve_firmly(hop, self._ground)
                if firm is None:
                    soft.add(hop)
                else:
                    self._firm[hop] = firm
        before = self._soft_of.get(prefix, frozenset()) if self._soft_of else frozenset()
        for hop in soft - before:
            if hop not in self._soft:
                self._soft[hop] = {}
                for cover in covers(hop):
                    self._covers.setdefault(cover, set()).add(hop)
            self._soft[hop][prefix] = UNKNOWN
        for hop in before - soft:
            self._release(hop, prefix)
        if soft:
            self._soft_of[prefix] = frozenset(soft)
        elif before:
            del self._soft_of[prefix]

    def _release(self, hop: Address, prefix: Prefix) -> None:
        users = self._soft[hop]
        del users[prefix]
        if not users:
            del self._soft[hop]
            for cover in covers(hop):
                left = self._covers[cover]
                left.discard(hop)
                if not left:
                    del self._covers[cover]

    def _leaning_on(self, prefixes: Set[Prefix]) -> set[Prefix]:
        """Every other prefix with a path that may lean on one of `prefixes`, at any distance."""
        found: set[Prefix] = set()
        frontier: Set[Prefix] = prefixes
        for _ in range(MAX_DEPTH + 1):
            if not self._covers or not frontier:
                break
            hops = {hop for prefix in frontier for hop in self._covers.get(cover_of(prefix), ())}
            frontier = {user for hop in hops for user in self._soft[hop]} - found - prefixes
            found |= frontier
        return found


__all__ = ["Selection"]
