"""Every difference to Calico is in birdpy/DESIGN.md with its reason, and in the README."""

from pathlib import Path

ROOT = Path(__file__).parents[2]


def rows(file: str, heading: str, columns: int) -> list[tuple[str, ...]]:
    """The rows of the table under a heading."""
    text = (ROOT / file).read_text()
    start = text.index(heading)
    section = text[start : text.index("\n#", start)]
    cells = [tuple(cell.strip() for cell in line.strip("| ").split(" | ")) for line in section.splitlines()]
    found = [row for row, line in zip(cells, section.splitlines(), strict=True) if line.startswith("| ")]
    assert all(len(row) == columns for row in found), [row for row in found if len(row) != columns]
    return found[1:]


def test_the_readme_lists_the_differences_that_the_design_gives_reasons_for() -> None:
    reasons = rows("birdpy/DESIGN.md", "### Where this differs from Calico, on purpose", 3)
    listed = rows("README.md", "## Where BGP differs from Calico, on purpose", 2)
    assert len(listed) >= 19
    assert listed == [row[:2] for row in reasons]
