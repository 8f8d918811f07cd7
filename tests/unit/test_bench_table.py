"""How benchmarks are printed: medians, ratios, what was wanted and whether it was reached."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.bench.curves import NEVER, Curve, drawn
from tests.bench.rows import ROWS, about, measured_by
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
    assert "| `r` rows | C | 3 us | 2 to 4 | 3 | 1.00 |  |" in text
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


def test_what_never_came_is_printed_as_what_was_waited_for_and_null_for_programs(tmp_path: Path) -> None:
    row = Row("rows", [C, Series("late", "us", (NEVER,))], [Goal("late, us", NEVER, 5)])
    save(tmp_path, {"r": row}, {})
    text = (tmp_path / "table.md").read_text()
    assert "|  | late | > 60 s | > 60 s to > 60 s | 1 |  |  |" in text
    assert "| rows: late, us | > 60 s | ≤ 5 | MISSED |" in text
    assert json.loads((tmp_path / "table.json").read_text())["rows"]["r"]["series"][1]["median"] is None


def test_each_row_says_what_it_measures_and_how_to_read_it() -> None:
    assert all(callable(measured_by(name)) for name in ROWS)
    assert all(len(about(name).partition(" To read it: ")[0]) > 20 for name in ROWS)
    assert "\n- `r`: seconds; less is better" in markdown(
        {"r": Row("rows", [C])}, {}, {"r": "seconds; less is better"}
    )


def test_the_exponent_of_a_curve_is_its_growth() -> None:
    sizes = (10.0, 100.0, 1000.0)
    assert Curve("", "s", "routes", tuple((n, 3 * n) for n in sizes)).exponent == pytest.approx(1)
    assert Curve("", "s", "routes", tuple((n, n * n) for n in sizes)).exponent == pytest.approx(2)
    assert Curve("", "s", "routes", tuple((n, 7.0) for n in sizes)).exponent == pytest.approx(0)


def test_a_picture_holds_every_point_that_there_is_and_its_exponent(tmp_path: Path) -> None:
    curves = [Curve("a & b", "s", "routes", ((1, 2), (10, 20), (100, NEVER))), Curve("none", "s", "routes", ())]
    text = drawn("growth <of>", curves)
    root = ElementTree.fromstring(text)
    assert len(root.findall("{http://www.w3.org/2000/svg}circle")) == 2
    assert "a & b, s: routes ^ 1.00" in [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    save(tmp_path, {"growth": Row("g", [C], curves=curves[:1])}, {})
    assert (tmp_path / "growth.svg").read_text().startswith("<svg")
    assert "| growth | a & b | 2 s at 1 routes | > 60 s at 100 routes | 1.00 |" in (tmp_path / "table.md").read_text()
