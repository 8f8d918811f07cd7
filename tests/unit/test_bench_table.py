"""How benchmarks are printed: medians, ratios, what was wanted and whether it was reached."""

import json
from pathlib import Path

from tests.bench.rows import ROWS, measured_by
from tests.bench.table import Goal, Row, Series, machine, markdown, ratio, save

C = Series("C", "us", (4.0, 2.0, 3.0), base=True)
OWN = Series("felixpy", "us", (6.0, 3.0, 30.0), remark="one bad sample")
SLOW = Goal("felixpy : C", ratio(OWN, C), 1.3)


def test_a_median_is_not_moved_by_one_bad_sample() -> None:
    assert (C.median, OWN.median, ratio(OWN, C)) == (3.0, 6.0, 2.0)


def test_a_goal_is_met_or_missed_at_most_or_at_least() -> None:
    assert Goal("", 1.3, 1.3).met
    assert not SLOW.met
    assert Goal("", 1.5, 1.5, at_least=True).met
    assert not Goal("", 1.4, 1.5, at_least=True).met


def test_the_table_shows_ratios_misses_and_configurations() -> None:
    text = markdown({"r": Row("rows", [C, OWN], [SLOW], {"BIRD": "router id 1.2.3.4;"})}, {"kernel": "6.1"})
    assert "| rows | C | 3 us | 2 to 4 | 3 | 1.00 |  |" in text
    assert "|  | felixpy | 6 us | 3 to 30 | 3 | 2.00 | one bad sample |" in text
    assert "| rows: felixpy : C | 2 | ≤ 1.3 | MISSED |" in text
    assert "router id 1.2.3.4;" in text
    assert "- kernel: 6.1" in text


def test_a_void_row_neither_meets_nor_misses() -> None:
    text = markdown({"r": Row("rows", [], [SLOW], void="the machine was busy")}, {})
    assert "**void: the machine was busy**" in text
    assert "| void |" in text
    assert "MISSED" not in text


def test_both_tables_are_saved(tmp_path: Path) -> None:
    save(tmp_path / "new", {"r": Row("rows", [C, OWN], [SLOW])}, machine())
    found = json.loads((tmp_path / "new/table.json").read_text())
    assert found["rows"]["r"]["series"][1]["median"] == 6.0
    assert found["rows"]["r"]["goals"] == [
        {"name": "felixpy : C", "value": 2.0, "limit": 1.3, "at_least": False, "met": False}
    ]
    assert found["machine"]["kernel"]
    assert (tmp_path / "new/table.md").read_text().startswith("| row |")


def test_every_row_can_be_loaded() -> None:
    assert all(callable(measured_by(name)) for name in ROWS)
