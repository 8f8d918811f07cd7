"""`apply`: bring stored objects to what their author wrote. Each is replaced, never merged.

An object is refused when it is invalid, changes what is fixed, or brings a fatal problem with another object; the
others are applied.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from felixpy.datastore.decode import FOREIGN, decode
from felixpy.datastore.encode import written
from felixpy.datastore.manifests import Manifest
from felixpy.datastore.source import DocumentStore
from felixpy.model.errors import Conflict, InvalidResource, Trouble, Unreachable
from felixpy.model.resources import Resource, kind_of
from felixpy.model.resources.cross import KINDS_NEEDED, CrossProblem, changed_what_is_fixed, cross_problems
from felixpy.model.snapshot import Put, Snapshot

Action = Literal["created", "configured", "unchanged", "failed"]
TRIES = 5


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of one object: `what` is `ippool/default`, or the place of a document that names none."""

    what: str
    action: Action
    error: Trouble | None = None
    notes: tuple[str, ...] = ()
    resource: Resource[Any] | None = None  # as its author wrote it, once it is known to be valid


async def apply(
    store: DocumentStore, manifests: Iterable[Manifest], *, dry_run: bool = False
) -> AsyncIterator[Applied]:
    """Apply objects one after the other. Unreachable when the store is not there at all."""
    snapshot = Snapshot()
    for kind in KINDS_NEEDED:
        snapshot = snapshot.after(await store.list(kind))
    rehearsed: dict[str, Resource[Any]] = {}  # what a dry run would have stored by now
    for manifest in manifests:
        what = manifest.where
        try:
            if manifest.error is not None:
                raise manifest.error
            new = decode(manifest.document, manifest.where, strict=True)
            what = f"{kind_of(new.spec).name.lower()}/{new.name}"
            after = snapshot.after(Put(kind_of(new.spec).spec, new))
            notes = _cross(snapshot, after, new, manifest.where)
            action = await _apply_one(store, new, manifest, dry_run)
            if dry_run and what in rehearsed:  # a later document of the same object
                action = "unchanged" if _alike(rehearsed[what], new) else "configured"
            if dry_run and action != "unchanged":
                rehearsed[what] = new
        except Unreachable:
            raise
        except Trouble as error:
            yield Applied(what, "failed", error)
        else:
            snapshot = after
            yield Applied(what, action, notes=notes, resource=new)


async def _apply_one(store: DocumentStore, new: Resource[Any], manifest: Manifest, dry_run: bool) -> Action:
    for attempt in range(TRIES):
        try:
            return await _once(store, new, manifest, dry_run)
        except Conflict:
            if attempt == TRIES - 1 or _pinned(manifest.document):
                raise
    raise AssertionError  # the loop returns or raises


async def _once(store: DocumentStore, new: Resource[Any], manifest: Manifest, dry_run: bool) -> Action:
    kind = kind_of(new.spec)
    try:
        old = await store.get(kind.spec, new.name)
    except InvalidResource as error:  # what is stored is broken: this repairs it
        if not dry_run:
            await store.update(replace(new, digest=error.digest), manifest.document)
        return "configured"
    if old is None:
        if not dry_run:
            await store.create(new, manifest.document)
        return "created"
    stored = await store.document(kind.spec, new.name)
    if stored is not None and _same(old, new, manifest.document, stored):
        return "unchanged"
    if problem := changed_what_is_fixed(old, new):
        raise InvalidResource(f"{manifest.where}: {kind.name}/{new.name}", f"spec.{problem.field}", problem.reason)
    pinned = _pinned(manifest.document)
    if pinned and new.meta.uid == old.meta.uid and pinned != old.meta.version:
        raise Conflict(
            f"{manifest.where}: {kind.name}/{new.name} changed since it was read: leave resourceVersion out"
        )
    if not dry_run:
        meta = replace(new.meta, uid=old.meta.uid, version=old.meta.version, created=old.meta.created)
        await store.update(replace(new, meta=meta, digest=old.digest), manifest.document)
    return "configured"


def _same(old: Resource[Any], new: Resource[Any], document: Mapping[str, Any], stored: Mapping[str, Any]) -> bool:
    meta = replace(new.meta, uid=old.meta.uid, version=old.meta.version, created=old.meta.created)
    if written(document, replace(new, meta=meta), stored) == stored:
        return True
    known = not old.unknown and not isinstance(new.spec, FOREIGN)
    return known and old.spec == new.spec and meta == old.meta


def _alike(one: Resource[Any], other: Resource[Any]) -> bool:
    meta, theirs = one.meta, other.meta
    return (one.spec, meta.labels, meta.annotations) == (other.spec, theirs.labels, theirs.annotations)


def _pinned(document: Mapping[str, Any]) -> str:
    return str(document["metadata"].get("resourceVersion") or "")


def _cross(before: Snapshot, after: Snapshot, new: Resource[Any], where: str) -> tuple[str, ...]:
    """The notes about `new`; InvalidResource when it brings a fatal problem that was not there before."""
    known = set(cross_problems(before))
    mine = [problem for problem in cross_problems(after) if problem.concerns(new)]
    for problem in mine:
        if problem.fatal and problem not in known:
            raise _refusal(problem, new, where)
    return tuple(f"{_name(problem)}: {problem.field}: {problem.reason}" for problem in mine)


def _refusal(problem: CrossProblem, new: Resource[Any], where: str) -> InvalidResource:
    """It names `new`, which its author can mend, also where the problem is told of the object that was there."""
    name = f"{kind_of(new.spec).name}/{new.name}"
    if name == _name(problem):
        return InvalidResource(f"{where}: {name}", problem.field, problem.reason)
    return InvalidResource(f"{where}: {name}", "", f"against {_name(problem)}: {problem.field}: {problem.reason}")


def _name(problem: CrossProblem) -> str:
    return f"{kind_of(problem.kind).name}/{problem.name}"
