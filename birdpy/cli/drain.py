"""Join: `birdpy drain`."""

import time
from pathlib import Path
from typing import Any

import click
import msgspec

from birdpy.cli.asking import node_options
from felixpy.daemon.paths import control_socket
from felixpy.daemon.status import ask
from felixpy.model.errors import Trouble, Unreachable
from felixpy.model.status import LeavingStatus
from felixpy.show.target import resolve

LOOK_EVERY_S = 0.2
SHOWN = 5  # of what a step waits for


@click.command(
    epilog="""\b
Examples:
  birdpy drain --node n1
  birdpy drain --node n1 --settle 10 --timeout 120
  birdpy drain --node n1 --undo
"""
)
@node_options
@click.option("--timeout", type=click.FloatRange(0, 86400), default=60.0, show_default=True, help="Seconds in all.")
@click.option(
    "--settle", type=click.FloatRange(0, 3600), default=3.0, show_default=True, help="Seconds for traffic to move."
)
@click.option("--undo", is_flag=True, help="Bring everything back.")
def drain(node: str | None, lab: str | None, timeout: float, settle: float, undo: bool) -> None:
    """Lead a node out of its peers' tables: last resort, wait, withdraw, close. Blackholes and kernel routes stay.

    For the removal of a node or of birdpy. Before it withdraws it waits for the settle time, and for as long as the
    traffic that the node forwards still falls. After the time-out it goes on; --undo takes it back at any step. A
    birdpy that is restarted stays drained until then, or until the machine is rebooted.
    """
    path = control_socket("birdpy", resolve(node, lab).run_dir)
    if undo:
        _order(path, "undo")
        click.echo("serving")
        return
    end, shown = time.monotonic() + timeout, ""
    known = _order(path, "drain", settle_s=settle)
    for peer in known.untold:
        click.echo(f"{peer} is down: it is told nothing, and may keep routes of this node as stale", err=True)
    while known.stage != "drained":
        if known.stage == "serving":
            raise Trouble("the drain was taken back")
        if known.stage not in (shown, "counting"):
            click.echo(known.stage, err=True)
            shown = known.stage
        if time.monotonic() >= end:
            raise Trouble(f"not drained after {timeout:g} s, still {known.stage}{_left(known)}; --undo takes it back")
        time.sleep(LOOK_EVERY_S)
        known = _patiently(path, end) or known
    if known.forwarded_before is not None and known.forwarded_now is not None:
        rates = f"{known.forwarded_before:.0f} packets/s forwarded before, {known.forwarded_now:.0f} now"
        click.echo(f"{rates}; what this node's own pods send counts too", err=True)
    click.echo("drained")


def _patiently(path: Path, end: float) -> LeavingStatus | None:
    """The step now; None while birdpy is being restarted, which goes on with its drain."""
    try:
        return _order(path, "leaving")
    except Unreachable:
        if time.monotonic() >= end:
            raise
        return None


def _left(known: LeavingStatus) -> str:
    """The first of what is waited for."""
    if not known.waiting:
        return ""
    more = f" and {len(known.waiting) - SHOWN} more" if len(known.waiting) > SHOWN else ""
    return f": {', '.join(known.waiting[:SHOWN])}{more}"


def _order(path: Path, what: str, **arguments: Any) -> LeavingStatus:
    try:
        return msgspec.convert(ask(path, what, **arguments), LeavingStatus)
    except msgspec.ValidationError as error:
        raise Unreachable(f"{path}: birdpy answers in another version's words: {error}") from error
