"""A click group whose commands are imported only when they are run: `--help` stays under 150 ms.

Errors of the kind `Trouble` end here as one line on stderr (one for each problem of a file that has several) and an
exit code: 2 for wrong usage, else 1.
"""

import importlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click

from felixpy.model.errors import Trouble, Usage


@dataclass(frozen=True, slots=True)
class Verb:
    """Where a command lives (`package.module:attribute`) and its one line of help."""

    where: str
    help: str


class LazyGroup(click.Group):
    """Commands by name, each imported on first use."""

    def __init__(self, *args: Any, verbs: Mapping[str, Verb] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.verbs = dict(verbs or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order in which they were declared."""
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command; None when there is none of that name."""
        verb = self.verbs.get(cmd_name)
        if verb is None:
            return None
        module, _, attribute = verb.where.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list for `--help`, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.help) for name, verb in self.verbs.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but with the nearest names when there is none."""
        if args and args[0] not in self.verbs and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], self.verbs, n=2)
            hint = f"; did you mean {' or '.join(near)}?" if near else f"; see {ctx.info_name} --help"
            raise click.UsageError(f"no command is named {args[0]!r}{hint}", ctx)
        return super().resolve_command(ctx, args)


def run(group: click.Group, program: str) -> None:
    """Run the command line and exit: 0 fine, 1 trouble, 2 usage, 130 after Ctrl-C; never a traceback for trouble."""
    try:
        code = group.main(prog_name=program, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except click.Abort:
        code = 130
    except Usage as error:
        _report(program, error)
        code = 2
    except Trouble as error:
        _report(program, error)
        code = 1
    except PermissionError as error:  # another user's lab, socket or store
        reason = f"{error.filename}: {error.strerror}; it takes the user whom that belongs to, or root"
        _report(program, Trouble(reason))
        code = 1
    except BrokenPipeError:  # `felixpy routes | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code if isinstance(code, int) else 0)


def _report(program: str, error: Trouble) -> None:
    """A line for each problem; what it quotes from outside cannot steer the terminal."""
    from felixpy.show.output import escaped

    for problem in str(error).split("\n"):
        print(f"{program}: {escaped(problem)}", file=sys.stderr)  # noqa: T201 - the one place that reports trouble
