"""SECURITY.md names for each threat what protects, the test that shows it: those tests exist; locks hold hashes."""

import re

from tests.architecture.test_traps import ROOT, TEST_ID, exists

TEXT = (ROOT / "SECURITY.md").read_text()
SECTIONS = ("A hostile pod", "A hostile peer", "A hostile local user", "A reader of our files", "The supply chain")
LOCKS = (ROOT / "requirements.lock", ROOT / "manifests" / "image" / "requirements.lock")


def rows(section: str) -> list[list[str]]:
    """The cells of each row of a section's table, without its head."""
    text = TEXT.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| ")][1:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_each_threat_has_what_protects_and_the_test_that_shows_it() -> None:
    for section in SECTIONS:
        assert len(rows(section)) >= 5, section
        for row in rows(section):
            assert len(row) == 3 and all(row), row
            assert TEST_ID.fullmatch(row[2]) or row[2] == "(by hand)", row


def test_every_test_that_is_named_exists() -> None:
    named = TEST_ID.findall(TEXT)
    assert len(named) > 40
    assert [f"{path}::{name}" for path, name in named if not exists(path, name)] == []


def unpinned(lock: str) -> list[str]:
    """The packages of a lock file that lack an exact version or a hash."""
    entries = [entry for entry in re.split(r"\n(?=\S)", lock.strip()) if not entry.startswith("#")]
    return [entry for entry in entries if not (re.match(r"[\w.\[\]-]+==\S+", entry) and "--hash=sha256:" in entry)]


def test_every_locked_package_has_a_version_and_its_hashes() -> None:
    for lock in LOCKS:
        assert unpinned(lock.read_text()) == []
    assert unpinned("a==1 \\\n    --hash=sha256:00\nb==2\nc>=1 \\\n    --hash=sha256:00") == [
        "b==2", "c>=1 \\\n    --hash=sha256:00",
    ]  # fmt: skip


def test_everything_is_installed_by_hash() -> None:
    for place in (ROOT / "Makefile", ROOT / "manifests" / "image" / "Containerfile"):
        installs = [line for line in place.read_text().splitlines() if "pip" in line and "-r " in line]
        assert installs and all("--require-hashes" in line for line in installs), place


def test_a_file_that_is_missing_would_be_seen() -> None:
    assert not exists("tests/architecture/test_security.py", "test_that_is_not_here")
    assert rows("No such section") == []
