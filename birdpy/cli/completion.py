"""`birdpy completion`: what makes Tab work."""

import click

from felixpy.show.completion import SHELLS, script


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the completion script for SHELL.

    \b
    Examples:
      source <(birdpy completion bash)
      birdpy completion fish > ~/.config/fish/completions/birdpy.fish
    """
    from birdpy.cli.main import birdpy

    click.echo(script(birdpy, "birdpy", shell))
