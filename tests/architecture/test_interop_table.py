"""tests/interop/README.md says what is proven with which peers: those cases exist, and with those peers."""

import ast
import re
from pathlib import Path

from tests.architecture.test_traps import exists

ROOT = Path(__file__).parents[2]
INTEROP = ROOT / "tests" / "interop"
TEST_ID = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
PEERS = {"each_daemon": "BIRD, FRR, GoBGP", "not_gobgp": "BIRD, FRR"}


def rows() -> list[list[str]]:
    lines = [line for line in (INTEROP / "README.md").read_text().splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def cases() -> dict[tuple[str, str], str]:
    """Every case of the folder, and the peers that its decorator gives it: "" when it has none of those."""
    found = {}
    for path in sorted(INTEROP.glob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                names = [each.id for each in node.decorator_list if isinstance(each, ast.Name)]
                peers = next((PEERS[name] for name in names if name in PEERS), "")
                found[str(path.relative_to(ROOT)), node.name] = peers
    return found


def listed() -> dict[tuple[str, str], str]:
    """The cases of the table with their peers."""
    found = {}
    for row in rows():
        assert len(row) == 4, row
        match = TEST_ID.fullmatch(row[3])
        assert match, row
        found[match[1], match[2]] = row[1]
    return found


def test_every_case_of_the_table_exists() -> None:
    table = listed()
    assert len(table) > 30
    assert [case for case in table if not exists(*case)] == []


def test_each_case_runs_with_the_peers_that_the_table_says() -> None:
    table = listed()
    given = {case: peers for case, peers in cases().items() if peers}
    assert len(given) > 10
    assert {case: table.get(case) for case in given} == given, "tests/interop/README.md has a row for each"
