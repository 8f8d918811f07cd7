"""Shell completion scripts, for both programs."""

import click

from felixpy.model.errors import Usage

SHELLS = ("bash", "zsh", "fish")


def script(group: click.Group, program: str, shell: str) -> str:
    """The script that a shell reads once; it asks the program itself what may follow."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise Usage(f"no completion for {shell}: one of {', '.join(SHELLS)}")
    completion = found(group, {}, program, f"_{program.upper()}_COMPLETE")
    # The class would start bash to check its version, only to warn of those before 4.4.
    return completion.source_template % completion.source_vars()
