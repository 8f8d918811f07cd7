"""`felixpy get`, `apply`, `delete`: the cluster's resources in whichever datastore is meant."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

import click

from felixpy.datastore.open import open_datastore
from felixpy.datastore.source import DocumentStore
from felixpy.model.errors import InvalidResource, Trouble, Usage
from felixpy.model.resources import KINDS, BGPConfiguration, Kind, Metadata, Resource, kind_named
from felixpy.model.selectors import matches
from felixpy.show.kinds import Item, columns, masked
from felixpy.show.options import datastore_options
from felixpy.show.output import clean, emit, escaped, output_option

if TYPE_CHECKING:
    from felixpy.datastore.apply import Applied

T = TypeVar("T")
SHORT = {kind.name.lower(): min(kind.aliases, key=len) for kind in KINDS.values()}
KNOWN = "Kinds: " + ", ".join(f"{name} ({it})" if len(it) < len(name) else name for name, it in SHORT.items()) + "."


def say(text: str) -> None:
    """Everything but the result goes to stderr."""
    click.echo(escaped(text), err=True)


def complete_kind(_context: click.Context, _parameter: click.Parameter, start: str) -> list[str]:
    """Names of kinds for the shell."""
    return [kind.name.lower() for kind in KINDS.values() if kind.name.lower().startswith(start.lower())]


def complete_name(context: click.Context, _parameter: click.Parameter, start: str) -> list[str]:
    """Names of objects for the shell, broken ones too; none when the datastore cannot be read."""
    try:
        wanted = kind_named(context.params["kind"])
        store = open_datastore(context.params.get("datastore"), context.params.get("lab"))
        listed = _run(store, lambda: store.list(wanted.spec))
    except Trouble:
        return []
    return sorted(name for name in (*listed.objects, *listed.broken) if name.startswith(start))


@click.command(epilog=KNOWN)
@click.argument("kind", shell_complete=complete_kind)
@click.argument("name", required=False, shell_complete=complete_name)
@click.option("-l", "--selector", default="", help="Only objects whose labels match, as \"rack == 'r1'\".")
@output_option
@datastore_options
def get(kind: str, name: str | None, selector: str, output: str, datastore: str | None, lab: str | None) -> None:
    """List the objects of one KIND, or print the one that is named NAME.

    json and yaml print whole objects, which `apply` takes back; the values of a Secret are never printed.

    \b
    Examples:
      felixpy get ippools -o wide
      felixpy get node n1 -o yaml
      felixpy get wep -l "app == 'web'"
    """
    wanted, name = _kind_and_name(kind, name)
    try:
        matches(selector, {})
    except ValueError as error:
        raise Usage(f"--selector: {error}") from None
    store = open_datastore(datastore, lab)

    async def read() -> tuple[list[Item], list[InvalidResource]]:
        listed = await store.list(wanted.spec)
        named = _named(listed.objects, name)
        chosen = {key: value for key, value in named.items() if matches(selector, value.meta.labels)}
        if name and not chosen and not _named(listed.broken, name):
            raise Trouble(f"{wanted.name.lower()} {name!r} is not in {store.target}")
        number = await _global_as(store)
        items = [Item(value, await store.document(wanted.spec, key) or {}, number) for key, value in chosen.items()]
        return items, list(_named(listed.broken, name).values())

    items, broken = _run(store, read)
    documents = [masked(wanted, item.document) for item in items]
    listing: Mapping[str, Any] = {"apiVersion": "v1", "kind": "List", "items": documents}
    if not (name and broken and not items):
        emit(documents[0] if name and len(documents) == 1 else listing, columns(wanted), items, output)
    _report(broken)


@click.command()
@click.option("-f", "--file", "files", multiple=True, required=True, metavar="FILE|DIR|-", help="May be repeated.")
@click.option("--dry-run", is_flag=True, help="Check everything, store nothing.")
@click.option(
    "--plan", "planned", is_flag=True, help="Print first what `felixpy plan` says; stop where that refuses."
)
@click.option("--force", is_flag=True, help="With --plan: apply what is dangerous, too.")
@datastore_options
def apply(
    *, files: tuple[str, ...], dry_run: bool, planned: bool, force: bool, datastore: str | None, lab: str | None
) -> None:
    """Store resources from files, folders (their .yaml, .yml and .json) or stdin.

    Each object replaces what is stored under its name, nothing is merged. An object that is refused does not stop the
    others; the exit code is 1 then.

    \b
    Examples:
      felixpy apply -f cluster.yaml
      felixpy get ippools -o yaml | felixpy apply -f - --datastore files:/tmp/copy
    """
    from felixpy.cli.rollback import rehearsed
    from felixpy.datastore.apply import apply as apply_all
    from felixpy.datastore.files import FilesDatastore
    from felixpy.datastore.manifests import read_manifests

    store = open_datastore(datastore, lab)
    say(f"applying to {store.target}" + (" (dry run: nothing is stored)" if dry_run else ""))

    async def write() -> int:
        target: DocumentStore = store
        if isinstance(store, FilesDatastore) and dry_run and not store.exists():
            target = FilesDatastore(Path(empty))
        elif isinstance(store, FilesDatastore):
            store.prepare()
        failed = 0
        manifests = list(read_manifests(files))
        foreseen: Sequence[Applied] = ()
        if planned:
            from felixpy.cli.foresight import shown_first

            foreseen = (await shown_first(target, manifests, force=force)).applied
        if not dry_run:
            await rehearsed(target, manifests, foreseen)
        async for done in apply_all(target, manifests, dry_run=dry_run):
            if done.error is not None:
                failed += 1
                say(f"refused: {done.error}")
            else:
                click.echo(clean(f"{done.what} {done.action}"))
            for note in done.notes:
                say(f"note: {note}")
        return failed

    with TemporaryDirectory() as empty:
        failed = _run(store, write)
    if failed:
        raise Trouble(f"{failed} object{'s were' if failed > 1 else ' was'} not applied")


@click.command(epilog=KNOWN)
@click.argument("kind", shell_complete=complete_kind)
@click.argument("names", nargs=-1, metavar="NAME...", shell_complete=complete_name)
@click.option("--ignore-not-found", is_flag=True, help="An object that is not there is no error.")
@datastore_options
def delete(kind: str, names: tuple[str, ...], ignore_not_found: bool, datastore: str | None, lab: str | None) -> None:
    """Remove objects of one KIND by their names.

    \b
    Examples:
      felixpy delete bgppeer tor
      felixpy delete ippool/default
    """
    wanted, first = _kind_and_name(kind, None)
    names = (*([first] if first else []), *names)
    if not names:
        raise Usage(f"name what to delete: felixpy delete {kind} NAME")
    store = open_datastore(datastore, lab)
    say(f"deleting from {store.target}")

    async def remove() -> int:
        failed = 0
        for name in names:
            try:
                resource = await _find(store, wanted, name)
                if resource is not None:
                    await store.delete(resource)
            except Trouble as error:
                failed += 1
                say(f"refused: {error}")
                continue
            if resource is not None:
                click.echo(clean(f"{wanted.name.lower()}/{resource.name} deleted"))
            elif not ignore_not_found:
                failed += 1
                say(f"refused: {wanted.name.lower()} {name!r} is not in {store.target}")
        return failed

    if failed := _run(store, remove):
        raise Trouble(f"{failed} of {len(names)} not deleted")


def _kind_and_name(kind: str, name: str | None) -> tuple[Kind, str | None]:
    """`ippool default`, or `ippool/default` as `apply` prints it."""
    word, slash, rest = kind.partition("/")
    if slash and name:
        raise Usage(f"two names: {rest!r} and {name!r}")
    return kind_named(word), name or rest or None


def _named(objects: Mapping[str, T], name: str | None) -> dict[str, T]:
    """All of them, or those of one name; without `namespace/` it is looked for in every namespace."""
    if name is None:
        return dict(objects)
    return {key: value for key, value in objects.items() if name in (key, key.rpartition("/")[2])}


async def _find(store: DocumentStore, kind: Kind, name: str) -> Resource[Any] | None:
    """The object to delete, also one that cannot be decoded."""
    listed = await store.list(kind.spec)
    found = _named({**listed.objects, **dict.fromkeys(listed.broken)}, name)
    if len(found) > 1:
        raise Trouble(f"{name!r} is in several namespaces: name one of {', '.join(found)}")
    for key, resource in found.items():
        if resource is not None:
            return resource
        namespace, _, own = key.rpartition("/")
        # it has no spec that could be read: its kind, its name and the digest of its bytes say which it is
        return Resource(Metadata(own, namespace), kind.spec, digest=listed.broken[key].digest)
    return None


async def _global_as(store: DocumentStore) -> int:
    try:
        default = await store.get(BGPConfiguration, "default")
    except InvalidResource:
        return 64512
    return default.spec.as_number if default else 64512


def _run(store: DocumentStore, body: Callable[[], Awaitable[T]]) -> T:
    async def main() -> T:
        try:
            return await body()
        finally:
            await store.close()

    return asyncio.run(main())


def _report(broken: list[InvalidResource]) -> None:
    for error in broken:
        say(f"cannot be read: {error}")
    if broken:
        raise Trouble(f"{len(broken)} object{'s' if len(broken) > 1 else ''} cannot be read")
