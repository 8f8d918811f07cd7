"""`--watch` into a pipe: once, and again only when something but ages changed."""

from collections.abc import Callable, Iterator

import click
import pytest

from felixpy.model.errors import Unreachable
from felixpy.show import watching
from felixpy.show.watching import repeat


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "INTERVAL_S", 0)


def showing(*pages: str) -> Callable[[], None]:
    left: Iterator[str] = iter(pages)

    def show() -> None:
        page = next(left)
        if page == "away":
            raise Unreachable("nobody answers")
        click.echo(page)

    return show


def test_without_watch_it_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    repeat(showing("one", "two"), watch=False)
    assert capsys.readouterr().out == "one\n"


def test_only_a_change_is_written_again_and_an_age_or_a_wider_column_is_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    repeat(showing("a   9s   yes", "a   10s    yes", "a   1h2m   no", "a   1h3m   no"), watch=True, turns=4)
    assert capsys.readouterr().out == "a   9s   yes\na   1h2m   no\n"


def test_trouble_is_shown_and_the_next_look_may_succeed(capsys: pytest.CaptureFixture[str]) -> None:
    repeat(showing("one", "away", "one"), watch=True, turns=3)
    assert capsys.readouterr().out == "one\nnot known now: nobody answers\none\n"


def test_ctrl_c_ends_it_without_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    repeat(interrupted, watch=True)
    assert capsys.readouterr().out == ""


def test_on_a_terminal_the_changed_line_is_bold_and_the_screen_is_given_back(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    repeat(showing("a 1s\nb", "a 2s\nc"), watch=True, turns=2)
    drawn = capsys.readouterr().out
    assert f"{watching.BOLD}c{watching.PLAIN}" in drawn
    assert f"{watching.BOLD}a" not in drawn
    assert drawn.startswith(watching.ENTER)
    assert drawn.endswith(watching.LEAVE)
