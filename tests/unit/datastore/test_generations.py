"""The ten newest applies, kept in the datastore."""

import asyncio
from pathlib import Path

from felixpy.datastore.apply import apply
from felixpy.datastore.files import FilesDatastore
from felixpy.datastore.generations import KEPT, Changed, changes_of, generations, remember
from felixpy.datastore.manifests import Manifest

SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "pw", "namespace": "a"},
    "stringData": {"k": "x"},
}


def change(number: int, size: int = 1) -> Changed:
    return Changed("IPPool", f"p{number}", None, {"spec": {"text": "x" * size}})


def test_the_newest_take_the_places_of_the_oldest(tmp_path: Path) -> None:
    async def main() -> list[int]:
        store = FilesDatastore(tmp_path)
        for number in range(KEPT + 3):
            assert await remember(store, [change(number)], "me") == number + 1
        return [it.number for it in await generations(store)]

    assert asyncio.run(main()) == list(range(KEPT + 3, 3, -1))
    assert len(list((tmp_path / "configmaps").glob("*.yaml"))) == KEPT


def test_a_large_one_is_packed_and_read_back_whole(tmp_path: Path) -> None:
    async def main() -> tuple[Changed, ...]:
        store = FilesDatastore(tmp_path)
        await remember(store, [change(1, 1 << 20)], "me")
        return (await generations(store))[0].changes

    assert asyncio.run(main()) == (change(1, 1 << 20),)
    assert sum(it.stat().st_size for it in (tmp_path / "configmaps").iterdir()) < 100_000


def test_several_at_once_each_get_a_number_of_their_own(tmp_path: Path) -> None:
    async def main() -> list[int | None]:
        store = FilesDatastore(tmp_path)
        return await asyncio.gather(*(remember(store, [change(it)], "me") for it in range(3)))

    assert sorted(it for it in asyncio.run(main()) if it) == [1, 2, 3]


def test_secrets_are_in_none_and_nothing_is_no_generation(tmp_path: Path) -> None:
    async def main() -> tuple[list[Changed], int | None]:
        store = FilesDatastore(tmp_path)
        store.prepare()
        manifests = [Manifest("file", SECRET)]
        done = [it async for it in apply(store, manifests, dry_run=True)]
        assert [it.action for it in done] == ["created"]
        found = await changes_of(store, zip(done, manifests, strict=True))
        return found, await remember(store, found, "me")

    assert asyncio.run(main()) == ([], None)


def test_one_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    async def main() -> list[int]:
        store = FilesDatastore(tmp_path)
        for number in range(2):
            await remember(store, [change(number)], "me")
        file = tmp_path / "configmaps" / "kube-system.felixpy-generation-1.yaml"
        file.write_text(file.read_text().replace("number", "nombre"))
        return [it.number for it in await generations(store)]

    assert asyncio.run(main()) == [2]
