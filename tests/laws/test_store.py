"""Laws of the files store: it answers as one in memory does, and whoever follows it knows what a list would say."""

import asyncio
import tempfile
from contextlib import aclosing
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any, cast

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from felixpy.datastore.files import FilesDatastore
from felixpy.datastore.memory import MemoryDatastore
from felixpy.datastore.source import Datastore
from felixpy.model.errors import Conflict, InvalidResource
from felixpy.model.resources import IPPool, Metadata, Resource
from felixpy.model.snapshot import Snapshot

NAMES = ("a", "b")
OPERATIONS = st.lists(
    st.tuples(st.sampled_from(("create", "read", "update", "stale", "delete")), st.sampled_from(NAMES)), max_size=14
)
EDITS = st.lists(
    st.tuples(
        st.sampled_from(("put", "garbage", "unlink", "away", "back", "turn", "turn", "ignored")),
        st.sampled_from(NAMES),
    ),
    max_size=14,
)
TEXT = "apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {{name: {0}}}\nspec: {{cidr: 10.{1}.0.0/16}}\n"


def pool(name: str) -> Resource[IPPool]:
    return Resource(Metadata(name), IPPool(cidr=ip_network("10.65.0.0/16"), block_size=26))


async def act(store: Datastore, operation: str, resource: Resource[IPPool], spec: IPPool) -> Resource[IPPool] | None:
    match operation:
        case "create":
            return await store.create(pool(resource.name))
        case "read":
            return await store.get(IPPool, resource.name)
        case "delete":
            await store.delete(resource)
            return None
        case _:
            return await store.update(replace(resource, spec=spec))


async def told(store: Datastore, operations: list[tuple[str, str]]) -> list[object]:
    """What the store answered to each operation, without what no two stores have in common."""
    held: dict[str, Resource[IPPool]] = {}
    older: dict[str, Resource[IPPool]] = {}
    answers: list[object] = []
    for number, (operation, name) in enumerate(operations):
        spec = msgspec.structs.replace(pool(name).spec, node_selector=f"has(n{number})")
        resource = {"update": held, "stale": older}.get(operation, held).get(name, pool(name))
        try:
            answer = await act(store, operation, resource, spec)
        except Conflict:
            answers.append("conflict")
            continue
        answers.append(answer.spec if answer else None)
        if answer is not None:
            older[name] = held.get(name, answer)
            held[name] = answer
    listed = await store.list(IPPool)
    return [*answers, {name: resource.spec for name, resource in listed.objects.items()}]


@given(OPERATIONS)
@settings(max_examples=25, deadline=None)
def test_the_files_store_answers_as_the_one_in_memory(operations: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = asyncio.run(told(FilesDatastore(Path(folder), sync=False), operations))
    assert files == asyncio.run(told(MemoryDatastore(), operations))


def edit(root: Path, operation: str, name: str, number: int) -> None:
    """What people and other programs do to the folder."""
    folder, away = root / "ippools", root / "away"
    match operation:
        case "put" if folder.is_dir():
            (root / ".new").write_text(TEXT.format(name, number))
            (root / ".new").rename(folder / f"{name}.yaml")
        case "garbage" if folder.is_dir():
            (folder / f"{name}.yaml").write_text("garbage: [")
        case "unlink":
            (folder / f"{name}.yaml").unlink(missing_ok=True)
        case "away" if folder.is_dir() and not away.exists():
            folder.rename(away)
        case "back" if away.is_dir() and not folder.exists():
            away.rename(folder)
        case "ignored" if folder.is_dir():
            (folder / f"{name}.txt").write_text("garbage: [")
        case _:
            folder.mkdir(exist_ok=True)


async def followed(root: Path, edits: list[tuple[str, str]]) -> None:
    store = FilesDatastore(root, sync=False)
    state = Snapshot()

    async def follow() -> None:
        nonlocal state
        async with aclosing(cast("Any", store.watch([IPPool]))) as watch:
            async for event in watch:
                state = state.after(event)

    task = asyncio.create_task(follow())
    for number, (operation, name) in enumerate(edits):
        if operation == "turn":
            await asyncio.sleep(0.001)
        else:
            edit(root, operation, name, number)
    wanted = await store.list(IPPool)

    def same() -> bool:
        readable = {name: it for name, it in state.of(IPPool).items() if (IPPool, name) not in state.problems}
        broken = {name for _, name in state.problems}
        return state.in_sync([IPPool]) and readable == wanted.objects and broken == set(wanted.broken)

    for _ in range(200):
        if same():
            break
        await asyncio.sleep(0.005)
    assert same(), (state, wanted)
    task.cancel()
    await store.close()


@given(EDITS)
@settings(max_examples=25, deadline=None)
def test_who_follows_the_events_knows_what_a_list_would_say(edits: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(followed(Path(folder), edits))


def test_a_follower_that_misses_events_is_found_out(monkeypatch: Any) -> None:
    """The negative control: the law above fails when one kind of event is not looked at."""
    from felixpy.datastore import inotify

    monkeypatch.setattr(inotify.Inotify.add, "__defaults__", (inotify.FILES & ~inotify.DELETE,))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "ippools").mkdir()
        try:
            asyncio.run(followed(Path(folder), [("put", "a"), *[("turn", "a")] * 20, ("unlink", "a")]))
        except (AssertionError, InvalidResource):
            return
    raise AssertionError("the law cannot fail")
