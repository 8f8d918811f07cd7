"""Options that many commands of both programs share."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def datastore_options(command: F) -> F:
    """Add `--datastore` and `--lab`; the command gets them as `datastore` and `lab`, both for `open_datastore`."""
    which = click.option(
        "--datastore",
        metavar="WHERE",
        default=None,
        help="files:DIR or kubernetes[:KUBECONFIG]. "
        "Default: $FELIXPY_DATASTORE, else the cluster we run in, else the one running lab.",
    )
    return click.option("--lab", metavar="NAME", default=None, help="The datastore of this running lab.")(
        which(command)
    )
