"""`felixpy cni`: the CNI plugin, called by a container runtime; and `install`, `uninstall` of its files."""

import click

from felixpy.show.lazy import LazyGroup, Verb

VERBS = {
    "install": Verb("felixpy.cli.install:install_cni", "the plugin and its configuration, where runtimes look"),
    "uninstall": Verb("felixpy.cli.install:uninstall_cni", "remove both, the configuration first"),
}


@click.group(
    cls=LazyGroup,
    verbs=VERBS,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.pass_context
def cni(context: click.Context) -> None:
    """The CNI plugin: reads CNI_* and a network configuration on stdin, prints a result.

    A container runtime calls it; by hand, `felixpy pod add` does. It hands the pod's network namespace to the agent
    of this node (cni.sock in the run folder) and does what the agent says.

    \b
    Examples:
      CNI_COMMAND=VERSION felixpy cni < /dev/null
      felixpy cni install
    """
    if context.invoked_subcommand is not None:
        return
    from felixpy.cni.twin import main

    main()
