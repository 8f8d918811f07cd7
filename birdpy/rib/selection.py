"""The chosen path of every prefix, kept up to date piece by piece. Pure.

What is chosen is a function of the table and of the kernel's other routes alone, never of how they came about: a path
leans only on routes that stand without the path's own prefix, so that no choice can take away its own ground (with
one table lookup per next hop instead, a better path that is only reachable by the worse one oscillates for ever).

A next hop that the kernel's own routes settle is resolved once for all prefixes ("firm"). The few others are resolved
for each prefix that uses them, and it is known which routes they would lean on.
"""

from collections.abc import Iterable, Iterator, Mapping

from birdpy.rib.best_path import Choice, Preferences, best_path, reachable
from birdpy.rib.next_hops import MAX_DEPTH, Chain, Ground, Resolution, resolve, resolve_firmly
from birdpy.rib.path import Path
from birdpy.rib.prefixes import Cover, PrefixMap, cover_of, covers
from birdpy.rib.table import Rib
from felixpy.model.addresses import Address, Prefix


class Selection:
    """What is chosen from a `Rib`, given the kernel's other routes."""

    def __init__(self, rib: Rib, ground: Ground, wanted: Preferences | None = None) -> None:
        self._rib, self._ground, self._wanted = rib, ground, wanted
        self._choices: dict[Prefix, Choice] = {}
        self._hops_of: PrefixMap[frozenset[Address]] = PrefixMap()  # prefixes with BGP paths, and their next hops
        self._users: dict[Address, set[Prefix]] = {}  # next hop -> prefixes with a path through it
        self._firm: dict[Address, Resolution] = {}
        self._soft: dict[Address, dict[Prefix, Resolution]] = {}  # not settled by the kernel: for each prefix
        self._covers: dict[Cover, set[Address]] = {}  # which soft next hops a route to that prefix would cover

    def choice(self, prefix: Prefix) -> Choice | None:
        """What is chosen for exactly `prefix`."""
        return self._choices.get(prefix)

    @property
    def choices(self) -> Mapping[Prefix, Choice]:
        """All that is chosen."""
        return self._choices

    def way(self, of: Path | Address) -> Resolution:
        """How the next hop of a path is reached, or an address that is no path's."""
        if not isinstance(of, Path):
            return self._firm.get(of) or resolve(of, self._ground, self._learned)
        assert of.next_hop is not None  # our own paths lead nowhere
        found = self._firm.get(of.next_hop) or self._soft.get(of.next_hop, {}).get(of.prefix)
        return found or self._resolved(of, ())

    def update(self, touched: Iterable[Prefix]) -> set[Prefix]:
        """Choose anew for `touched` and for what leans on them; the prefixes whose choice or way changed."""
        todo = set(touched)
        for prefix in todo:
            self._watch(prefix)
        todo |= self._leaning_on(todo)
        return {prefix for prefix in todo if self._choose(prefix)}

    def on(self, ground: Ground) -> set[Prefix]:
        """The kernel's other routes, a link or a neighbour changed; the prefixes whose choice or way changed."""
        self._ground = ground
        moved: set[Prefix] = set()
        todo: set[Prefix] = set()
        for hop, users in self._users.items():
            before, after = self._firm.get(hop), resolve_firmly(hop, ground)
            if before is None and after is None:
                todo |= users
            elif before != after:
                self._settle(hop, after)
                moved |= users
        todo |= moved
        todo |= self._leaning_on(todo)
        return moved | {prefix for prefix in todo if self._choose(prefix)}

    def _choose(self, prefix: Prefix) -> bool:
        """Choose for one prefix; whether the choice or one of its soft ways is another one now."""
        moved = False
        for hop in self._hops_of.get(prefix) or ():
            soft = self._soft.get(hop)
            if soft is not None:
                way = resolve(hop, self._ground, self._learned, (prefix,))
                moved = moved or soft.get(prefix) != way
                soft[prefix] = way
        before = self._choices.get(prefix)
        after = best_path(reachable(self._rib.candidates(prefix), self.way), self._wanted)
        if after is None:
            self._choices.pop(prefix, None)
        else:
            self._choices[prefix] = after
        return moved or before != after

    def _resolved(self, path: Path, leaning: Chain) -> Resolution:
        assert path.next_hop is not None
        return resolve(path.next_hop, self._ground, self._learned, (*leaning, path.prefix))

    def _learned(self, address: Address, leaning: Chain) -> Iterator[tuple[Prefix, tuple[Address, ...]]]:
        """The BGP routes that contain `address`, each as it would be chosen without leaning on `leaning`."""
        for prefix, _ in self._hops_of.covering(address):
            choice = None
            if prefix not in leaning:
                paths = self._rib.candidates(prefix)
                ways = reachable(paths, lambda path: self._resolved(path, leaning))
                choice = best_path(ways, self._wanted)
            shared = choice.multipath if choice is not None else ()
            yield prefix, tuple(path.next_hop for path in shared if path.next_hop is not None)

    def _watch(self, prefix: Prefix) -> None:
        """Keep the books on which prefix uses which next hop."""
        paths = self._rib.candidates(prefix)
        hops = frozenset(path.next_hop for path in paths if path.next_hop is not None)
        before = self._hops_of.get(prefix) or frozenset()
        if hops == before:
            return
        for hop in hops - before:
            users = self._users.setdefault(hop, set())
            if not users:
                self._settle(hop, resolve_firmly(hop, self._ground))
            users.add(prefix)
        for hop in before - hops:
            self._users[hop].discard(prefix)
            self._soft.get(hop, {}).pop(prefix, None)
            if not self._users[hop]:
                del self._users[hop]
                self._forget(hop)
        if hops:
            self._hops_of[prefix] = hops
        else:
            self._hops_of.pop(prefix)

    def _settle(self, hop: Address, firm: Resolution | None) -> None:
        """Note what the kernel says of `hop`; without an answer it is soft."""
        if firm is not None:
            self._forget(hop)
            self._firm[hop] = firm
            return
        self._firm.pop(hop, None)
        self._soft[hop] = {}
        for cover in covers(hop):
            self._covers.setdefault(cover, set()).add(hop)

    def _forget(self, hop: Address) -> None:
        self._firm.pop(hop, None)
        if self._soft.pop(hop, None) is not None:
            for cover in covers(hop):
                left = self._covers[cover]
                left.discard(hop)
                if not left:
                    del self._covers[cover]

    def _leaning_on(self, prefixes: set[Prefix]) -> set[Prefix]:
        """Every prefix with a path that may lean on one of `prefixes`, at any distance."""
        found: set[Prefix] = set()
        frontier = prefixes
        for _ in range(MAX_DEPTH + 1):
            if not self._covers or not frontier:
                break
            hops = {hop for prefix in frontier for hop in self._covers.get(cover_of(prefix), ())}
            frontier = {user for hop in hops for user in self._users[hop]} - found - prefixes
            found |= frontier
        return found
