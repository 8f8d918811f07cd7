"""Join: `birdpy explain`."""

import click

from birdpy.cli.asking import answer, node_options
from birdpy.cli.rib import as_prefix
from felixpy.model.status import ExplainStep, Explanation
from felixpy.show.output import Column, emit, output_option


@click.command(
    epilog="""\b
Examples:
  birdpy explain 10.65.1.0/26 --node n1
  birdpy explain 10.65.1.7 --node n1
  birdpy explain 10.65.1.0/26 --node n1 -o json | jq -r .stopped_by
"""
)
@click.argument("prefix")
@node_options
@output_option
def explain(prefix: str, node: str | None, lab: str | None, output: str) -> None:
    """One prefix, station by station, from whoever announced it into the kernel, or the first reason that stopped it.

    A bare address is explained by the longest prefix that holds it.
    """
    found = answer(Explanation, "explain", node, lab, prefix=as_prefix(prefix))
    columns: tuple[Column[ExplainStep], ...] = (
        Column("", lambda step: "ok" if step.passed else "x"),
        Column("STATION", lambda step: step.station),
        Column("", lambda step: step.text),
    )
    emit(found, columns, found.steps, output)
    if output in ("table", "wide") and found.stopped_by:
        click.echo(f"{found.prefix} stopped by: {found.stopped_by}", err=True)
