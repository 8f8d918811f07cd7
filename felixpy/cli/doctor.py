"""Join: `felixpy doctor`: every check over every node, with the fix beside each finding."""

import time
from collections.abc import Sequence

import click

from felixpy.cli.viewing import missing, network, resources, targets_of
from felixpy.insight.doctor.check import ClusterCheck, Finding, NodeCheck
from felixpy.insight.doctor.examine import CLUSTER_CHECKS, NODE_CHECKS, findings
from felixpy.model.errors import Usage
from felixpy.show.options import complete_lab, complete_node
from felixpy.show.output import Column, emit, output_option

CHECKS: Sequence[NodeCheck | ClusterCheck] = (*CLUSTER_CHECKS, *NODE_CHECKS)


def complete_check(_context: click.Context, _parameter: click.Parameter, start: str) -> list[str]:
    """Names of checks for the shell."""
    return [check.name for check in CHECKS if check.name.startswith(start)]


@click.command(
    epilog="""\b
Examples:
  felixpy doctor
  felixpy doctor --node n1
  felixpy doctor --check sessions --check next-hops -o json
  felixpy doctor --list
"""
)
@click.option("--node", metavar="NODE", shell_complete=complete_node, help="Only what concerns this node.")
@click.option("--lab", metavar="LAB", shell_complete=complete_lab, help="The lab to look at, when several run.")
@click.option("--datastore", metavar="WHERE", help="files:DIR or kubernetes[:KUBECONFIG]; a lab's own by default.")
@click.option(
    "--check", "only", multiple=True, metavar="NAME", shell_complete=complete_check, help="Only this check."
)
@click.option("--list", "listed", is_flag=True, help="Only list the checks.")
@output_option
def doctor(
    *, node: str | None, lab: str | None, datastore: str | None, only: tuple[str, ...], listed: bool, output: str
) -> None:
    """What ails a node or the cluster, and what mends it. Exit 1 when there is an error or a warning.

    Notes are as they are by design and worth knowing. Nothing is changed.
    """
    unknown = sorted(set(only) - {check.name for check in CHECKS})
    if unknown:
        raise Usage(f"no check is named {', '.join(unknown)}; felixpy doctor --list shows them")
    if listed:
        _list(output)
        return
    targets = targets_of(lab, node, datastore)
    view = network(targets, resources(targets, datastore), system=True)
    found = [it for it in findings(view, time.time(), only) if node in (None, it.node) or not it.node]
    columns: tuple[Column[Finding], ...] = (
        Column("SEVERITY", lambda it: it.severity.value),
        Column("CHECK", lambda it: it.check),
        Column("NODE", lambda it: it.node),
        Column("FINDING", lambda it: it.text),
        Column("FIX", lambda it: it.fix),
    )
    if found or output in ("json", "yaml"):
        emit({"findings": found, "nodes": sorted(view.nodes), "missing": missing(view)}, columns, found, output)
    count = len(only) or len(CHECKS)
    click.echo(f"felixpy: {count} checks on {len(view.nodes)} nodes: {len(found)} findings", err=True)
    raise SystemExit(1 if any(it.severity.value != "note" for it in found) else 0)


def _list(output: str) -> None:
    columns: tuple[Column[NodeCheck | ClusterCheck], ...] = (
        Column("CHECK", lambda it: it.name),
        Column("SEVERITY", lambda it: it.severity.value),
        Column("OF", lambda it: "node" if isinstance(it, NodeCheck) else "cluster"),
        Column("SILENT WHEN", lambda it: it.good),
    )
    rows = [{"name": it.name, "severity": it.severity, "good": it.good} for it in CHECKS]
    emit({"checks": rows}, columns, CHECKS, output)
