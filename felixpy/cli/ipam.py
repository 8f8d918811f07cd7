"""`felixpy ipam`: what is taken, by whom, and whether the books agree."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import click

from felixpy.datastore.open import open_datastore
from felixpy.datastore.source import Datastore
from felixpy.model.addresses import Address, parse_address
from felixpy.model.errors import Trouble, Usage
from felixpy.show.options import datastore_options
from felixpy.show.output import Column, aligned, as_json, as_yaml, clean, emit, output_option

T = TypeVar("T")
SECOND_LOOK_S = 0.5  # an attach takes milliseconds: what is still wrong after that is wrong


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def ipam() -> None:
    """Addresses of pods: pools, the blocks that nodes took from them, and who holds what.

    \b
    Examples:
      felixpy ipam show --show-blocks
      felixpy ipam why 10.65.0.7
      felixpy ipam check
    """


@ipam.command()
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
    """How full pools and blocks are.

    \b
    Examples:
      felixpy ipam show
      felixpy ipam show --show-blocks -o json
    """
    from felixpy.ipam.pools import rules_of
    from felixpy.ipam.reading import read_all
    from felixpy.ipam.usage import borrowed, usages

    snapshot = _run(open_datastore(datastore, lab), read_all)
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
        wanted = [usage for usage in usages(snapshot) if show_blocks or usage.grouping == "IP Pool"]
        document = {"usage": [{**_fields(usage), "free": usage.free} for usage in wanted]}
        emit(document, _BLOCKS if show_blocks else _POOLS, wanted, output)


@ipam.command()
@click.option("--grace", default=0.0, metavar="SECONDS", help="Overlook leaks younger than this.")
@output_option
@datastore_options
def check(grace: float, output: str, datastore: str | None, lab: str | None) -> None:
    """Whether blocks, affinities, handles and pods agree; exit code 1 when they do not.

    Finds leaked addresses (nobody has them), doubled ones, blocks with two owners or none, wrong counts. What looks
    wrong is looked at twice, for pods come and go meanwhile.

    \b
    Example:
      felixpy ipam check -o json
    """
    from felixpy.ipam.books import blocks_of
    from felixpy.ipam.collect import Problem, problems
    from felixpy.ipam.leaks import holdings
    from felixpy.ipam.reading import read_all

    async def look(store: Datastore) -> tuple[list[Problem], int, int]:
        snapshot = await read_all(store)
        found = problems(snapshot, time.time(), grace)
        if found:
            await asyncio.sleep(SECOND_LOOK_S)
            snapshot = await read_all(store)
            again = {(problem.kind, problem.subject) for problem in found}
            found = [p for p in problems(snapshot, time.time(), grace) if (p.kind, p.subject) in again]
        return found, len(blocks_of(snapshot)), len(holdings(snapshot))

    found, blocks, addresses = _run(open_datastore(datastore, lab), look)
    document = {"blocks": blocks, "addresses_in_use": addresses, "problems": found}
    if output in ("json", "yaml") or found:
        emit(document, _PROBLEMS, found, output)
    click.echo(f"{blocks} blocks, {addresses} addresses in use: {len(found) or 'no'} problems", err=True)
    if found:
        raise Trouble(f"the books of addresses do not agree: {len(found)} problems")


@ipam.command()
@click.argument("address")
@click.option("--force", is_flag=True, help="Also when a pod has it.")
@click.option("--handle", default=None, help="Only if this handle holds it.")
@datastore_options
def release(address: str, force: bool, handle: str | None, datastore: str | None, lab: str | None) -> None:
    """Give one ADDRESS back that nobody uses any more.

    \b
    Example:
      felixpy ipam release 10.65.0.7
    """
    from felixpy.ipam.reading import read_all
    from felixpy.ipam.release import release_address
    from felixpy.ipam.usage import why as explain

    store = open_datastore(datastore, lab)
    wanted = _address(address)
    click.echo(f"releasing in {store.target}", err=True)

    async def give_back(_: Datastore) -> str | None:
        known = explain(await read_all(store), wanted)
        if known.endpoints and not force:
            users = ", ".join(known.endpoints)
            raise Trouble(f"{wanted} is in use by {users}: delete the pod, or use --force")
        return await release_address(store, wanted, handle)

    held_by = _run(store, give_back)
    click.echo(f"{wanted} was not assigned" if held_by is None else f"{wanted} released (handle {clean(held_by)})")


@ipam.command()
@click.argument("address")
@output_option
@datastore_options
def why(address: str, output: str, datastore: str | None, lab: str | None) -> None:
    """Who has ADDRESS, or why nobody has it: pool, block, node, handle, pod.

    \b
    Example:
      felixpy ipam why 10.65.0.7
    """
    from felixpy.ipam.reading import read_all
    from felixpy.ipam.usage import why as explain

    found = explain(_run(open_datastore(datastore, lab), read_all), _address(address))
    if output in ("json", "yaml"):
        click.echo(as_json(found) if output == "json" else as_yaml(found), nl=False)
        return
    fields = _fields(found)
    who = " ".join(f"{key}={value}" for key, value in found.attributes.items())
    shown = {**fields, "attributes": who, "endpoints": ", ".join(found.endpoints)}
    lines = [[name.replace("_", " "), clean(str(value))] for name, value in shown.items() if value not in ("", None)]
    click.echo(aligned(lines), nl=False)


def _fields(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def _address(text: str) -> Address:
    try:
        return parse_address(text)
    except ValueError as error:
        raise Usage(str(error)) from None


def _run(store: Datastore, work: Callable[[Datastore], Awaitable[T]]) -> T:
    async def whole() -> T:
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(whole())


def _share(usage: Any, number: int) -> str:
    return f"{number} ({round(100 * number / usage.total)}%)"


_POOLS: list[Column[Any]] = [
    Column("GROUPING", lambda usage: usage.grouping),
    Column("NAME", lambda usage: usage.name, wide=True),
    Column("CIDR", lambda usage: usage.cidr),
    Column("IPS TOTAL", lambda usage: usage.total),
    Column("IPS IN USE", lambda usage: _share(usage, usage.used)),
    Column("IPS RESERVED", lambda usage: usage.reserved),
    Column("IPS FREE", lambda usage: _share(usage, usage.free)),
    Column("BORROWED", lambda usage: usage.borrowed, wide=True),
    Column("NOTE", lambda usage: usage.note),
]
_BLOCKS: list[Column[Any]] = [*_POOLS[:3], Column("NODE", lambda usage: usage.owner), *_POOLS[3:]]
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
_PROBLEMS: list[Column[Any]] = [
    Column("PROBLEM", lambda problem: problem.kind),
    Column("WHAT", lambda problem: problem.subject),
    Column("PROOF", lambda problem: problem.proof),
    Column("FIX", lambda problem: problem.fix),
]
