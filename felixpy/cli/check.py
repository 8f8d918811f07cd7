"""Join: `felixpy check`: the invariants of the whole network, judged from every node's kernel and daemons."""

import time

import click

from felixpy.cli.viewing import missing, network, resources, targets_of
from felixpy.insight.invariants import Violation, violations
from felixpy.show.options import complete_lab
from felixpy.show.output import Column, emit, output_option


@click.command(
    epilog="""\b
Examples:
  felixpy check
  felixpy check --lab quickstart -o json
"""
)
@click.option("--lab", metavar="LAB", shell_complete=complete_lab, help="The lab to check, when several run.")
@click.option("--datastore", metavar="WHERE", help="files:DIR or kubernetes[:KUBECONFIG]; a lab's own by default.")
@click.option("--grace", default=0.0, metavar="SECONDS", help="Overlook leaked addresses younger than this.")
@output_option
def check(*, lab: str | None, datastore: str | None, grace: float, output: str) -> None:
    """Is the network as it must be? Exit 1 and the proof of each fault when it is not.

    Every block has one owner and leads there from everywhere; every pod's address leads to that pod from every node;
    nothing loops; every block lies on a blackhole; both ends of a session have it; the books of addresses agree with
    what is attached. Worked out from the kernels' own tables, so it needs no packet and no working network.
    """
    targets = targets_of(lab, datastore=datastore)
    view = network(targets, resources(targets, datastore))
    for who, reason in missing(view).items():
        click.echo(f"felixpy: not asked: {who}: {reason}", err=True)
    found = violations(view, time.time(), grace)
    columns: tuple[Column[Violation], ...] = (
        Column("INVARIANT", lambda it: it.invariant),
        Column("OF", lambda it: it.subject),
        Column("NODE", lambda it: it.node),
        Column("PROOF", lambda it: it.proof),
        Column("FIX", lambda it: it.fix),
    )
    document = {"violations": found, "nodes": sorted(view.nodes), "missing": missing(view)}
    if found or output in ("json", "yaml"):
        emit(document, columns, found, output)
    looked = sum(node.facts is not None for node in view.nodes.values())
    click.echo(f"felixpy: {len(found)} faults; {looked} of {len(view.nodes)} nodes looked into", err=True)
    raise SystemExit(1 if found else 0)
