"""Join: `felixpy rollback`: back to an earlier generation of what was applied, planned first."""

import asyncio
import getpass
import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import click

from felixpy.datastore.apply import Applied
from felixpy.datastore.apply import apply as apply_all
from felixpy.datastore.generations import Generation, Undo, changes_of, generations, remember, undo
from felixpy.datastore.manifests import Manifest
from felixpy.datastore.open import open_datastore
from felixpy.datastore.source import DocumentStore
from felixpy.model.errors import Conflict, Trouble
from felixpy.model.resources import Kind
from felixpy.show.options import datastore_options
from felixpy.show.output import Column, clean, emit, escaped, output_option

COLUMNS: tuple[Column[Generation], ...] = (
    Column("GENERATION", lambda it: it.number),
    Column("TIME", lambda it: datetime.fromtimestamp(it.time, UTC).strftime("%Y-%m-%d %H:%M:%SZ")),
    Column("USER", lambda it: it.user),
    Column("OBJECTS", lambda it: [change.what for change in it.changes]),
    Column("NOTE", lambda it: it.note),
)


@click.command()
@click.argument("generation", type=click.IntRange(min=0), required=False)
@click.option("--list", "listing", is_flag=True, help="Print the generations that are kept, and change nothing.")
@click.option("--dry-run", is_flag=True, help="Print the plan, and change nothing.")
@click.option("--force", is_flag=True, help="Do what is dangerous, too.")
@output_option
@datastore_options
def rollback(
    *,
    generation: int | None,
    listing: bool,
    dry_run: bool,
    force: bool,
    output: str,
    datastore: str | None,
    lab: str | None,
) -> None:
    """Return to what was applied as GENERATION; by default to the one before the newest.

    Every apply is a generation; the ten newest are kept in the datastore, without Secrets. The plan is printed first.
    It is refused when it is dangerous, or when somebody else has changed one of the objects since.

    \b
    Examples:
      felixpy rollback --list
      felixpy rollback --dry-run
      felixpy rollback 7
    """
    store = open_datastore(datastore, lab)

    async def work() -> None:
        try:
            known = await generations(store)
            if listing:
                emit({"generations": known}, COLUMNS, known, output)
            else:
                await _back(store, known, generation, dry_run=dry_run, force=force)
        finally:
            await store.close()

    asyncio.run(work())


async def _back(
    store: DocumentStore, known: Sequence[Generation], generation: int | None, *, dry_run: bool, force: bool
) -> None:
    from felixpy.cli.foresight import shown_first

    if not known:
        raise Trouble("no generation is kept: nothing was applied yet")
    target = known[0].number - 1 if generation is None else generation
    way = await undo(store, known, target)
    for what in way.taken:
        click.echo(f"felixpy: {escaped(what)} was changed since by somebody else", err=True)
    if way.taken:
        raise Trouble(f"{len(way.taken)} objects are not as they were applied: nothing was changed")
    if not way.manifests and not way.deleted:
        click.echo(f"everything is as after generation {target}", err=True)
        return
    seen = await shown_first(store, way.manifests, way.deleted, force=force or dry_run)
    if not dry_run:
        await _carry_out(store, way, seen.applied, f"rollback to {target}")


async def _carry_out(store: DocumentStore, way: Undo, foreseen: Sequence[Applied], note: str) -> None:
    await recorded(store, zip(foreseen, way.manifests, strict=True), way.deleted, note)
    failed = 0
    async for done in apply_all(store, way.manifests):
        failed += done.error is not None
        click.echo(clean(f"{done.what} {done.error or done.action}"), err=done.error is not None)
    for kind, name in way.deleted:
        resource = await store.get(kind.spec, name)
        if resource is not None:
            await store.delete(resource)
            click.echo(clean(f"{kind.name.lower()}/{name} deleted"))
    if failed:
        raise Trouble(f"{failed} objects were not brought back")


async def rehearsed(store: DocumentStore, manifests: Sequence[Manifest], foreseen: Sequence[Applied]) -> None:
    """`recorded`, with a dry run where no plan has made one."""
    foreseen = foreseen or [it async for it in apply_all(store, manifests, dry_run=True)]
    await recorded(store, zip(foreseen, manifests, strict=True))


async def recorded(
    store: DocumentStore,
    foreseen: Iterable[tuple[Applied, Manifest]],
    deleted: Sequence[tuple[Kind, str]] = (),
    note: str = "",
) -> None:
    """Write the generation of what is about to be applied, by its dry run. Where it is refused, applying goes on."""
    try:
        number = await remember(store, await changes_of(store, foreseen, deleted), user(), note)
    except Conflict:
        raise
    except Trouble as error:
        click.echo(f"felixpy: this apply cannot be undone later: {escaped(str(error))}", err=True)
    else:
        if number is not None:
            click.echo(f"felixpy: generation {number}", err=True)


def user() -> str:
    """Who is applying: who called sudo, else the process's own user; and on which machine."""
    try:
        name = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        name = f"uid {os.getuid()}"
    return f"{name}@{os.uname().nodename}"
