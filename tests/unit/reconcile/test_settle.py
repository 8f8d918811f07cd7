"""One table kept as wanted: touched keys, whole reads, refusals, and keys that someone fights over."""

import asyncio
from collections.abc import Mapping

import pytest

from felixpy.kernel.memory import MemoryTable
from felixpy.model.errors import Refused, Unreachable
from felixpy.reconcile.plan import Plan
from felixpy.reconcile.settle import Settler
from felixpy.reconcile.table import Outcome


class CountingTable(MemoryTable[str, int]):
    """A MemoryTable that tells how often it was read and what it was asked to do."""

    def __init__(self, rows: Mapping[str, int] | None = None) -> None:
        super().__init__(rows)
        self.reads = 0
        self.plans: list[Plan[str, int]] = []
        self.away = False

    async def read(self) -> Mapping[str, int]:
        self.reads += 1
        if self.away:
            raise Unreachable("away")
        return await super().read()

    async def apply(self, plan: Plan[str, int]) -> Mapping[str, Refused]:
        self.plans.append(plan)
        return await super().apply(plan)


def settle(settler: Settler[str, int], now: float = 0.0, *, may_erase: bool = True) -> Outcome[str, int]:
    return asyncio.run(settler.settle(now, may_erase=may_erase))


def test_the_first_pass_reads_and_mends_everything() -> None:
    table = CountingTable({"old": 1, "kept": 2, "drifted": 3})
    settler = Settler(table)
    settler.want({"kept": 2, "drifted": 4, "new": 5})
    settle(settler)
    assert table.rows == {"kept": 2, "drifted": 4, "new": 5}
    assert table.plans == [Plan({"drifted": 4, "new": 5}, frozenset({"old"}))]


def test_what_is_written_ahead_is_not_written_again_and_a_wrong_guess_is_put_right() -> None:
    table = CountingTable()
    settler = Settler(table)
    settler.want({"right": 1, "wrong": 1})
    settle(settler)
    asyncio.run(settler.ahead({"right": 2, "wrong": 2}, 1.0))
    assert table.rows == {"right": 2, "wrong": 2}
    settler.put("right", 2)
    settle(settler, 1.0)
    assert table.rows == {"right": 2, "wrong": 1}
    assert table.plans[-1] == Plan({"wrong": 1})
    assert table.reads == 1


def test_a_table_that_goes_away_under_a_guess_is_read_again() -> None:
    class Away(CountingTable):
        async def apply(self, plan: Plan[str, int]) -> Mapping[str, Refused]:
            await super().apply(plan)
            if self.away:
                raise Unreachable("away")
            return {}

    table = Away()
    settler = Settler(table)
    settler.want({"a": 1})
    settle(settler)
    table.away = True
    with pytest.raises(Unreachable):
        asyncio.run(settler.ahead({"a": 2}, 1.0))
    table.away = False
    settle(settler, 1.0)
    assert table.rows == {"a": 1}


def test_one_more_change_costs_its_own_work_and_no_reading() -> None:
    table = CountingTable()
    settler = Settler(table)
    settler.want({f"k{i}": i for i in range(100)})
    settle(settler)
    settler.put("one", 1)
    settler.drop("k7")
    settle(settler, 1.0)
    assert table.reads == 1
    assert table.plans[-1] == Plan({"one": 1}, frozenset({"k7"}))
    assert settler.due_at() == 90.0


def test_an_idle_pass_asks_nothing_of_the_table() -> None:
    table = CountingTable({"a": 1})
    settler = Settler(table)
    settler.want({"a": 1})
    settle(settler)
    settler.want({"a": 1})
    settle(settler, 1.0)
    assert (table.reads, table.plans) == (1, [])


def test_drift_that_nobody_reports_is_found_by_the_timer() -> None:
    table = CountingTable()
    settler = Settler(table)
    settler.want({"a": 1})
    settle(settler)
    table.rows.clear()
    settle(settler, 89.0)
    assert table.rows == {}
    settle(settler, 90.0)
    settle(settler, 90.1)
    assert table.rows == {"a": 1}


def test_what_is_reported_as_changed_is_written_back_in_a_moment() -> None:
    table = CountingTable()
    settler = Settler(table)
    settler.want({"a": 1})
    settle(settler)
    table.rows["a"] = 99
    settler.changed(["a"], 1.0)
    settle(settler, 1.0)
    assert settler.due_at() == 1.05
    settle(settler, 1.05)
    assert table.rows == {"a": 1}
    assert (table.reads, list(settler.troubles(1.05))) == (1, [])


def test_a_row_of_ours_that_nobody_wants_is_read_and_erased() -> None:
    table = CountingTable()
    settler = Settler(table)
    settle(settler)
    table.rows["leftover"] = 1
    settler.changed(["leftover"], 1.0)
    settle(settler, 1.0)
    assert table.rows == {}


def test_nothing_is_erased_before_it_may_be_and_then_it_is() -> None:
    table = CountingTable({"old": 1, "mine": 2})
    settler = Settler(table)
    settler.want({"mine": 2, "brief": 3})
    settle(settler, may_erase=False)
    settler.drop("brief")
    settle(settler, 1.0, may_erase=False)
    assert table.rows == {"old": 1, "mine": 2, "brief": 3}
    settle(settler, 2.0, may_erase=True)
    assert table.rows == {"mine": 2}


def test_one_refused_key_does_not_stop_the_others_and_is_tried_again_later_and_later() -> None:
    table = CountingTable()
    table.refuse["bad"] = "the device is down"
    settler = Settler(table)
    settler.want({"bad": 1, "good": 2})
    settle(settler)
    assert table.rows == {"good": 2}
    assert settler.refused(["bad", "good"])["bad"].reason == "the device is down"
    tried = []
    for now in range(200):
        before = len(table.plans)
        settle(settler, float(now))
        if any("bad" in plan.write for plan in table.plans[before:]):
            tried.append(now)
    assert tried == [1, 3, 7, 15, 31, 63, 123, 183]


def test_a_refused_key_is_tried_at_once_when_its_device_comes_up() -> None:
    table = CountingTable()
    table.refuse["k"] = "down"
    settler = Settler(table)
    settler.want({"k": 1})
    settle(settler)
    table.refuse.clear()
    settle(settler, 0.5)
    assert table.rows == {}
    settler.excuse(["k"])
    assert settler.due_at() == 0.0
    settle(settler, 0.5)
    assert table.rows == {"k": 1}
    assert not list(settler.troubles(0.5))


def test_a_row_taken_by_someone_whose_erasure_was_refused_is_written_when_it_is_wanted_again() -> None:
    table = CountingTable({"k": 1})
    settler = Settler(table)
    settler.want({"k": 1})
    settle(settler)
    del table.rows["k"]
    settler.changed(["k"], 1.0)
    settler.drop("k")
    table.refuse["k"] = "busy"
    settle(settler, 2.0)
    table.refuse.clear()
    settler.put("k", 1)
    settle(settler, 3.0)
    assert table.rows == {"k": 1}
    assert table.reads == 1


def test_a_refused_erasure_is_tried_again() -> None:
    table = CountingTable({"k": 1})
    table.refuse["k"] = "busy"
    settler = Settler(table)
    settle(settler)
    table.refuse.clear()
    settle(settler, 1.0)
    assert table.rows == {}


@pytest.mark.parametrize("reported", [True, False], ids=["by an event", "found by reading"])
def test_a_fight_over_a_key_is_named_and_slows_down(reported: bool) -> None:
    table = CountingTable()
    settler = Settler(table)
    settler.want({"k": 1})
    settle(settler)
    writes = []

    async def two_minutes() -> None:
        for tick in range(1, 12000):  # of someone who removes the route as soon as it is there
            now = tick / 100
            if table.rows.pop("k", None) is not None:
                settler.changed(["k"], now) if reported else settler.resync()
            await settler.settle(now, may_erase=True)
            if "k" in table.rows:
                writes.append(now)

    asyncio.run(two_minutes())
    assert len(writes) <= 15
    ((key, standing),) = settler.troubles(120.0)
    assert key == "k"
    assert standing.contested
    assert "someone else" in standing.refused.reason


def removed(table: CountingTable, settler: Settler[str, int], now: float) -> float:
    """Someone removes the row at `now`; how long it stays away."""
    table.rows.clear()
    settler.changed(["k"], now)
    settle(settler, now)
    assert table.rows == {}
    then = settler.due_at()
    settle(settler, then)
    assert table.rows == {"k": 1}
    return round(then - now, 3)


def test_each_time_someone_takes_a_key_it_is_back_within_a_second_and_the_third_time_that_is_said() -> None:
    table = CountingTable()
    settler = Settler(table)
    settler.want({"k": 1})
    settle(settler)
    assert [removed(table, settler, now) for now in (10.0, 20.0)] == [0.05, 0.1]
    assert not list(settler.troubles(25.0))
    assert [removed(table, settler, now) for now in (30.0, 40.0, 45.0)] == [0.5, 1.0, 2.0]
    assert [standing.contested for _, standing in settler.troubles(46.0)] == [True]


def test_what_a_flush_does_in_rounds_counts_once() -> None:
    table = CountingTable()
    settler = Settler(table)
    settler.want({"k": 1})
    settle(settler)
    assert [removed(table, settler, now) for now in (10.0, 10.15, 10.4)] == [0.05, 0.1, 0.2]
    assert not list(settler.troubles(12.0))
    assert removed(table, settler, 10.85) == 0.5  # no flush has so many: somebody watches and takes it away
    assert [standing.contested for _, standing in settler.troubles(12.0)] == [True]


def test_a_key_that_nobody_fights_over_any_more_is_forgotten() -> None:
    table = CountingTable()
    settler = Settler(table)
    settler.want({"k": 1})
    settle(settler)
    for now in (1.0, 2.0, 3.0):
        removed(table, settler, now)
    assert list(settler.troubles(100.0))
    assert not list(settler.troubles(123.6))
    assert settler.due_at() == 90.0


def test_an_absent_other_side_leaves_everything_to_be_done_again() -> None:
    table = CountingTable({"old": 1})
    settler = Settler(table)
    settler.want({"k": 1})
    table.away = True
    with pytest.raises(Unreachable):
        settle(settler)
    table.away = False
    assert settler.due_at() == 0.0
    settle(settler)
    assert table.rows == {"k": 1}


def test_a_change_during_the_work_is_not_lost() -> None:
    class Meddled(CountingTable):
        async def apply(self, plan: Plan[str, int]) -> Mapping[str, Refused]:
            refused = await super().apply(plan)
            if len(self.plans) == 1:
                self.rows.clear()
                settler.changed(["k"], 0.0)
                settler.put("late", 2)
            return refused

    table = Meddled()
    settler = Settler(table)
    settler.want({"k": 1})
    settle(settler)
    assert not settler.settled(["late"])
    settle(settler)
    settle(settler, 0.1)
    assert table.rows == {"k": 1, "late": 2}
    assert settler.settled(["k", "late"])
