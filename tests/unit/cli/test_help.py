"""What every command of both programs owes to who types it."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from birdpy.cli.main import birdpy
from felixpy.cli.main import felixpy

PROGRAMS = {"felixpy": felixpy, "birdpy": birdpy}


def commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for verb in command.list_commands(context):
            found = command.get_command(context, verb)
            assert found is not None
            yield from commands(found, f"{name} {verb}")


EVERY = dict(found for name, program in PROGRAMS.items() for found in commands(program, name))


def completed(line: str) -> list[str]:
    program, *words = line.split(" ")
    shell = ShellComplete(PROGRAMS[program], {}, program, "_COMPLETE")
    return [item.value for item in shell.get_completions(words[:-1], words[-1])]


def test_all_commands_are_looked_at() -> None:
    assert {"felixpy lab exec", "felixpy ipam why", "birdpy policy test"} < set(EVERY) and len(EVERY) > 30


@pytest.mark.parametrize("name", EVERY)
def test_the_help_of_a_command_has_examples_that_begin_with_it(name: str) -> None:
    shown = EVERY[name].get_help(click.Context(EVERY[name]))
    begun = re.split(r"Examples?:\n", shown)
    assert len(begun) == 2 and re.search(rf"{name}(\s|$)", begun[1]), shown


@pytest.mark.parametrize("name", EVERY)
def test_every_node_and_lab_is_completed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for lab, node in (("one", "n1"), ("two", "n2")):
        (tmp_path / lab / "nodes" / node).mkdir(parents=True)
    monkeypatch.setenv("FELIXPY_LABS_DIR", str(tmp_path))
    monkeypatch.setenv("FELIXPY_NODE", "here")
    options = {option for parameter in EVERY[name].params for option in parameter.opts}
    if name.endswith((" run", " install")):
        return  # this host's own name: nothing to choose from
    if "--node" in options:
        assert completed(f"{name} --node ") == ["here", "n1", "n2"]
        assert completed(f"{name} --lab two --node ") == ["n2"]
    if "--lab" in options:
        assert completed(f"{name} --lab o") == ["one"]


def test_the_nodes_and_labs_of_lab_commands_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one" / "nodes" / "n1").mkdir(parents=True)
    monkeypatch.setenv("FELIXPY_LABS_DIR", str(tmp_path))
    assert completed("felixpy lab exec n") == ["n1"]
    assert completed("felixpy lab destroy o") == completed("felixpy lab inspect o") == ["one"]


def test_a_great_range_is_shown_in_digits() -> None:
    assert "1..4294967295" in EVERY["birdpy run"].get_help(click.Context(EVERY["birdpy run"]))
