"""`felixpy ipam show` and `why`: what is taken, by whom, and since when."""

import time
from typing import Any

import click

from felixpy.cli.ipam import address_of, fields_of, run
from felixpy.datastore.open import open_datastore
from felixpy.show.options import datastore_options
from felixpy.show.output import Column, aligned, as_json, as_yaml, clean, emit, output_option


@click.command()
@click.option("--show-blocks", is_flag=True, help="Each pool's blocks and their nodes, too.")
@click.option("--show-borrowed", is_flag=True, help="Only addresses that a node uses from another node's block.")
@click.option("--show-configuration", is_flag=True, help="Only the rules of allocation.")
@output_option
@datastore_options
def show(
    show_blocks: bool,
    show_borrowed: bool,
    show_configuration: bool,
    output: str,
    datastore: str | None,
    lab: str | None,
) -> None:
    """How full pools and blocks are, and when a pool will be full.

    The forecast goes by what was taken within a day and is still in use: a pool is not full before, if it goes on so.

    \b
    Examples:
      felixpy ipam show
      felixpy ipam show --show-blocks -o json
    """
    from felixpy.ipam.pools import rules_of
    from felixpy.ipam.reading import read_all
    from felixpy.ipam.usage import borrowed

    snapshot = run(open_datastore(datastore, lab), read_all)
    if show_configuration:
        rules = rules_of(snapshot, "")
        settings = {
            "strictAffinity": rules.config.strict_affinity,
            "autoAllocateBlocks": rules.config.auto_allocate_blocks,
            "maxBlocksPerHost": rules.max_blocks,
            "ipCooldownSeconds": rules.config.ip_cooldown_seconds,
        }
        emit(settings, _SETTINGS, settings.items(), output)
    elif show_borrowed:
        found = borrowed(snapshot)
        emit({"borrowed": found}, _BORROWED, found, output)
    else:
        rows = _usage(snapshot, show_blocks)
        document = {"usage": [{**fields_of(usage), "free": usage.free, "forecast": told} for usage, told in rows]}
        emit(document, _BLOCKS if show_blocks else _POOLS, rows, output)


def _usage(snapshot: Any, show_blocks: bool) -> list[tuple[Any, Any]]:
    """Pools, and blocks if wanted, each with its forecast; only a pool has one."""
    from felixpy.ipam.forecast import forecast
    from felixpy.ipam.usage import usages
    from felixpy.model.resources import IPPool

    pools, now = snapshot.of(IPPool), time.time()
    return [
        (usage, forecast(snapshot, pools[usage.name], usage.free, now) if usage.grouping == "IP Pool" else None)
        for usage in usages(snapshot)
        if show_blocks or usage.grouping == "IP Pool"
    ]


@click.command()
@click.argument("address")
@output_option
@datastore_options
def why(address: str, output: str, datastore: str | None, lab: str | None) -> None:
    """Who has ADDRESS, or why nobody has it: since when, pool, rule, block, node, route, handle, pod.

    \b
    Example:
      felixpy ipam why 10.65.0.7
    """
    from felixpy.ipam.reading import read_all
    from felixpy.ipam.why import why as explain

    found = explain(run(open_datastore(datastore, lab), read_all), address_of(address))
    if output in ("json", "yaml"):
        click.echo(as_json(found) if output == "json" else as_yaml(found), nl=False)
        return
    who = " ".join(f"{key}={value}" for key, value in found.attributes.items() if key != "timestamp")
    shown = {**fields_of(found), "attributes": who, "endpoints": ", ".join(found.endpoints)}
    lines = [[name.replace("_", " "), clean(str(value))] for name, value in shown.items() if value not in ("", None)]
    click.echo(aligned(lines), nl=False)


def _share(usage: Any, number: int) -> str:
    return f"{number} ({round(100 * number / usage.total)}%)"


_POOLS: list[Column[Any]] = [
    Column("GROUPING", lambda row: row[0].grouping),
    Column("NAME", lambda row: row[0].name, wide=True),
    Column("CIDR", lambda row: row[0].cidr),
    Column("IPS TOTAL", lambda row: row[0].total),
    Column("IPS IN USE", lambda row: _share(row[0], row[0].used)),
    Column("IPS RESERVED", lambda row: row[0].reserved),
    Column("IPS FREE", lambda row: _share(row[0], row[0].free)),
    Column("BORROWED", lambda row: row[0].borrowed, wide=True),
    Column("FULL", lambda row: row[1].text if row[1] else ""),
    Column("NOTE", lambda row: row[0].note),
]
_BLOCKS: list[Column[Any]] = [*_POOLS[:3], Column("NODE", lambda row: row[0].owner), *_POOLS[3:]]
_SETTINGS: list[Column[tuple[str, object]]] = [
    Column("PROPERTY", lambda row: row[0]),
    Column("VALUE", lambda row: row[1]),
]
_BORROWED: list[Column[Any]] = [
    Column("IP", lambda row: row.address),
    Column("BORROWING-NODE", lambda row: row.borrower),
    Column("BLOCK", lambda row: row.block),
    Column("BLOCK OWNER", lambda row: row.owner),
    Column("ALLOCATED-TO", lambda row: row.holder),
]
