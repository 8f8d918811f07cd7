"""Keep one table as wanted for as long as a daemon runs. Pure but for awaits: the time is an argument.

`reconcile` reads and compares the whole table. A Settler does that when it starts, when it is asked to, and on a
timer; in between it works on the keys that were touched, so one more change costs its own work and not the table's.
What it remembers of the table is only a guess to save that work: whatever a notification puts in doubt is written
again or read again, and the timer stands behind the notifications.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Generic, TypeVar

from felixpy.model.errors import Refused
from felixpy.reconcile.plan import Plan, diff
from felixpy.reconcile.retry import Retries, Standing
from felixpy.reconcile.table import Noticed, Outcome, Table

K = TypeVar("K")
V = TypeVar("V")


class Settler(Generic[K, V]):
    """The wanted rows of one table, the keys in doubt, and when to look again. One task settles; any may mark."""

    def __init__(
        self,
        table: Table[K, V],
        *,
        resync_s: float = 90.0,
        doubt: Callable[[Collection[K]], None] = lambda _: None,
    ) -> None:
        """`doubt` tells the table which keys of the next plan someone else may have taken."""
        self.table = table
        self.resync_s = resync_s
        self._tell_doubt = doubt
        self._desired: dict[K, V] = {}
        self.desired: Mapping[K, V] = MappingProxyType(self._desired)  # what is wanted
        self._held: dict[K, V] = {}  # last read, and what was applied since
        self._dirty: dict[K, None] = {}  # in the order of marking: some rows must be written before others
        self._doubted: set[K] = set()  # dirty, and `_held` says nothing about them
        self._read_at = 0.0
        self._must_read = True
        self._might_erase = False
        self._retries: Retries[K] = Retries()
        self._noticed: Noticed[K, V] = Noticed()

    @property
    def held(self) -> Mapping[K, V]:
        """What the table held when it was last read, and what was applied since: for status only."""
        return MappingProxyType(self._held)

    @property
    def repairs(self) -> int:
        """How often someone else changed or removed a row of ours, since the start."""
        return self._retries.lost_ever

    @property
    def may_erase(self) -> bool:
        """What the last settling was allowed."""
        return self._might_erase

    def want(self, desired: Mapping[K, V]) -> None:
        """Everything that is wanted, now: what differs from before is dirty."""
        for key in self._desired.keys() - desired.keys():
            self.drop(key)
        for key, value in desired.items():
            self.put(key, value)

    def put(self, key: K, value: V) -> None:
        """One row is wanted, with this value."""
        before = self._desired.get(key)
        if before is None or before != value:
            self._dirty[key] = None
            self._retries.forgive(key)
        self._desired[key] = value  # equal values may still differ in what does not count, such as their origin

    def drop(self, key: K) -> None:
        """One row is not wanted any more."""
        if self._desired.pop(key, None) is not None:
            self._dirty[key] = None
            self._retries.forgive(key)

    def changed(self, keys: Iterable[K], now: float) -> None:
        """Someone else changed or removed these rows: written back, but not without end (reconcile/retry)."""
        for key in keys:
            if key in self._desired and key in self._held and key not in self._doubted:
                self._lost(key, now)
            self._doubt(key)

    def seen(self, key: K, value: V, now: float) -> None:
        """A notification said what a row holds now, whoever wrote it."""
        wanted, before = self._desired.get(key), self._held.get(key)
        self._held[key] = value
        self._doubted.discard(key)
        if before != value:
            self._noticed.gone.pop(key, None)
            self._noticed.found[key] = value
        if wanted != value:
            if wanted is not None and before == wanted:
                self._lost(key, now)
            self._dirty[key] = None

    def excuse(self, keys: Iterable[K]) -> None:
        """The kernel itself may have changed these rows, or takes them now (their device went down or up).

        They are read before they are written: most of the time they are as they were.
        """
        for key in keys:
            self._retries.forgive(key)
            self._doubted.add(key)
        self._must_read = True

    def again(self, keys: Iterable[K]) -> None:
        """Write these rows again, whatever they are now: for tables that compare before they write."""
        for key in keys:
            self._retries.forgive(key)
            self._doubt(key)

    def resync(self) -> None:
        """Read the whole table at the next settling."""
        self._must_read = True

    def due_at(self) -> float:
        """When there is something to do: 0 for now."""
        if self._dirty or self._must_read:
            return 0.0
        return min(self._read_at + self.resync_s, self._retries.next_at())

    def reads(self, now: float) -> bool:
        """Whether the next settling reads the whole table."""
        return self._must_read or now >= self._read_at + self.resync_s

    def troubles(self, now: float) -> Iterator[tuple[K, Standing]]:
        """The keys that are refused or contested."""
        self._retries.forget(now)
        return iter(tuple(self._retries.standing.items()))

    def settled(self, keys: Iterable[K]) -> bool:
        """Whether each of these keys was tried since it was last in doubt: it is as wanted, or it is refused."""
        return not self._must_read and self._dirty.keys().isdisjoint(keys)

    def refused(self, keys: Iterable[K]) -> Mapping[K, Refused]:
        """Why those of `keys` that are not as wanted are not."""
        standing = self._retries.standing
        return {key: standing[key].refused for key in keys if key in standing}

    async def settle(self, now: float, *, may_erase: bool) -> Outcome[K, V]:
        """Bring the table nearer to what is wanted; what was tried, and what was refused.

        Without `may_erase` rows are written and none is erased. Unreachable leaves everything to be done again.
        """
        if may_erase and not self._might_erase:
            self._must_read = True  # what could not be erased before is found by reading
        self._might_erase = may_erase
        self._retries.forget(now)
        self._dirty |= dict.fromkeys(self._retries.ripe(now))
        try:
            plan = await self._whole(now, may_erase) if self.reads(now) else self._touched(now, may_erase)
            before = {key: self._held[key] for key in (*plan.write, *plan.erase) if key in self._held}
            refused = await self.table.apply(plan) if plan else {}
        except BaseException:
            self._must_read = True
            raise
        self._note(plan, refused, now)
        noticed, self._noticed = self._noticed, Noticed()
        return Outcome(plan, refused, before, noticed)

    def _lost(self, key: K, now: float) -> None:
        self._retries.lost(key, now)
        self._noticed.taken.add(key)

    async def ahead(self, rows: Mapping[K, V], now: float) -> None:
        """Write what is about to be wanted of rows that are as wanted now; the next settling looks at each of them.

        Unreachable leaves everything to be done again, as in `settle`.
        """
        plan = self._patient(Plan(rows), now)
        self._dirty |= dict.fromkeys(rows)
        try:
            refused = await self.table.apply(plan)
        except BaseException:
            self._must_read = True
            self._doubted |= plan.write.keys()  # some may be written: nobody else's doing
            raise
        written = {key: value for key, value in plan.write.items() if key not in refused}
        self._held.update(written)
        noticed = self._noticed
        noticed.early.update(written)
        if noticed.found or noticed.gone:
            noticed.found = {key: value for key, value in noticed.found.items() if key not in written}
            noticed.gone = {key: value for key, value in noticed.gone.items() if key not in written}
        self._doubted |= refused.keys()

    def _doubt(self, key: K) -> None:
        if key in self._desired or key in self._held:
            self._dirty[key] = None
            self._doubted.add(key)
        else:
            self._must_read = True  # a row that looks like ours and that we do not know

    async def _whole(self, now: float, may_erase: bool) -> Plan[K, V]:
        self._must_read = False
        self._read_at = now
        doubted, self._doubted = self._doubted, set()
        self._dirty.clear()
        actual = dict(await self.table.read())
        self._compare(actual, doubted, now)
        self._held = actual
        plan = diff(self._desired, actual, may_erase=may_erase)
        for key in [key for key in self._retries.standing if self._is_right(key)]:
            self._retries.done(key, now)
            if key in actual:
                self._noticed.found[key] = actual[key]
        return self._patient(plan, now)

    def _compare(self, actual: Mapping[K, V], doubted: set[K], now: float) -> None:
        """Notice what others did to the rows that are known."""
        noticed = self._noticed
        for key, value in self._held.items():
            there = actual.get(key)
            if there is value or there == value:
                continue
            if key not in doubted and self._desired.get(key) == value:
                self._lost(key, now)
            if there is None:
                noticed.found.pop(key, None)
                noticed.gone[key] = value
            else:
                noticed.found[key] = there
        noticed.over |= doubted - self._held.keys() - actual.keys() - self._desired.keys()
        for key in actual.keys() - self._held.keys():
            noticed.gone.pop(key, None)
            noticed.found[key] = actual[key]

    def _touched(self, now: float, may_erase: bool) -> Plan[K, V]:
        dirty, self._dirty = self._dirty, {}
        desired, held, doubted = self._desired, self._held, self._doubted
        write: dict[K, V] = {}
        gone: list[K] = []
        for key in dirty:  # one loop, no calls: with 100,000 rows each of them is a tenth of the pass
            doubtful = key in doubted
            if key in desired:
                wanted, found = desired[key], held.get(key)
                if doubtful or (found is not wanted and (found is None or found != wanted)):
                    write[key] = wanted
                    continue
            elif doubtful or key in held:
                gone.append(key)
                continue
            self._retries.done(key, now)
        plan = self._patient(Plan(write, frozenset(gone if may_erase else ())), now)
        tried = {key for key in doubted if key in plan.write or key in plan.erase}
        self._tell_doubt(tried)
        self._doubted -= tried  # a doubt that comes while they are applied stays
        return plan

    def _is_right(self, key: K) -> bool:
        return self._held.get(key) == self._desired.get(key)

    def _patient(self, plan: Plan[K, V], now: float) -> Plan[K, V]:
        """The plan without the keys whose time has not come."""
        if not self._retries.standing:
            return plan
        waiting = {key for key in (*plan.write, *plan.erase) if self._retries.waits(key, now)}
        if not waiting:
            return plan
        return Plan({k: v for k, v in plan.write.items() if k not in waiting}, plan.erase - waiting)

    def _note(self, plan: Plan[K, V], refused: Mapping[K, Refused], now: float) -> None:
        if not refused and not self._retries.standing:  # as nearly always
            self._held.update(plan.write)
            for key in plan.erase:
                self._held.pop(key, None)
            return
        for key, value in plan.write.items():
            if key in refused:
                self._doubted.add(key)
                self._retries.refused(key, refused[key], now)
            else:
                self._held[key] = value
                self._retries.done(key, now)
        for key in plan.erase:
            if key in refused:
                self._doubted.add(key)
                self._retries.refused(key, refused[key], now)
            else:
                self._held.pop(key, None)
                self._retries.done(key, now)
