"""What was applied, by whom and when: the ten newest, kept in the datastore itself so that each can be undone.

A generation is written before the objects that it is about, with what each was and what it is to be. So a process
that dies in between leaves nothing that cannot be undone, and who undoes sees that somebody has changed an object
since: it is neither what it was nor what it was to be. Secrets are never in it.
"""

import base64
import contextlib
import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from felixpy.datastore.apply import Applied
from felixpy.datastore.decode import decode
from felixpy.datastore.manifests import Manifest
from felixpy.datastore.source import DocumentStore
from felixpy.model.errors import Conflict, InvalidResource, Trouble
from felixpy.model.resources import ConfigMap, Kind, Metadata, Node, Resource, Secret, kind_named, kind_of

KEPT = 10
NAMESPACE = "kube-system"
NAME = "felixpy-generation-{}"  # one of KEPT places; the newest takes that of the oldest
LARGE = 256 << 10  # bytes; an object of Kubernetes may have 1 MiB
TRIES = 5
OWN = ("name", "namespace", "labels", "annotations")  # of metadata: the author's part


class Changed(msgspec.Struct, frozen=True):
    """One object: as it was and as it is to be; None: there is none."""

    kind: str
    name: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    @property
    def what(self) -> str:
        """`ippool/default`."""
        return f"{self.kind.lower()}/{self.name}"


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """One apply."""

    number: int
    time: float  # Unix seconds
    user: str
    note: str = ""
    changes: tuple[Changed, ...] = ()


@dataclass(frozen=True, slots=True)
class Undo:
    """What brings an earlier state back."""

    manifests: tuple[Manifest, ...] = ()
    deleted: tuple[tuple[Kind, str], ...] = ()
    taken: tuple[str, ...] = ()  # objects that somebody else has changed since


async def generations(store: DocumentStore) -> list[Generation]:
    """Those that are kept, the newest first; one that cannot be read is passed over."""
    found = [_decoded(await _place(store, place)) for place in range(KEPT)]
    return sorted((it for it in found if it is not None), key=lambda it: -it.number)


async def remember(store: DocumentStore, changes: Sequence[Changed], user: str, note: str = "") -> int | None:
    """Write the next generation; its number, None when nothing changes."""
    if not changes:
        return None
    for attempt in range(TRIES):
        known = await generations(store)
        number = known[0].number + 1 if known else 1
        made = Generation(number=number, time=time.time(), user=user, note=note, changes=tuple(changes))
        old = await _place(store, number % KEPT)
        there = _decoded(old)
        if there is not None and there.number >= number:
            continue  # somebody else was faster
        meta = Metadata(NAME.format(number % KEPT), NAMESPACE, labels={"app.kubernetes.io/managed-by": "felixpy"})
        try:
            if old is None:
                await store.create(Resource(meta, ConfigMap(data=_encoded(made))))
            else:
                await store.update(replace(old, spec=ConfigMap(data=_encoded(made))))
        except Conflict:
            if attempt == TRIES - 1:
                raise
        else:
            return number
    raise Conflict("others apply all the time: apply again")


async def changes_of(
    store: DocumentStore, applied: Iterable[tuple[Applied, Manifest]], deleted: Iterable[tuple[Kind, str]] = ()
) -> list[Changed]:
    """What a dry run found to be done, with what is stored now.

    What is stored and cannot be read is left out: the apply repairs it, and nobody can want it back.
    """
    found = []
    for done, manifest in applied:
        if done.resource is None or done.action not in ("created", "configured"):
            continue
        kind = kind_of(done.resource.spec)
        if kind.spec not in (Secret, ConfigMap):
            with contextlib.suppress(InvalidResource):
                before = _own(await store.document(kind.spec, done.resource.name))
                found.append(Changed(kind.name, done.resource.name, before, _own(manifest.document)))
    for kind, name in deleted:
        if kind.spec not in (Secret, ConfigMap):
            found.append(Changed(kind.name, name, _own(await store.document(kind.spec, name)), None))
    return found


async def undo(store: DocumentStore, known: Sequence[Generation], target: int) -> Undo:
    """What leads back to the state after generation `target`; Trouble when one in between is not kept any more."""
    later = sorted((it for it in known if it.number > target), key=lambda it: it.number)
    if not later or later[0].number != target + 1:
        numbers = ", ".join(str(it.number) for it in reversed(known)) or "none"
        raise Trouble(f"generation {target} cannot be returned to; kept are {numbers}")
    first: dict[str, Changed] = {}
    last: dict[str, Changed] = {}
    for change in (change for one in later for change in one.changes):
        first.setdefault(change.what, change)
        last[change.what] = change
    manifests, deleted, taken = [], [], []
    for what, change in first.items():
        kind = kind_named(change.kind)
        stored = await _stored(store, kind, change.name)
        if _same(stored, change.before):
            continue
        if not _same(stored, last[what].after):
            taken.append(what)
        elif change.before is None:
            deleted.append((kind, change.name))
        else:
            manifests.append(Manifest(f"generation {target}: {what}", change.before))
    return Undo(tuple(manifests), tuple(deleted), tuple(taken))


async def _stored(store: DocumentStore, kind: Kind, name: str) -> Resource[Any] | None:
    try:
        return await store.get(kind.spec, name)
    except InvalidResource as error:
        raise Trouble(f"{error}: mend it first") from error


def _same(stored: Resource[Any] | None, document: Mapping[str, Any] | None) -> bool:
    """Whether what is stored says what `document` says; of a Node the rest is the daemons' and the kubelet's."""
    if stored is None or document is None:
        return stored is None and document is None
    said = decode(document, "generation")
    if stored.spec != said.spec:
        return False
    return isinstance(said.spec, Node) or (stored.meta.labels, stored.meta.annotations) == (
        said.meta.labels,
        said.meta.annotations,
    )


def _own(document: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A document without what the store or a daemon wrote into it."""
    if document is None:
        return None
    metadata = {key: value for key, value in document["metadata"].items() if key in OWN}
    return {**{key: value for key, value in document.items() if key != "status"}, "metadata": metadata}


async def _place(store: DocumentStore, place: int) -> Resource[ConfigMap] | None:
    return await store.get(ConfigMap, f"{NAMESPACE}/{NAME.format(place)}")


def _encoded(made: Generation) -> dict[str, str]:
    text = msgspec.json.encode(made)
    packed = base64.b64encode(zlib.compress(text)).decode()
    return {"packed": packed} if len(text) > LARGE else {"generation": text.decode()}


def _decoded(resource: Resource[ConfigMap] | None) -> Generation | None:
    data = resource.spec.data if resource else {}
    try:
        text = zlib.decompress(base64.b64decode(data["packed"])) if "packed" in data else data["generation"].encode()
        return msgspec.json.decode(text, type=Generation)
    except (KeyError, ValueError, zlib.error):
        return None
