"""Options that many commands of both programs share."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from felixpy.show.target import lab_nodes, this_node

F = TypeVar("F", bound=Callable[..., Any])


def complete_lab(_context: click.Context, _parameter: click.Parameter, start: str) -> list[str]:
    """Names of running labs for the shell."""
    return sorted(name for name in lab_nodes() if name.startswith(start))


def complete_node(context: click.Context, _parameter: click.Parameter, start: str) -> list[str]:
    """Names of nodes for the shell: those of the lab that `--lab` names, else of every lab, and this machine's."""
    lab = context.params.get("lab") or context.params.get("lab_name")
    found = {node for name, nodes in lab_nodes().items() for node in nodes if lab in (None, name)}
    return sorted(name for name in (found if lab else {this_node(), *found}) if name.startswith(start))


def datastore_options(command: F) -> F:
    """Add `--datastore` and `--lab`; the command gets them as `datastore` and `lab`, both for `open_datastore`."""
    which = click.option(
        "--datastore",
        metavar="WHERE",
        default=None,
        help="files:DIR or kubernetes[:KUBECONFIG]. "
        "Default: $FELIXPY_DATASTORE, else the cluster we run in, else the one running lab.",
    )
    return click.option(
        "--lab", metavar="NAME", default=None, shell_complete=complete_lab, help="The datastore of this running lab."
    )(which(command))
