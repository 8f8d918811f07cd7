"""`--watch`: what a command shows, again and again, until Ctrl-C. Edge: the terminal, the clock.

On a terminal the screen is drawn anew in place, with what changed since the last look in bold. Into a pipe everything
is written once and then only when something changed besides ages: a log of changes, or one JSON document per change.
"""

import io
import re
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any, TypeVar

import click

from felixpy.model.errors import Trouble

F = TypeVar("F", bound=Callable[..., Any])

INTERVAL_S = 1.0
AGES = re.compile(r"\b(?:\d+[dhms])+\b|\"since\": [\d.]+|\"taken\": [\d.]+")
HOME, CLEAR_LINE, CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"  # the alternate screen, without cursor
BOLD, PLAIN = "\x1b[1m", "\x1b[0m"


def watch_option(command: F) -> F:
    """Add `-w/--watch`; the command gets it as `watch`."""
    return click.option("-w", "--watch", is_flag=True, help="Look again every second, until Ctrl-C.")(command)


def repeat(show: Callable[[], None], *, watch: bool, turns: int | None = None) -> None:
    """Call `show`, which prints; with `watch` again and again. `turns` bounds it, for tests.

    Trouble while watching is shown in place of the result, and the next look may succeed.
    """
    if not watch:
        show()
        return
    screen = sys.stdout.isatty()
    if screen:
        sys.stdout.write(ENTER)
    try:
        _look(show, screen=screen, turns=turns)
    except (KeyboardInterrupt, BrokenPipeError):
        pass
    finally:
        if screen:
            sys.stdout.write(LEAVE)
            sys.stdout.flush()


def _look(show: Callable[[], None], *, screen: bool, turns: int | None) -> None:
    before: list[str] | None = None
    turn = 0
    while turns is None or turn < turns:
        if turn:
            time.sleep(INTERVAL_S)
        turn += 1
        lines = _shown(show)
        if screen:
            _draw(lines, before)
        elif before is None or _settled(lines) != _settled(before):
            print("\n".join(lines), flush=True)  # noqa: T201 - this is the command's output
        before = lines


def _shown(show: Callable[[], None]) -> list[str]:
    paper = io.StringIO()
    try:
        with redirect_stdout(paper):
            show()
    except Trouble as error:
        return [f"not known now: {error}"]
    return paper.getvalue().splitlines()


def _settled(lines: list[str]) -> list[str]:
    """Lines without what changes by itself: ages, and the columns' width with them."""
    return [_same(line) for line in lines]


def _same(line: str) -> str:
    return " ".join(AGES.sub("", line).split())


def _draw(lines: list[str], before: list[str] | None) -> None:
    known = set(_settled(before)) if before is not None else None
    out = [HOME, f"{time.strftime('%H:%M:%S')}  every {INTERVAL_S:g} s, Ctrl-C ends{CLEAR_LINE}\r\n"]
    wide, high = shutil.get_terminal_size()
    for line in lines[: high - 2]:
        new = known is not None and _same(line) not in known
        out.append(f"{BOLD if new else ''}{line[:wide]}{PLAIN if new else ''}{CLEAR_LINE}\r\n")
    out.append(CLEAR_BELOW)
    sys.stdout.write("".join(out))
    sys.stdout.flush()
