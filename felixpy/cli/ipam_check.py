"""`felixpy ipam check` and `release`: whether the books agree, and what is given back by hand."""

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from felixpy.cli.ipam import address_of, fields_of, run
from felixpy.datastore.open import open_datastore
from felixpy.datastore.source import Datastore
from felixpy.model.addresses import Address
from felixpy.model.errors import Trouble
from felixpy.show.options import datastore_options
from felixpy.show.output import Column, clean, emit, output_option

if TYPE_CHECKING:
    from felixpy.ipam.collect import Problem

SECOND_LOOK_S = 0.5  # an attach takes milliseconds: what is still wrong after that is wrong
FIX_GRACE_S = 60.0  # unless told otherwise nothing younger is mended: its pod may be on its way
PASSES = 3  # an address released, then its handle, then the block that it emptied


@dataclass(frozen=True, slots=True)
class Looked:
    """What one look at the books found."""

    problems: "list[Problem]"
    snapshot: Any
    blocks: int
    addresses: int


async def look(store: Datastore, grace_s: float) -> Looked:
    """What is wrong at two moments in a row: pods come and go meanwhile."""
    from felixpy.ipam.books import blocks_of
    from felixpy.ipam.collect import problems
    from felixpy.ipam.leaks import holdings
    from felixpy.ipam.reading import read_all

    snapshot = await read_all(store)
    found = problems(snapshot, time.time(), grace_s)
    if found:
        await asyncio.sleep(SECOND_LOOK_S)
        snapshot = await read_all(store)
        again = {(problem.kind, problem.subject) for problem in found}
        found = [p for p in problems(snapshot, time.time(), grace_s) if (p.kind, p.subject) in again]
    return Looked(found, snapshot, len(blocks_of(snapshot)), len(holdings(snapshot)))


@click.command()
@click.option(
    "--grace", default=None, type=click.FloatRange(min=0), metavar="SECONDS",
    help="Overlook what is younger. Default 0, and 60 with --fix.",
)  # fmt: skip
@click.option("--fix", is_flag=True, help="Mend what can be mended without a person's decision.")
@click.option("--dry-run", is_flag=True, help="With --fix: say what would be mended, change nothing.")
@output_option
@datastore_options
def check(grace: float | None, fix: bool, dry_run: bool, output: str, datastore: str | None, lab: str | None) -> None:
    """Whether blocks, affinities, handles and pods agree; exit code 1 when they do not.

    Finds leaked addresses (nobody has them), doubled ones, blocks with two owners or none, what is left of deleted
    nodes, claims half done, wrong counts; each with its proof. What looks wrong is looked at twice. --fix gives back,
    counts anew and finishes; where two pods have one address, say, a person must decide.

    \b
    Examples:
      felixpy ipam check -o json
      felixpy ipam check --fix --dry-run
    """
    store = open_datastore(datastore, lab)
    grace_s = grace if grace is not None else FIX_GRACE_S * fix
    if fix:
        click.echo(f"mending {store.target}" + (" (dry run: nothing is changed)" if dry_run else ""), err=True)
    mended, left = run(store, lambda it: _checked(it, grace_s, PASSES if fix and not dry_run else 0))
    would = [problem for problem in left.problems if problem.mend] if dry_run else []
    document = {"blocks": left.blocks, "addresses_in_use": left.addresses, "problems": left.problems}
    if fix:
        document |= {"mended": mended, "would_mend": would} if dry_run else {"mended": mended}
    if output in ("json", "yaml"):
        emit(document, _PROBLEMS, left.problems, output)
    else:
        for title, found in (("mended", mended), ("would be mended", would)):
            if found:
                click.echo(f"{title}:", err=True)
                emit(document, _PROBLEMS, found, output)
        rest = [problem for problem in left.problems if problem not in would]
        if rest:
            emit(document, _PROBLEMS, rest, output)
    what = f"{left.blocks} blocks, {left.addresses} addresses in use"
    click.echo(
        f"{what}: {len(left.problems) or 'no'} problems" + (f", {len(mended)} mended" if fix else ""), err=True
    )
    if left.problems:
        raise Trouble(f"the books of addresses do not agree: {len(left.problems)} problems")


async def _checked(store: Datastore, grace_s: float, passes: int) -> "tuple[list[Problem], Looked]":
    from felixpy.ipam.repair import mend

    done: list[Problem] = []
    looked = await look(store, grace_s)
    for _ in range(passes):
        mended = await mend(store, looked.problems, looked.snapshot, time.time())
        done += mended
        if not mended:
            break
        looked = await look(store, grace_s)
    return done, looked


@click.command()
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
@click.option("--force", is_flag=True, help="Also when a pod has it.")
@click.option("--handle", default=None, help="Only if this handle holds it.")
@click.option("--dry-run", is_flag=True, help="Say what would be released, change nothing.")
@output_option
@datastore_options
def release(
    addresses: tuple[str, ...],
    force: bool,
    handle: str | None,
    dry_run: bool,
    output: str,
    **where: str | None,
) -> None:
    """Give back each ADDRESS that nobody uses any more.

    \b
    Examples:
      felixpy ipam release 10.65.0.7
      felixpy ipam release 10.65.0.7 10.65.0.8 --dry-run
    """
    store = open_datastore(where["datastore"], where["lab"])
    wanted = [address_of(address) for address in addresses]
    click.echo(f"releasing in {store.target}" + (" (dry run: nothing is changed)" if dry_run else ""), err=True)
    done = run(store, lambda it: _release(it, wanted, Manner(force, handle, dry_run)))
    if output in ("json", "yaml"):
        emit({"released": [fields_of(one) for one in done]}, [], [], output)
    else:
        for one in done:
            click.echo(one.sentence)
    if refused := [one.refused for one in done if one.refused]:
        raise Trouble("\n".join(refused))


@dataclass(frozen=True, slots=True)
class Manner:
    """How to release."""

    force: bool
    handle: str | None
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Released:
    """What became of one address: `handle` held it, None when nobody did; `refused` says why it was left."""

    address: Address
    handle: str | None
    released: bool
    refused: str = ""

    @property
    def sentence(self) -> str:
        """For people."""
        if self.refused:
            return f"{self.address} not released"
        if self.handle is None:
            return f"{self.address} was not assigned"
        return f"{self.address} {'released' if self.released else 'would be released'} (handle {clean(self.handle)})"


async def _release(store: Datastore, addresses: list[Address], manner: Manner) -> list[Released]:
    from felixpy.ipam.errors import NotTheHolder
    from felixpy.ipam.reading import read_all
    from felixpy.ipam.release import release_address
    from felixpy.ipam.why import why

    done = []
    for address in addresses:
        known = why(await read_all(store), address)
        if known.endpoints and not manner.force:
            users = ", ".join(known.endpoints)
            refused = f"{address} is in use by {users}: delete the pod, or use --force"
            done.append(Released(address, known.handle, released=False, refused=refused))
        elif manner.dry_run:
            held = known.handle if known.state in ("in use", "leaked") else None
            done.append(Released(address, held, released=False))
        else:
            try:
                held_by = await release_address(store, address, manner.handle, known.sequence)
                done.append(Released(address, held_by, released=held_by is not None))
            except NotTheHolder as error:
                done.append(Released(address, known.handle, released=False, refused=str(error)))
    return done


_PROBLEMS: list[Column[Any]] = [
    Column("PROBLEM", lambda problem: problem.kind),
    Column("WHAT", lambda problem: problem.subject),
    Column("PROOF", lambda problem: problem.proof),
    Column("FIX", lambda problem: "ipam check --fix" if problem.mend else problem.fix),
]
