"""Edge: `felixpy facts`: this machine's kernel as trace and check see it."""

import click

from felixpy.kernel.facts import asked_facts
from felixpy.model.facts import RouteFact
from felixpy.show.output import Column, emit, output_option
from felixpy.show.target import this_node


@click.command(
    epilog="""\b
Examples:
  felixpy facts
  felixpy facts 10.65.1.2 -o json
"""
)
@click.argument("addresses", nargs=-1)
@output_option
def facts(addresses: tuple[str, ...], output: str) -> None:
    """What decides where this machine's kernel sends a packet: links, addresses, routes, rules, neighbours.

    The table shows the routes; json and yaml have everything. With ADDRESSES only the routes that cover one of them.
    Needs no daemon.
    """
    found = asked_facts(this_node(), {"about": list(addresses)})
    columns: tuple[Column[RouteFact], ...] = (
        Column("PREFIX", lambda it: it.prefix),
        Column("KIND", lambda it: it.kind),
        Column("WAYS", lambda it: [f"{f'via {way.via} ' if way.via else ''}dev {way.device}" for way in it.ways]),
        Column("PROTOCOL", lambda it: it.protocol),
        Column("TABLE", lambda it: it.table),
        Column("METRIC", lambda it: it.metric),
    )
    emit(found, columns, found.routes, output)
