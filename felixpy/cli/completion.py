"""`felixpy completion`: what makes Tab work."""

import click

from felixpy.show.completion import SHELLS, script


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the completion script for SHELL.

    \b
    Examples:
      source <(felixpy completion bash)
      felixpy completion fish > ~/.config/fish/completions/felixpy.fish
    """
    from felixpy.cli.main import felixpy

    click.echo(script(felixpy, "felixpy", shell))
