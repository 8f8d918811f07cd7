"""Join: what files, or a generation's documents, would make of the datastore; read, never written."""

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import click

from birdpy.orders import KINDS as ROUTING
from birdpy.policy.sessions import SpeakerSettings
from felixpy.datastore.apply import Applied, apply
from felixpy.datastore.manifests import Manifest
from felixpy.datastore.source import DocumentStore
from felixpy.insight.plan.plan import plan
from felixpy.insight.plan.rows import Plan
from felixpy.model.errors import InvalidResource, Trouble, Unreachable
from felixpy.model.resources import (
    BGPConfiguration,
    BGPPeer,
    FelixConfiguration,
    IPAMConfig,
    IPReservation,
    Kind,
    Metadata,
    Resource,
    Secret,
    Spec,
    kind_of,
)
from felixpy.model.resources.bgp import SecretKeyRef
from felixpy.model.snapshot import Gone, Listed, Put, Snapshot
from felixpy.show.output import escaped

NOT_SEEN = "bm90IHNlZW4="  # base64, as the values of Secrets are
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
        if of_kind is not Secret:
            before = before.after(await store.list(of_kind))
    stored = [it for kind in (BGPPeer, BGPConfiguration) for it in before.of(kind).values()]
    settings = speakers()
    before = before.after(await _secrets(store, [*stored, *made], settings.namespace))
    after = before
    for resource in made:
        after = after.after(Put(kind_of(resource.spec).spec, resource))
    for kind, name in deleted:
        after = after.after(Gone(kind.spec, name))
    return Foreseen(tuple(applied), plan(before, after, settings))


def speakers() -> SpeakerSettings:
    """What the routers are started with, as far as the command line can know it: $NAMESPACE, where passwords are."""
    settings = SpeakerSettings()
    return replace(settings, namespace=os.environ.get("NAMESPACE") or settings.namespace)


async def _secrets(store: DocumentStore, concerned: Collection[Resource[Any]], namespace: str) -> Listed:
    """The Secrets among `concerned` and those that hold its passwords, one by one: a cluster has many others.

    For whoever may not read them, each that is named is taken to be there.
    """
    wanted: dict[str, dict[str, str]] = {it.name: {} for it in concerned if isinstance(it.spec, Secret)}
    for ref in (ref for it in concerned for ref in _passwords(it.spec)):
        wanted.setdefault(f"{namespace}/{ref.name}", {})[ref.key] = NOT_SEEN
    objects: dict[str, Resource[Any]] = {}
    broken: dict[str, InvalidResource] = {}
    for name, data in wanted.items():
        try:
            found = await store.get(Secret, name)
        except InvalidResource as error:
            broken[name] = error
            continue
        except Unreachable:
            raise
        except Trouble as error:
            click.echo(f"felixpy: Secret {escaped(name)} is taken to be there: {escaped(str(error))}", err=True)
            found = Resource(Metadata(name.rpartition("/")[2], name.rpartition("/")[0]), Secret(data=data))
        objects |= {name: found} if found is not None else {}
    return Listed(Secret, objects, broken)


def _passwords(spec: Spec) -> Iterator[SecretKeyRef]:
    passwords = {BGPPeer: "password", BGPConfiguration: "node_mesh_password"}
    password = getattr(spec, passwords[type(spec)]) if type(spec) in passwords else None
    if password is not None and password.secret_key_ref is not None:
        yield password.secret_key_ref


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
