"""Which peer gave which prefix survives a restart of the router, and nothing that is wrong does."""

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from birdpy import saved

GIVEN = {ip_network("10.65.1.0/26"): frozenset({ip_address("10.0.0.2"), ip_address("10.0.0.3")})}


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "state" / "birdpy.json"
    saved.save(path, "n1", GIVEN)
    assert saved.load(path, "n1") == GIVEN


def test_another_node_or_another_boot_has_nothing(tmp_path: Path) -> None:
    path = tmp_path / "birdpy.json"
    saved.save(path, "n1", GIVEN)
    assert saved.load(path, "n2") == {}
    path.write_text(path.read_text().replace(saved.boot_id(), "another"))
    assert saved.load(path, "n1") == {}


@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff", b"[]", b'{"node":"n1","boot_id":"","time":0,"given":{"x":["y"]}}']
)
def test_a_broken_file_counts_as_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "birdpy.json"
    path.write_bytes(content)
    assert saved.load(path, "n1") == {}
