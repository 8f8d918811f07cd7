"""What holds for a table kept as wanted, whatever happens in whatever order."""

import asyncio
import math
from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from felixpy.kernel.memory import MemoryTable
from felixpy.model.errors import Refused
from felixpy.reconcile.plan import Plan
from felixpy.reconcile.settle import Settler

KEYS = st.sampled_from("abcd")
VALUES = st.integers(0, 2)


class Strict(MemoryTable[str, int]):
    """A MemoryTable that remembers whether anything was erased."""

    def __init__(self, rows: Mapping[str, int]) -> None:
        super().__init__(rows)
        self.erased = False

    async def apply(self, plan: Plan[str, int]) -> Mapping[str, Refused]:
        self.erased = self.erased or bool(plan.erase)
        return await super().apply(plan)


class World(RuleBasedStateMachine):
    """Somebody wants rows, somebody else meddles with the table, some keys are refused for a while, time passes."""

    @initialize(rows=st.dictionaries(KEYS, VALUES), wanted=st.dictionaries(KEYS, VALUES), may_erase=st.booleans())
    def start(self, rows: dict[str, int], wanted: dict[str, int], may_erase: bool) -> None:
        self.table = Strict(rows)
        self.settler: Settler[str, int] = Settler(self.table, resync_s=math.inf)  # no timer that heals everything
        self.now = 0.0
        self.may_erase = may_erase
        self.want(wanted)
        self.settle(0.0)

    @rule(key=KEYS, value=VALUES)
    def put(self, key: str, value: int) -> None:
        self.wanted[key] = value
        self.settler.put(key, value)

    @rule(key=KEYS)
    def drop(self, key: str) -> None:
        self.wanted.pop(key, None)
        self.settler.drop(key)

    @rule(wanted=st.dictionaries(KEYS, VALUES))
    def want(self, wanted: dict[str, int]) -> None:
        self.wanted: dict[str, int] = dict(wanted)
        self.settler.want(wanted)

    @rule(rows=st.dictionaries(KEYS, VALUES))
    def ahead(self, rows: dict[str, int]) -> None:
        """Somebody foresees something, and may be wrong."""
        asyncio.run(self.settler.ahead(rows, self.now))

    @rule(key=KEYS, value=st.none() | VALUES, told=st.sampled_from(["changed", "excuse", "again", "seen"]))
    def meddle(self, key: str, value: int | None, told: str) -> None:
        """A notification always comes; the timer that heals without one has a test of its own."""
        if value is None:
            self.table.rows.pop(key, None)
        else:
            self.table.rows[key] = value
        if told == "changed":
            self.settler.changed([key], self.now)
        elif told == "excuse":
            self.settler.excuse([key])
        elif told == "again":
            self.settler.again([key])
        elif value is not None:
            self.settler.seen(key, value, self.now)
        else:
            self.settler.changed([key], self.now)

    @rule(key=KEYS, refused=st.booleans())
    def refuse(self, key: str, refused: bool) -> None:
        if refused:
            self.table.refuse[key] = "no"
        else:
            self.table.refuse.pop(key, None)

    @rule(seconds=st.sampled_from([0.0, 0.5, 3.0, 70.0]))
    def settle(self, seconds: float) -> None:
        self.now += seconds
        asyncio.run(self.settler.settle(self.now, may_erase=self.may_erase))

    @rule()
    def in_sync(self) -> None:
        self.may_erase = True

    @invariant()
    def nothing_is_erased_before_it_may_be(self) -> None:
        assert self.may_erase or not getattr(self, "table", Strict({})).erased

    def teardown(self) -> None:
        """Left in peace, the table becomes what is wanted, and then nothing more is done."""
        if not hasattr(self, "table"):
            return
        self.may_erase = True
        self.table.refuse.clear()
        for _ in range(6):
            self.now += 90.0
            asyncio.run(self.settler.settle(self.now, may_erase=True))
        assert self.table.rows == self.wanted
        assert not list(self.settler.troubles(self.now))
        assert self.settler.due_at() == math.inf


TestSettler = World.TestCase
TestSettler.settings = settings(max_examples=80, stateful_step_count=15, deadline=None)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(KEYS, VALUES), st.dictionaries(KEYS, VALUES), st.dictionaries(KEYS, VALUES))
def test_the_order_of_wishes_does_not_matter(
    rows: dict[str, int], first: dict[str, int], last: dict[str, int]
) -> None:
    straight, detour = MemoryTable(rows), MemoryTable(rows)
    one: Settler[str, int] = Settler(straight)
    one.want(last)
    other: Settler[str, int] = Settler(detour)
    for wanted in (first, last):
        other.want(wanted)
        asyncio.run(other.settle(0.0, may_erase=True))
    asyncio.run(one.settle(0.0, may_erase=True))
    assert straight.rows == detour.rows == last
