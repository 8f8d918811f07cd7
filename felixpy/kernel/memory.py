"""A Table in memory: for tests and dry runs. It passes the same contract suite as the kernel tables."""

from collections.abc import Mapping
from typing import Generic, TypeVar

from felixpy.model.errors import Refused
from felixpy.reconcile.plan import Plan

K = TypeVar("K")
V = TypeVar("V")


class MemoryTable(Generic[K, V]):
    """`rows` is the table; a key in `refuse` is refused with that reason."""

    def __init__(self, rows: Mapping[K, V] | None = None) -> None:
        self.rows: dict[K, V] = dict(rows or {})
        self.refuse: dict[K, str] = {}

    async def read(self) -> Mapping[K, V]:
        """A copy of the rows."""
        return dict(self.rows)

    async def apply(self, plan: Plan[K, V]) -> Mapping[K, Refused]:
        """Carry out `plan` but for the refused keys."""
        refused = {k: Refused(k, self.refuse[k]) for k in (*plan.write, *plan.erase) if k in self.refuse}
        self.rows.update({k: v for k, v in plan.write.items() if k not in refused})
        for key in plan.erase:
            if key not in refused:
                self.rows.pop(key, None)
        return refused
