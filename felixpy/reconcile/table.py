"""The one shape of every outside state: read what is ours, carry out a plan."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from felixpy.model.errors import Refused
from felixpy.reconcile.plan import Plan, diff

K = TypeVar("K")
V = TypeVar("V")


class Table(Protocol[K, V]):
    """Part of the outside world of which we own some keys.

    `read` returns only what is ours. `apply` writes (creates or replaces) and erases in one go, as fast as the
    other side takes it; erasing what is gone succeeds; each key that the other side refuses is in the answer with
    its reason and stops none of the others. Unreachable when the other side is not there at all.
    """

    async def read(self) -> Mapping[K, V]:
        """What is ours, read from the other side now."""
        ...

    async def apply(self, plan: Plan[K, V]) -> Mapping[K, Refused]:
        """Carry out `plan`; the refused keys."""
        ...


@dataclass(slots=True)
class Noticed(Generic[K, V]):
    """What happened to a table between two passes, mostly by others. A key is `found` or `gone`, not both."""

    found: dict[K, V] = field(default_factory=dict)  # rows that were not known, or hold something else than was known
    gone: dict[K, V] = field(default_factory=dict)  # rows that were known and are not there any more
    early: dict[K, V] = field(default_factory=dict)  # rows that we wrote before they were wanted (`Settler.ahead`)
    over: set[K] = field(default_factory=set)  # rows that were refused, are wanted no more, and are not there
    taken: set[K] = field(default_factory=set)  # rows as wanted that someone else removed or changed

    def __bool__(self) -> bool:
        return bool(self.found or self.gone or self.early or self.over or self.taken)


@dataclass(frozen=True, slots=True)
class Outcome(Generic[K, V]):
    """What was tried, which keys were refused, and what those of the plan held before, as far as that is known."""

    plan: Plan[K, V]
    refused: Mapping[K, Refused]
    before: Mapping[K, V] = field(default_factory=dict)
    noticed: Noticed[K, V] = field(default_factory=Noticed)  # since the outcome before this one


async def reconcile(desired: Mapping[K, V], table: Table[K, V], *, may_erase: bool) -> Outcome[K, V]:
    """Bring `table` to `desired`; one refused key does not stop the others."""
    plan = diff(desired, await table.read(), may_erase=may_erase)
    return Outcome(plan, await table.apply(plan) if plan else {})
