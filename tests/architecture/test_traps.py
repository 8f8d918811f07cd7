"""birdpy/DESIGN.md names every trap of ExaBGP and the test that shows it handled: those tests exist."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "birdpy" / "DESIGN.md").read_text().partition("### Every trap of ExaBGP")[2].partition("\n## ")[0]
ROWS = [line for line in TABLE.splitlines() if line.startswith("| ") and not line.startswith(("| **", "| Trap"))]
TEST_ID = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def exists(path: str, name: str) -> bool:
    """Whether test `name` is defined in `path`."""
    file = ROOT / path
    if not file.is_file():
        return False
    return any(isinstance(n, ast.FunctionDef) and n.name == name for n in ast.parse(file.read_text()).body)


def test_every_row_has_three_cells_and_names_its_test_or_who_handles_it() -> None:
    assert len(ROWS) >= 60
    for row in ROWS:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert len(cells) == 3 and all(cells), row
        assert TEST_ID.fullmatch(cells[2]) or re.fullmatch(r"\([\w/ ]+\)", cells[2]), row


def test_every_test_that_the_table_names_exists() -> None:
    named = TEST_ID.findall(TABLE)
    assert len(named) > 50
    assert [f"{path}::{name}" for path, name in named if not exists(path, name)] == []


def test_a_test_that_is_missing_would_be_seen() -> None:
    assert not exists("tests/architecture/test_traps.py", "test_that_is_not_here")
    assert not exists("tests/nowhere.py", "test_x")
