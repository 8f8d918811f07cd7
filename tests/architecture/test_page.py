"""What the page is made of: nothing that was not shipped, nothing that parses text as markup, one known library."""

import hashlib
import re
from pathlib import Path

import pytest

STATIC = Path(__file__).parents[2] / "felixpy" / "ui" / "static"
VENDOR = STATIC / "vendor"
OWN = sorted(path for path in STATIC.iterdir() if path.is_file())
PARSES = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function|srcdoc")
ELSEWHERE = re.compile(r"""https?://(?!www\.w3\.org/2000/svg)|(?:src|href)="/|url\(|import .*["']/|["']//""")


def test_there_are_files_to_look_at() -> None:
    assert {path.suffix for path in OWN} == {".html", ".css", ".js", ".svg"} and len(OWN) > 6


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_a_file_names_nothing_from_elsewhere_and_parses_no_markup(path: Path) -> None:
    text = path.read_text()
    assert ELSEWHERE.findall(text) == [] and PARSES.findall(text) == []
    assert len(text.splitlines()) <= 300


def test_what_is_looked_for_would_be_found() -> None:
    assert ELSEWHERE.search('<script src="/main.js">') and ELSEWHERE.search('fetch("https://example.org")')
    assert PARSES.search("made.innerHTML = name")


def test_the_library_is_the_one_whose_checksum_was_recorded() -> None:
    """`make ui` fetches it anew and holds it to the same list."""
    recorded = dict(line.split("  ")[::-1] for line in (VENDOR / "SHA256SUMS").read_text().splitlines())
    assert set(recorded) == {path.name for path in VENDOR.iterdir()} - {"SHA256SUMS"}
    assert {name: hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() for name in recorded} == recorded
    assert "Permission is hereby granted, free of charge" in (VENDOR / "LICENSE").read_text()
