"""The chosen path of every prefix, kept up to date piece by piece. Pure.

Equal to choosing everything anew, at the price of what changed: each next hop is resolved once, and it is known which
prefixes lean on it and which routes it would lean on.
"""

from collections.abc import Iterable, Iterator, Mapping

from birdpy.rib.best_path import Choice, Preferences, best_path, reachable
from birdpy.rib.next_hops import Ground, Resolution, resolve
from birdpy.rib.path import Path
from birdpy.rib.prefixes import Cover, PrefixMap, cover_of, covers
from birdpy.rib.table import Rib
from felixpy.model.addresses import Address, Prefix


class Selection:
    """What is chosen from a `Rib`, given the kernel's other routes."""

    def __init__(self, rib: Rib, ground: Ground, wanted: Preferences | None = None) -> None:
        self._rib, self._ground, self._wanted = rib, ground, wanted
        self._choices: PrefixMap[Choice] = PrefixMap()
        self._ways: dict[Address, Resolution] = {}
        self._users: dict[Address, set[Prefix]] = {}  # next hop -> prefixes with a path through it
        self._hops_of: dict[Prefix, frozenset[Address]] = {}
        self._covers: dict[
            Cover, set[Address]
        ] = {}  # which next hops a route to that prefix would cover; never the default

    def choice(self, prefix: Prefix) -> Choice | None:
        """What is chosen for exactly `prefix`."""
        return self._choices.get(prefix)

    @property
    def choices(self) -> Mapping[Prefix, Choice]:
        """All that is chosen."""
        return self._choices.items

    def way(self, next_hop: Address) -> Resolution:
        """How `next_hop` is reached."""
        found = self._ways.get(next_hop)
        return found if found is not None else resolve(next_hop, self._ground, self._learned)

    def update(self, touched: Iterable[Prefix]) -> set[Prefix]:
        """Choose anew for `touched` and for what leans on them; the prefixes whose choice or way changed."""
        changed: set[Prefix] = set()
        todo = set(touched)
        rounds = 0
        while todo and rounds < 8:  # leaning is at most four deep; more rounds would only chase an oscillation
            moved = {prefix for prefix in todo if self._choose(prefix)}
            changed |= moved
            rounds += 1
            todo = self._resolve_again({hop for prefix in moved for hop in self._leaning_on(prefix)})
            changed |= todo
        return changed

    def on(self, ground: Ground) -> set[Prefix]:
        """The kernel's other routes, a link or a neighbour changed; the prefixes whose choice or way changed."""
        self._ground = ground
        moved = self._resolve_again(self._ways)
        return moved | self.update(moved)

    def _choose(self, prefix: Prefix) -> bool:
        paths = self._rib.candidates(prefix)
        self._watch(prefix, frozenset(path.next_hop for path in paths if path.next_hop is not None))
        before = self._choices.get(prefix)
        after = best_path(reachable(paths, self._way_of), self._wanted)
        if before == after:
            return False
        if after is None:
            self._choices.pop(prefix)
        else:
            self._choices[prefix] = after
        return True

    def _way_of(self, path: Path) -> Resolution | None:
        return None if path.next_hop is None else self._ways[path.next_hop]

    def _resolve_again(self, next_hops: Iterable[Address]) -> set[Prefix]:
        moved: set[Prefix] = set()
        for next_hop in list(next_hops):
            after = resolve(next_hop, self._ground, self._learned)
            if self._ways.get(next_hop) != after:
                self._ways[next_hop] = after
                moved |= self._users.get(next_hop, set())
        return moved

    def _learned(self, address: Prefix | Address) -> Iterator[tuple[Prefix, tuple[Address, ...]]]:
        for prefix, choice in self._choices.covering(address):
            if choice.best.source == "bgp":
                yield prefix, tuple(path.next_hop for path in choice.multipath if path.next_hop is not None)

    def _watch(self, prefix: Prefix, hops: frozenset[Address]) -> None:
        """Keep the books on which prefix uses which next hop."""
        before = self._hops_of.get(prefix, frozenset())
        if hops == before:
            return
        for hop in hops - before:
            users = self._users.setdefault(hop, set())
            if not users:
                for cover in covers(hop):
                    self._covers.setdefault(cover, set()).add(hop)
                self._ways[hop] = resolve(hop, self._ground, self._learned)
            users.add(prefix)
        for hop in before - hops:
            self._users[hop].discard(prefix)
            if not self._users[hop]:
                self._forget(hop)
        if hops:
            self._hops_of[prefix] = hops
        else:
            del self._hops_of[prefix]

    def _forget(self, hop: Address) -> None:
        del self._users[hop], self._ways[hop]
        for cover in covers(hop):
            left = self._covers[cover]
            left.discard(hop)
            if not left:
                del self._covers[cover]

    def _leaning_on(self, prefix: Prefix) -> set[Address]:
        """The next hops that a route to `prefix` covers."""
        return self._covers.get(cover_of(prefix), set())
