"""`felixpy cni`: the CNI plugin, called by a container runtime."""

import os
import sys

import click


@click.command()
def cni() -> None:
    """The CNI plugin: reads CNI_* and a network configuration on stdin, prints a result.

    A container runtime calls it; by hand, `felixpy pod add` does. It hands the pod's network namespace to the agent
    of this node (cni.sock in the run folder) and does what the agent says.

    \b
    Example:
      CNI_COMMAND=VERSION felixpy cni < /dev/null
    """
    from felixpy.cni.twin import run
    from felixpy.daemon.paths import run_dir, state_dir

    code, output = run(os.environ, sys.stdin.buffer.read(), run_dir(), state_dir())
    sys.stdout.buffer.write(output)
    sys.stdout.buffer.flush()
    sys.exit(code)
