"""Join: how birdpy's views reach the router of the node that `--node` names."""

from collections.abc import Callable
from typing import Any, TypeVar

import click
import msgspec

from felixpy.model.errors import Unreachable
from felixpy.show.options import complete_lab, complete_node
from felixpy.show.target import resolve

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


def node_options(command: F) -> F:
    """Add `--node` and `--lab`; the command gets them as `node` and `lab`."""
    lab_help, node_help = (
        "The lab that has the node, when several do.",
        "Whose router to ask; this machine when not given.",
    )
    command = click.option("--lab", metavar="LAB", shell_complete=complete_lab, help=lab_help)(command)
    return click.option("--node", metavar="NODE", shell_complete=complete_node, help=node_help)(command)


def answer(kind: type[T], what: str, node: str | None, lab: str | None, **arguments: Any) -> T:
    """The router's answer to `what` as a `kind`; Unreachable says which socket was tried and what to run."""
    target = resolve(node, lab)
    try:
        document = target.ask("birdpy", what, **arguments)
    except Unreachable as error:
        run = f"felixpy lab inspect {target.lab}" if target.lab else f"birdpy run --node {target.node}"
        run = "kubectl get pods -A -o wide -l app.kubernetes.io/name=birdpy" if target.cluster else run
        raise Unreachable(f"no birdpy answers for node {target.node}: {error}; look with: {run}") from error
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        reason = f"birdpy of node {target.node} answers in another version's words: {error}; upgrade the older one"
        raise Unreachable(reason) from error
