"""Which user ExaBGP can become."""

import os
from pathlib import Path

import pytest

from birdpy.exabgp.rights import obstacle, usable_uid

EVERYBODY = "         0          0 4294967295\n"


def proc(folder: Path, *, capabilities: int = 0xE0, uids: str = EVERYBODY, groups: str = "allow") -> Path:
    (folder / "status").write_text(f"Name:\tx\nCapEff:\t{capabilities:016x}\n")
    (folder / "uid_map").write_text(uids)
    (folder / "gid_map").write_text(EVERYBODY)
    (folder / "setgroups").write_text(groups + "\n")
    return folder


@pytest.fixture(autouse=True)
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def test_root_becomes_the_wanted_user(tmp_path: Path) -> None:
    assert usable_uid(65534, proc(tmp_path)) == 65534


@pytest.mark.parametrize("missing", [5, 6, 7])
def test_without_one_of_the_capabilities_it_stays(tmp_path: Path, missing: int) -> None:
    assert usable_uid(65534, proc(tmp_path, capabilities=0xE0 & ~(1 << missing))) == 0


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    assert obstacle(65534, proc(tmp_path)) == ""
    assert obstacle(65534, proc(tmp_path, capabilities=0xA0)) == "CAP_SETGID is missing"


def test_a_namespace_that_knows_only_root_has_nobody_to_become(tmp_path: Path) -> None:
    assert usable_uid(65534, proc(tmp_path, uids="0 1000 1\n")) == 0
    assert usable_uid(65534, proc(tmp_path, uids="0 1000 1\n1 100000 65536\n")) == 65534


def test_a_namespace_that_denies_groups_has_nobody_to_become(tmp_path: Path) -> None:
    assert usable_uid(65534, proc(tmp_path, groups="deny")) == 0


def test_who_is_not_root_stays_who_he_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert usable_uid(65534, tmp_path) == 1000
