"""How trouble reaches a user."""

import click
import pytest

from felixpy.model.errors import Trouble, Usage
from felixpy.show.lazy import run


def ended(error: Trouble) -> int | str | None:
    @click.group()
    def program() -> None:
        raise error

    program.add_command(click.Command("go", callback=lambda: None))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as end:
        patch.setattr("sys.argv", ["program", "go"])
        run(program, "program")
    return end.value.code


def test_several_problems_of_a_file_are_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(Usage("lab.yml:5: node a: no image\nlab.yml:9: node b: no kind")) == 2
    assert capsys.readouterr() == ("", "program: lab.yml:5: node a: no image\nprogram: lab.yml:9: node b: no kind\n")


def test_text_from_outside_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(Trouble("peer says \x1b[2J\r")) == 1
    assert capsys.readouterr().err == "program: peer says \\x1b[2J\\r\n"
