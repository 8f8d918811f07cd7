"""The journal and the tombstones on disk."""

from pathlib import Path

import pytest

from felixpy.cni.journal import Entry, Journal
from felixpy.model.errors import Unreachable

ONE = Entry("c1", "eth0", "net.c1", "default/n1-k8s-a-eth0", "cali1")
TWO = Entry("c2", "eth0", "net.c2", "default/n1-k8s-b-eth0", "cali2")


def test_what_has_begun_is_known_until_it_ends(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    assert journal.entries() == []
    journal.begin(ONE)
    journal.begin(TWO)
    assert Journal(tmp_path / "journal").entries() == [ONE, TWO]
    assert journal.holds("c1", "eth0")
    journal.end("c1", "eth0")
    journal.end("c1", "eth0")
    assert journal.entries() == [TWO] and not journal.holds("c1", "eth0")


@pytest.mark.parametrize("content", [b"", b'{"container": "c1"', b"\xff"])
def test_a_torn_entry_is_dropped_and_stops_no_other(tmp_path: Path, content: bytes) -> None:
    journal = Journal(tmp_path)
    journal.begin(TWO)
    (tmp_path / "c1@eth0").write_bytes(content)
    assert journal.entries() == [TWO]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c2@eth0"]


def test_a_journal_that_cannot_be_written_stops_the_attachment(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("a file where the folder should be")
    with pytest.raises(Unreachable, match="the journal cannot be written"):
        Journal(tmp_path / "journal").begin(ONE)
