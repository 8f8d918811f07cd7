"""Rows about some nodes, each counted for all the nodes that these stand for. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from felixpy.insight.plan.classes import NodeClass

R = TypeVar("R")
Pattern = tuple[tuple[int, int], ...]


@dataclass
class Ledger(Generic[R]):
    """Rows by the nodes that they are about: who acts, then who else is concerned.

    Of the tuples of nodes that only their places in the classes tell apart the first one counts, for all of them.
    """

    classes: Iterable[NodeClass]
    _entries: dict[tuple[str, ...], list[tuple[object, R]]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        """Number the classes."""
        self.classes = tuple(self.classes)
        self._number = {name: i for i, one in enumerate(self.classes) for name in one.kept}
        self._place = {name: i for one in self.classes for i, name in enumerate(one.kept)}
        self._sizes = [(len(one.members), len(one.kept)) for one in self.classes]

    def add(self, nodes: tuple[str, ...], looks: object, row: R) -> None:
        """One row; `looks` is equal for rows that say the same but for the nodes' names."""
        self._entries[nodes].append((looks, row))

    def rows(self) -> Iterator[tuple[int, R]]:
        """Each row that counts, and how many rows it stands for, itself among them."""
        for nodes, entries in self._entries.items():
            count = self._weight(nodes)
            for _, row in entries if count else ():
                yield count, row

    def uniform(self) -> bool:
        """Whether nodes of one class behaved alike: if not, the counts are estimates."""
        said: dict[Pattern, list[Mapping[object, int]]] = defaultdict(list)
        for nodes, entries in self._entries.items():
            said[self._pattern(nodes)].append(Counter(looks for looks, _ in entries))
        return all(
            len(counts) == self._possible(pattern) and all(it == counts[0] for it in counts)
            for pattern, counts in said.items()
        )

    def _pattern(self, nodes: tuple[str, ...]) -> Pattern:
        return tuple((self._number[name], nodes.index(name)) for name in nodes)

    def _weight(self, nodes: tuple[str, ...]) -> int:
        """How many tuples these nodes stand for; 0 when another tuple stands for them."""
        used: Counter[int] = Counter()
        weight = 1
        for name in dict.fromkeys(nodes):
            number = self._number[name]
            if self._place[name] != used[number]:
                return 0
            weight *= self._sizes[number][0] - used[number]
            used[number] += 1
        return weight

    def _possible(self, pattern: Pattern) -> int:
        """Among the nodes that are worked out, how many tuples there are of that pattern."""
        used: Counter[int] = Counter()
        found = 1
        for i, (number, first) in enumerate(pattern):
            if first == i:
                found *= self._sizes[number][1] - used[number]
                used[number] += 1
        return found

    def every(self) -> list[R]:
        """All rows, also those that others stand for."""
        return [row for entries in self._entries.values() for _, row in entries]
