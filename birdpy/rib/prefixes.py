"""Values by prefix, and what routing asks of them: longest match, what covers what. Pure."""

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from felixpy.model.addresses import Address, Family, Prefix, family

V = TypeVar("V")

Cover = tuple[Family, int, int]  # family, length, leading bits: a prefix as numbers, cheap to make and to look up
WIDTH: dict[Family, int] = {4: 32, 6: 128}


class PrefixMap(Generic[V]):
    """A mapping from prefixes of both families. Every question costs one lookup per prefix length in use."""

    __slots__ = ("_items", "_lengths", "_tables")

    def __init__(self, items: dict[Prefix, V] | None = None) -> None:
        self._items: dict[Prefix, V] = {}
        self._tables: dict[Family, dict[int, dict[int, tuple[Prefix, V]]]] = {4: {}, 6: {}}
        self._lengths: dict[Family, tuple[int, ...]] = {4: (), 6: ()}  # longest first
        for prefix, value in (items or {}).items():
            self[prefix] = value

    def __setitem__(self, prefix: Prefix, value: V) -> None:
        kind, length, bits = cover_of(prefix)
        table = self._tables[kind].setdefault(length, {})
        if not table:
            self._lengths[kind] = tuple(sorted(self._tables[kind], reverse=True))
        table[bits] = prefix, value
        self._items[prefix] = value

    def pop(self, prefix: Prefix) -> V | None:
        """Remove `prefix`; its value, or None when it was not here."""
        if prefix not in self._items:
            return None
        kind, length, bits = cover_of(prefix)
        table = self._tables[kind][length]
        del table[bits]
        if not table:
            del self._tables[kind][length]
            self._lengths[kind] = tuple(sorted(self._tables[kind], reverse=True))
        return self._items.pop(prefix)

    def get(self, prefix: Prefix) -> V | None:
        """The value of exactly `prefix`."""
        return self._items.get(prefix)

    @property
    def items(self) -> Mapping[Prefix, V]:
        """All members: a view, not a copy."""
        return self._items

    def __contains__(self, prefix: object) -> bool:
        return prefix in self._items

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Prefix]:
        return iter(self._items)

    def covering(self, inner: Address | Prefix) -> Iterator[tuple[Prefix, V]]:
        """Every member that is `inner` or contains it, the most specific first."""
        kind = family(inner)
        width = WIDTH[kind]
        number, longest = _number(inner, width)
        tables = self._tables[kind]
        for length in self._lengths[kind]:
            if length <= longest:
                found = tables[length].get(number >> (width - length))
                if found is not None:
                    yield found

    def longest(self, inner: Address | Prefix) -> tuple[Prefix, V] | None:
        """The most specific member that is `inner` or contains it."""
        return self.above(cover_of(inner))

    def above(self, inner: Cover) -> tuple[Prefix, V] | None:
        """`longest` of a prefix as numbers: for who asks several maps about it."""
        kind, longest, bits = inner
        tables = self._tables[kind]
        for length in self._lengths[kind]:  # not `next(self.covering(inner))`: this is asked for every UPDATE
            if length <= longest:
                found = tables[length].get(bits >> (longest - length))
                if found is not None:
                    return found
        return None


def by_number(prefix: Prefix) -> tuple[int, int, int]:
    """The order in which people read prefixes: IPv4 first, by address, the shorter one first."""
    return family(prefix), int(prefix.network_address), prefix.prefixlen


def cover_of(value: Address | Prefix) -> Cover:
    """A prefix as numbers, or the prefix of an address alone."""
    kind = family(value)
    if isinstance(value, Prefix):
        length = value.prefixlen
        return kind, length, int(value.network_address) >> (WIDTH[kind] - length)
    return kind, WIDTH[kind], int(value)


def covers(inner: Address | Prefix, shortest: int = 1) -> Iterator[Cover]:
    """Every prefix that is `inner` or contains it and is at least `shortest` long."""
    kind = family(inner)
    width = WIDTH[kind]
    number, longest = _number(inner, width)
    return ((kind, length, number >> (width - length)) for length in range(shortest, longest + 1))


def _number(value: Address | Prefix, width: int) -> tuple[int, int]:
    """The address bits and how many of them count."""
    if isinstance(value, Prefix):
        return int(value.network_address), value.prefixlen
    return int(value), width


__all__ = ["PrefixMap"]
