"""Edge: `felixpy probe`: one ping with any source of this node, from the node itself."""

import click

from felixpy.kernel.probe import probe as sent
from felixpy.model.addresses import Address, parse_address
from felixpy.model.errors import Usage
from felixpy.model.probe import ProbeResult
from felixpy.show.output import Column, emit, output_option


@click.command(
    epilog="""\b
Examples:
  felixpy probe 10.65.0.2 10.65.1.2
  felixpy probe 10.65.0.2 10.65.1.2 --size 1500 -o json
"""
)
@click.argument("source")
@click.argument("destination")
@click.option("--size", default=84, show_default=True, metavar="BYTES", help="Of the whole packet, sent with DF.")
@click.option("--timeout", default=1.0, show_default=True, metavar="SECONDS")
@output_option
def probe(source: str, destination: str, size: int, timeout: float, output: str) -> None:
    """One ping from SOURCE, an address of this node or of a pod on it, to DESTINATION. Exit 1 when nothing answers.

    It is sent from the node with the pod's address as its source, and its answer is seen on its way to the pod:
    nothing is run inside the pod.
    """
    result = sent(_address(source), _address(destination), size, timeout)
    columns: tuple[Column[ProbeResult], ...] = (
        Column("SOURCE", lambda it: it.source),
        Column("DESTINATION", lambda it: it.destination),
        Column("BYTES", lambda it: it.size),
        Column("ANSWERED", lambda it: it.answered),
        Column("RTT", lambda it: None if it.rtt_ms is None else f"{it.rtt_ms:.3f} ms"),
        Column("SAID", lambda it: f"{it.by}: {it.text}" if it.by else it.text),
    )
    emit(result, columns, [result], output)
    raise SystemExit(0 if result.answered else 1)


def _address(text: str) -> Address:
    try:
        return parse_address(text)
    except ValueError as error:
        raise Usage(f"{text!r} is no address: {error}") from None
