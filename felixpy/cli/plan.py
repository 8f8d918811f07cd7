"""Join: `felixpy plan`: what applying files would do to sessions, peers, kernels and pods, before it is done."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import click

from felixpy.datastore.open import open_datastore
from felixpy.insight.plan.objects import ObjectChange
from felixpy.insight.plan.rows import Announcement, BlockRow, Danger, Loss, Plan, PodRow, RouteRow, SessionRow
from felixpy.model.errors import Usage
from felixpy.model.resources import Kind, kind_named
from felixpy.show.options import datastore_options
from felixpy.show.output import Column, emit, emit_table, escaped, output_option

TO_DO = 3  # exit code
LINES = 20  # of each part; JSON has all of them


Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Told:
    """What changes for one peer of one node."""

    node: str
    peer: str
    rows: tuple[Announcement, ...]

    def count(self, action: str) -> int:
        """How many prefixes, over all that the rows stand for."""
        return sum(row.count for row in self.rows if row.action == action)


OBJECTS: tuple[Column[ObjectChange], ...] = (
    Column("OBJECT", lambda it: it.what),
    Column("ACTION", lambda it: it.action),
    Column("FIELDS", lambda it: it.fields),
)
SESSIONS: tuple[Column[SessionRow], ...] = (
    Column("NODE", lambda it: it.node),
    Column("SESSION", lambda it: it.session),
    Column("PEER", lambda it: it.peer),
    Column("EFFECT", lambda it: it.effect),
    Column("SESSIONS", lambda it: it.count),
    Column("WHY", lambda it: it.why),
)
PEERS: tuple[Column[Told], ...] = (
    Column("NODE", lambda it: it.node),
    Column("TELLS", lambda it: it.peer),
    Column("ANNOUNCED", lambda it: it.count("announced")),
    Column("WITHDRAWN", lambda it: it.count("withdrawn")),
    Column("CHANGED", lambda it: it.count("changed")),
    Column("FOR EXAMPLE", lambda it: it.rows[0].prefix),
)
ROUTES: tuple[Column[RouteRow], ...] = (
    Column("NODE", lambda it: it.node),
    Column("KERNEL ROUTE", lambda it: it.prefix),
    Column("ACTION", lambda it: it.action),
    Column("BEFORE", lambda it: it.before),
    Column("AFTER", lambda it: it.after),
    Column("ROUTES", lambda it: it.count),
)
BLOCKS: tuple[Column[BlockRow], ...] = (
    Column("BLOCK", lambda it: it.block),
    Column("POOL", lambda it: it.pool),
    Column("NODE", lambda it: it.node),
    Column("IN USE", lambda it: it.in_use),
)
PODS: tuple[Column[PodRow], ...] = (
    Column("POD", lambda it: it.pod),
    Column("NODE", lambda it: it.node),
    Column("ADDRESSES", lambda it: it.addresses),
)
LOSSES: tuple[Column[Loss], ...] = (
    Column("NODE", lambda it: it.node),
    Column("NO PATH AT WORST", lambda it: it.prefix),
    Column("ROUTES", lambda it: it.count),
)


def say(text: str) -> None:
    """Everything but the result goes to stderr."""
    click.echo(f"felixpy: {escaped(text)}", err=True)


@click.command()
@click.option("-f", "--file", "files", multiple=True, metavar="FILE|DIR|-", help="May be repeated.")
@click.option("--delete", "deleted", multiple=True, metavar="KIND/NAME", help="As if this object were deleted, too.")
@click.option("--force", is_flag=True, help="Exit 3, not 1, where apply would be refused as dangerous.")
@output_option
@datastore_options
def plan(
    *,
    files: tuple[str, ...],
    deleted: tuple[str, ...],
    force: bool,
    output: str,
    datastore: str | None,
    lab: str | None,
) -> None:
    """What would apply do? Sessions, announcements, kernel routes, pods, and the worst moment; nothing is changed.

    Worked out from the datastore alone, by the code that the daemons run. Exit 0 when there is nothing to do, 3 when
    there is, 1 when it would be refused. Secrets with passwords are looked for in kube-system, else in $NAMESPACE.

    \b
    Examples:
      felixpy plan -f cluster.yaml
      felixpy plan -f reflectors/ -o json
      felixpy plan --delete bgppeer/tor
    """
    if not files and not deleted:
        raise Usage("say what to plan: -f FILE, or --delete KIND/NAME")
    from felixpy.cli.foresight import foreseen
    from felixpy.datastore.manifests import read_manifests

    gone = [_named(text) for text in deleted]
    store = open_datastore(datastore, lab)

    async def work() -> "tuple[Plan, list[str]]":
        try:
            seen = await foreseen(store, read_manifests(files), gone)
        finally:
            await store.close()
        return seen.plan, [str(it.error) for it in seen.refused]

    made, refused = asyncio.run(work())
    show(made, output)
    for reason in refused:
        say(f"refused: {reason}")
    if refused or (made.dangers and not force):
        raise SystemExit(1)
    raise SystemExit(0 if made.empty else TO_DO)


def show(made: Plan, output: str) -> None:
    """Print a plan: for programs whole, for people in parts."""
    if output in ("json", "yaml"):
        emit(made, (), (), output)
        return
    _part(OBJECTS, made.objects)
    _part(SESSIONS, made.sessions)
    _part(PEERS, _by_peer(made.announcements))
    _part(ROUTES, made.routes)
    _part(BLOCKS, made.blocks)
    _part(PODS, made.pods)
    _part(LOSSES, made.worst.losses)
    click.echo(summary(made))
    for danger in made.dangers[:LINES]:
        say(f"dangerous ({danger.danger}): {danger.subject}: {danger.reason}{_more(danger)}")
    for note in made.notes:
        say(f"note: {note}")


def summary(made: Plan) -> str:
    """One line: `3 objects; sessions: 2 begin, 4 end; ...`."""
    if made.empty:
        return "nothing to do"
    effects: dict[str, int] = defaultdict(int)
    for row in made.sessions:
        effects[row.effect] += row.count
    said = ", ".join(f"{count} {effect}" for effect, count in effects.items()) or "none changes"
    told = sum(row.count for row in made.announcements)
    routes = sum(row.count for row in made.routes)
    worst = f"{made.worst.lost} routes without any path" if made.worst.lost else "no route loses its last path"
    return (
        f"{len(made.objects)} objects; sessions: {said}; {told} announcements; {routes} kernel routes; "
        f"at the worst moment {worst}"
    )


def _part(columns: Sequence[Column[Row]], rows: Sequence[Row]) -> None:
    if rows:
        emit_table(columns, rows[:LINES])
        if len(rows) > LINES:
            click.echo(f"... and {len(rows) - LINES} more lines: -o json has all of them")
        click.echo()


def _by_peer(rows: Iterable[Announcement]) -> list[Told]:
    found: dict[tuple[str, str], list[Announcement]] = defaultdict(list)
    for row in rows:
        found[row.node, row.peer].append(row)
    return [Told(node, peer, tuple(of_one)) for (node, peer), of_one in found.items()]


def _more(danger: Danger) -> str:
    return f" (and {danger.count - 1} more like it)" if danger.count > 1 else ""


def _named(text: str) -> tuple[Kind, str]:
    kind, slash, name = text.partition("/")
    if not slash or not name:
        raise Usage(f"--delete: {text!r} is not KIND/NAME")
    return kind_named(kind), name
