"""The `run` command of a daemon, for `--help` and shell completion: its options are its settings."""

from collections.abc import Callable, Sequence
from typing import Any

import click

from felixpy.daemon.settings import Option, described, options


def daemon_command(
    settings: type, prefix: str, start: Callable[[Sequence[str]], None], help_text: str
) -> click.Command:
    """A click command that hands its words on to `start`, which reads them again without click."""

    def callback(**flags: Any) -> None:
        start([word for option in known for word in spelled(option, flags.get(option.name))])

    known = options(settings, prefix)
    return click.Command("run", callback=callback, params=[as_click(option) for option in known], help=help_text)


def as_click(option: Option) -> click.Option:
    """One setting as click shows it; its type and range are checked by the daemon, which also knows the origin."""
    return click.Option(
        [option.flag],
        is_flag=option.switch,
        help=described(option),
        metavar=None if option.switch else (option.about.unit or option.name).upper(),
    )


def spelled(option: Option, value: Any) -> list[str]:
    """The words that give this option that value; none when it was not given."""
    if option.switch:
        return [option.flag] if value else []
    return [] if value is None else [f"{option.flag}={value}"]
