"""Where a node's folders are."""

import os
from pathlib import Path

import pytest

from felixpy.daemon.paths import labs_dir, run_dir, state_dir


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("FELIXPY_RUN_DIR", "FELIXPY_STATE_DIR", "FELIXPY_LABS_DIR", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(variable, raising=False)


def test_an_empty_variable_names_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("FELIXPY_RUN_DIR", "FELIXPY_STATE_DIR", "FELIXPY_LABS_DIR", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(variable, "")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert (run_dir(), state_dir(), labs_dir()) == (
        Path("/run/felixpy"),
        Path("/var/lib/felixpy"),
        Path("/run/felixpy/labs"),
    )


def test_a_relative_folder_is_one_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FELIXPY_LABS_DIR", "labs")
    assert labs_dir() == tmp_path / "labs"


def test_a_user_without_rights_has_labs_in_the_users_own_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    assert labs_dir() == Path("/run/user/1000/felixpy/labs")
