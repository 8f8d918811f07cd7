"""On whose word a block is announced while the datastore is away."""

from pathlib import Path

import msgspec
import pytest

from birdpy.recollection import Alive, distrust, load, save

NOW = Alive("n1", "uid-1", "boot-1", at=1000.0)


def test_what_was_announced_a_moment_ago_may_be_announced_again() -> None:
    assert distrust(msgspec.structs.replace(NOW, at=881.0), NOW, 120) == ""


@pytest.mark.parametrize(
    ("earlier", "why"),
    [
        (None, "nothing was announced since this machine was started"),
        (msgspec.structs.replace(NOW, boot_id="boot-0"), "nothing was announced since this machine was started"),
        (msgspec.structs.replace(NOW, node="n2"), "what was announced last was another Node's"),
        (msgspec.structs.replace(NOW, uid="uid-0"), "what was announced last was another Node's"),
        (msgspec.structs.replace(NOW, at=880.0), "birdpy was away for longer than the restart time of 120 s"),
    ],
)
def test_what_may_have_changed_hands_meanwhile_is_not_announced(earlier: Alive | None, why: str) -> None:
    assert distrust(earlier, NOW, 120) == why


def test_without_graceful_restart_no_earlier_word_counts() -> None:
    assert distrust(NOW, NOW, 0)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"node": 1}', b"\xff" * 100])
def test_a_spoiled_record_is_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "alive.json"
    assert load(path) is None
    path.write_bytes(content)
    assert load(path) is None
    save(path, NOW)
    assert load(path) == NOW
