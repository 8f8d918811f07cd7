"""Where `--node N` is."""

from pathlib import Path

import pytest

from felixpy.model.errors import Usage
from felixpy.show.target import resolve


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that runs no daemon, has no lab, and is named `here`."""
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("FELIXPY_RUN_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("FELIXPY_LABS_DIR", str(tmp_path / "labs"))
    monkeypatch.setenv("FELIXPY_NODE", "here")
    return tmp_path


def lab(house: Path, name: str, *nodes: str) -> None:
    for node in nodes:
        (house / "labs" / name / "nodes" / node / "run").mkdir(parents=True)


def test_this_node_is_reached_by_its_own_socket(house: Path) -> None:
    for node in (None, "here"):
        target = resolve(node)
        assert (target.node, target.here, target.store) == ("here", True, None)
        assert target.socket("birdpy") == house / "run" / "birdpy.sock"


def test_a_lab_node_is_reached_in_the_labs_folder(house: Path) -> None:
    lab(house, "quickstart", "n1", "n2")
    target = resolve("n2")
    assert (target.node, target.lab, target.here) == ("n2", "quickstart", False)
    assert target.socket("felixpy") == house / "labs/quickstart/nodes/n2/run/felixpy.sock"
    assert target.store == house / "labs/quickstart/store"


def test_a_node_of_two_labs_needs_the_lab(house: Path) -> None:
    lab(house, "a", "n1")
    lab(house, "b", "n1")
    with pytest.raises(Usage, match=r"choose with --lab: a, b"):
        resolve("n1")
    assert resolve("n1", "b").lab == "b"


def test_this_machines_daemon_wins_over_a_lab_node_of_the_same_name(house: Path) -> None:
    lab(house, "a", "here")
    assert resolve("here").lab == "a"
    (house / "run" / "felixpy.sock").touch()
    assert resolve("here").lab == ""
    assert resolve("here", "a").lab == "a"


def test_an_unknown_node_is_answered_with_the_known_ones(house: Path) -> None:
    lab(house, "quickstart", "n1", "n2")
    with pytest.raises(Usage, match=r"no node is named 'n9' here; known nodes: quickstart: n1, n2"):
        resolve("n9")
    with pytest.raises(Usage, match=r"in lab 'other'"):
        resolve("n1", "other")


def test_without_a_name_and_a_daemon_a_name_is_asked_for(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FELIXPY_NODE")
    lab(house, "quickstart", "n1")
    with pytest.raises(Usage, match=r"name a node with --node.*quickstart: n1"):
        resolve(None)
