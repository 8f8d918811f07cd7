"""Which peer gave which prefix survives a restart of the router, and nothing that is wrong does."""

import asyncio
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from birdpy import saved
from birdpy.saved import Book, Given
from felixpy.model.addresses import Address, Prefix

A, B = ip_network("10.65.1.0/26"), ip_network("fd65::/122")
P, Q = ip_address("10.0.0.2"), ip_address("10.0.0.3")
NOBODY: frozenset[Address] = frozenset()
MANY = [ip_network((0x14000000 + (i << 8), 24)) for i in range(3000)]


def noted(book: Book, given: Given, *changed: Prefix) -> None:
    asyncio.run(book.note(changed or tuple(given), lambda prefix: given.get(prefix, NOBODY), tuple(given)))


def test_what_was_noted_is_loaded_and_the_last_word_counts(tmp_path: Path) -> None:
    path = tmp_path / "state" / "birdpy.json"
    book = Book(path, "n1")
    noted(book, {A: frozenset({P, Q})})
    assert saved.load(path, "n1") == {A: frozenset({P, Q})}
    noted(book, {A: frozenset({Q}), B: frozenset({P})}, A, B)
    assert saved.load(path, "n1") == {A: frozenset({Q}), B: frozenset({P})}
    noted(book, {B: frozenset({P})}, A)
    assert saved.load(path, "n1") == {B: frozenset({P})}


def test_one_more_is_one_more_line_and_the_file_does_not_grow_without_end(tmp_path: Path) -> None:
    path, book = tmp_path / "birdpy.json", Book(tmp_path / "birdpy.json", "n1")
    given = dict.fromkeys(MANY, frozenset({P}))
    noted(book, given)
    whole = path.stat().st_size
    noted(book, given, MANY[7])
    assert path.stat().st_size - whole < 100
    for _ in range(2 * len(MANY) // 100):
        noted(book, given, *MANY[:100])
    assert path.stat().st_size < 2.5 * whole
    assert saved.load(path, "n1") == given


def test_a_new_life_begins_with_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "birdpy.json"
    noted(Book(path, "n1"), {A: frozenset({P})})
    noted(Book(path, "n1"), {B: frozenset({P})}, B)
    assert saved.load(path, "n1") == {B: frozenset({P})}


def test_after_a_failure_everything_is_written(tmp_path: Path) -> None:
    path = tmp_path / "birdpy.json"
    book = Book(path, "n1")
    noted(book, {A: frozenset({P})})
    path.unlink()
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        noted(book, {A: frozenset({P})}, A)
    path.rmdir()
    noted(book, {A: frozenset({P}), B: frozenset({Q})}, B)
    assert saved.load(path, "n1") == {A: frozenset({P}), B: frozenset({Q})}


def test_another_node_or_another_boot_has_nothing(tmp_path: Path) -> None:
    path = tmp_path / "birdpy.json"
    noted(Book(path, "n1"), {A: frozenset({P})})
    assert saved.load(path, "n2") == {}
    path.write_text(path.read_text().replace(saved.boot_id(), "another"))
    assert saved.load(path, "n1") == {}


def test_a_line_that_a_crash_cut_off_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "birdpy.json"
    noted(Book(path, "n1"), {A: frozenset({P})})
    with path.open("ab") as file:
        file.write(b'{"peers":["10.0.0.2"],"prefixes":["10.6')
    assert saved.load(path, "n1") == {A: frozenset({P})}


@pytest.mark.parametrize("content", [b"", b"\x00\xff\n", b"[]\n", b'{"peers":["y"],"prefixes":["x"]}\n'])
def test_a_broken_file_counts_as_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "birdpy.json"
    path.write_bytes(content)
    assert saved.load(path, "n1") == {}
    path.write_bytes(saved.head("n1") + content)
    assert saved.load(path, "n1") == {}
