"""`felixpy ipam split`, `reserve` and `configure`: what may be given out, and how."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import click
from msgspec import structs

from felixpy.cli.ipam import run
from felixpy.datastore.open import open_datastore
from felixpy.datastore.source import Datastore
from felixpy.model.addresses import parse_prefix
from felixpy.model.errors import Trouble, Usage
from felixpy.model.resources import IPAMConfig, IPPool, IPReservation, Metadata, Resource
from felixpy.model.resources.rules import first_problem
from felixpy.show.options import datastore_options
from felixpy.show.output import Column, emit, output_option

RESERVED_BY_HAND = "by-hand"


def _target(store: Datastore, doing: str, dry_run: bool) -> None:
    click.echo(f"{doing} in {store.target}" + (" (dry run: nothing is changed)" if dry_run else ""), err=True)


@click.command("split")
@click.argument("number", type=int)
@click.option("--name", default=None, help="The pool's name.")
@click.option("--cidr", default=None, help="Or its CIDR.")
@click.option("--dry-run", is_flag=True, help="Show the new pools, change nothing.")
@output_option
@datastore_options
def split_command(
    number: int, name: str | None, cidr: str | None, dry_run: bool, output: str, **where: str | None
) -> None:
    """Replace a pool by NUMBER pools of equal size; pods, blocks and addresses stay as they are.

    The new ones are stored before the old one goes. Whoever names the pool (annotations, network configurations) must
    name the new ones.

    \b
    Examples:
      felixpy ipam split 4 --name pods --dry-run
      felixpy ipam split 2 --cidr 10.65.0.0/16
    """
    from felixpy.ipam.split import children, split

    if (name is None) == (cidr is None):
        raise Usage("give --name or --cidr, one of them")
    store = open_datastore(where["datastore"], where["lab"])
    _target(store, "splitting a pool", dry_run)

    async def work(_: Datastore) -> Sequence[Resource[IPPool]]:
        pools = (await store.list(IPPool)).objects.values()
        found = [pool for pool in pools if name == pool.name or cidr == str(pool.spec.cidr)]
        if not found:
            raise Trouble(f"no pool is {name or cidr}; there are {', '.join(pool.name for pool in pools) or 'none'}")
        parts = children(found[0], number)
        if not dry_run:
            await split(store, found[0], parts)
        return parts

    parts = run(store, work)
    document = {"pools": [{"name": part.name, "cidr": part.spec.cidr} for part in parts], "changed": not dry_run}
    emit(document, _POOLS, parts, output)


@click.command()
@click.argument("cidrs", nargs=-1, required=True, metavar="CIDR...")
@click.option("--name", default=RESERVED_BY_HAND, show_default=True, help="The IPReservation to add them to.")
@click.option("--undo", is_flag=True, help="Take them out of it.")
@click.option("--dry-run", is_flag=True, help="Show the reservation, change nothing.")
@output_option
@datastore_options
def reserve(cidrs: tuple[str, ...], name: str, undo: bool, dry_run: bool, output: str, **where: str | None) -> None:
    """Give no address of each CIDR to a pod any more; who has one keeps it, and may be asked for by name.

    \b
    Examples:
      felixpy ipam reserve 10.65.0.0/28
      felixpy ipam reserve 10.65.0.0/28 --undo
    """
    store = open_datastore(where["datastore"], where["lab"])
    _target(store, "freeing reserved addresses" if undo else "reserving addresses", dry_run)
    wanted = [_prefix(text) for text in cidrs]

    async def work(_: Datastore) -> tuple[str, ...]:
        stored = await store.get(IPReservation, name)
        before = stored.spec.reserved_cidrs if stored else ()
        after = tuple(c for c in before if c not in wanted) if undo else tuple(dict.fromkeys((*before, *wanted)))
        if undo and (missing := [text for text in wanted if text not in before]):
            raise Trouble(f"IPReservation {name} does not hold {', '.join(missing)}; it holds {', '.join(before)}")
        if dry_run or after == before:
            return after
        spec = IPReservation(reserved_cidrs=after)
        if stored is None:
            await store.create(Resource(Metadata(name), spec))
        elif after:
            await store.update(replace(stored, spec=spec))
        else:
            await store.delete(stored)
        return after

    held = run(store, work)
    emit({"name": name, "reservedCIDRs": held, "changed": not dry_run}, _CIDRS, held, output)


@click.command()
@click.option("--strictaffinity", type=bool, default=None, help="Whether nodes never borrow from each other.")
@click.option("--auto-allocate-blocks", type=bool, default=None, help="Whether a full node takes another block.")
@click.option("--max-blocks-per-host", type=int, default=None, help="0 means 20; needs strict affinity.")
@click.option("--ip-cooldown-seconds", type=int, default=None, help="How long a released address rests, 0..1200.")
@click.option("--dry-run", is_flag=True, help="Show what would be, change nothing.")
@output_option
@datastore_options
def configure(dry_run: bool, output: str, datastore: str | None, lab: str | None, **options: Any) -> None:
    """Change the rules of allocation (the IPAMConfig named default); without an option, show them.

    \b
    Examples:
      felixpy ipam configure --strictaffinity true --max-blocks-per-host 4
      felixpy ipam configure --ip-cooldown-seconds 30 --dry-run
    """
    store = open_datastore(datastore, lab)
    names = {"strictaffinity": "strict_affinity"}
    changes = {names.get(key, key): value for key, value in options.items() if value is not None}
    if changes:
        _target(store, "configuring", dry_run)

    async def work(_: Datastore) -> IPAMConfig:
        stored = await store.get(IPAMConfig, "default")
        spec = structs.replace(stored.spec if stored else IPAMConfig(), **changes)
        if problem := first_problem(spec, "default", changes):
            raise Usage(f"{problem.field}: {problem.reason}")
        if changes and not dry_run:
            if stored is None:
                await store.create(Resource(Metadata("default"), spec))
            else:
                await store.update(replace(stored, spec=spec))
        return spec

    spec = run(store, work)
    settings = {
        "strictAffinity": spec.strict_affinity,
        "autoAllocateBlocks": spec.auto_allocate_blocks,
        "maxBlocksPerHost": spec.max_blocks_per_host or 20,
        "ipCooldownSeconds": spec.ip_cooldown_seconds,
    }
    emit(settings, _SETTINGS, settings.items(), output)


def _prefix(text: str) -> str:
    try:
        return str(parse_prefix(text))
    except ValueError as error:
        raise Usage(str(error)) from None


_POOLS: list[Column[Resource[IPPool]]] = [
    Column("NAME", lambda pool: pool.name),
    Column("CIDR", lambda pool: pool.spec.cidr),
    Column("BLOCKSIZE", lambda pool: pool.spec.block_size),
]
_CIDRS: list[Column[str]] = [Column("RESERVED", lambda cidr: cidr)]
_SETTINGS: list[Column[tuple[str, object]]] = [
    Column("PROPERTY", lambda row: row[0]),
    Column("VALUE", lambda row: row[1]),
]
