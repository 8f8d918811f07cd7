"""Join: what files, or a generation's documents, would make of the datastore; read, never written."""

from collections.abc import Iterable
from dataclasses import dataclass

from birdpy.orders import KINDS as ROUTING
from felixpy.datastore.apply import Applied, apply
from felixpy.datastore.manifests import Manifest
from felixpy.datastore.source import DocumentStore
from felixpy.insight.plan.plan import plan
from felixpy.insight.plan.rows import Plan
from felixpy.model.errors import Trouble
from felixpy.model.resources import FelixConfiguration, IPAMConfig, IPReservation, Kind, Spec, kind_of
from felixpy.model.snapshot import Gone, Put, Snapshot

KINDS: tuple[type[Spec], ...] = (*ROUTING, FelixConfiguration, IPAMConfig, IPReservation)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What applying would do: object by object, and all in all."""

    applied: tuple[Applied, ...]
    plan: Plan

    @property
    def refused(self) -> list[Applied]:
        """The objects that would not be applied."""
        return [it for it in self.applied if it.error is not None]


async def foreseen(
    store: DocumentStore, manifests: Iterable[Manifest], deleted: Iterable[tuple[Kind, str]] = ()
) -> Foreseen:
    """Apply to a snapshot what would be applied to the store, with all its checks, then delete from it."""
    applied = [it async for it in apply(store, manifests, dry_run=True)]
    made = [it.resource for it in applied if it.resource is not None and it.action in ("created", "configured")]
    before = Snapshot()
    for of_kind in dict.fromkeys((*KINDS, *(kind_of(it.spec).spec for it in made))):
        before = before.after(await store.list(of_kind))
    after = before
    for resource in made:
        after = after.after(Put(kind_of(resource.spec).spec, resource))
    for kind, name in deleted:
        after = after.after(Gone(kind.spec, name))
    return Foreseen(tuple(applied), plan(before, after))


async def shown_first(
    store: DocumentStore, manifests: Iterable[Manifest], deleted: Iterable[tuple[Kind, str]] = (), *, force: bool
) -> Foreseen:
    """Print the plan; Trouble when something in it is dangerous and not forced."""
    from felixpy.cli.plan import show

    seen = await foreseen(store, manifests, deleted)
    show(seen.plan, "table")
    if seen.plan.dangers and not force:
        raise Trouble(f"{sum(it.count for it in seen.plan.dangers)} dangers: nothing was changed; --force does it")
    return seen
