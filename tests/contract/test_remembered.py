"""A files store that is away: what a daemon saw of it is on the shelf for the next one."""

import asyncio
from contextlib import aclosing
from ipaddress import ip_network
from pathlib import Path
from typing import Any, cast

from felixpy.datastore.files import FilesDatastore
from felixpy.datastore.follow import follow
from felixpy.datastore.shelf import Shelf
from felixpy.model.resources import IPPool, Metadata, Resource, Secret, Spec, WorkloadEndpoint
from felixpy.model.snapshot import Snapshot

KINDS: list[type[Spec]] = [IPPool, Secret, WorkloadEndpoint]


def store(folder: Path, *, remembering: bool = True) -> FilesDatastore:
    shelf = Shelf("n1", folder / "state", folder / "run") if remembering else None
    return FilesDatastore(folder / "store", sync=False, shelf=shelf)


def endpoint(node: str) -> Resource[WorkloadEndpoint]:
    spec = WorkloadEndpoint(node=node, orchestrator="cni", interface_name=f"cali{node}", endpoint="eth0")
    return Resource(Metadata(f"{node}-cni-pod-eth0", "default"), spec)


async def first(made: FilesDatastore, lives_s: float = 5.0) -> Snapshot:
    """What a daemon that starts now knows at first."""
    async with asyncio.timeout(lives_s), aclosing(cast("Any", follow(made, KINDS))) as snapshots:
        return cast("Snapshot", await anext(snapshots))


async def one_life(folder: Path, *, remembering: bool = True) -> Snapshot:
    made = store(folder, remembering=remembering)
    try:
        return await first(made)
    finally:
        await made.close()


async def fill(folder: Path) -> None:
    (folder / "store").mkdir()
    made = store(folder, remembering=False)
    await made.create(Resource(Metadata("pool"), IPPool(cidr=ip_network("10.65.0.0/16"), block_size=26)))
    await made.create(Resource(Metadata("bgp", "kube-system"), Secret(data={"pw": "c3dvcmRmaXNo"})))
    for node in ("n1", "n2"):
        await made.create(endpoint(node))
    await made.close()


def test_who_starts_while_the_store_is_away_knows_what_the_last_one_saw(tmp_path: Path) -> None:
    async def body() -> None:
        await fill(tmp_path)
        seen = await one_life(tmp_path)
        (tmp_path / "store").rename(tmp_path / "elsewhere")
        known = await one_life(tmp_path)
        assert known.stale == set(KINDS) and not known.may_erase(KINDS)
        for kind in (IPPool, Secret):
            specs = {name: it.spec for name, it in known.of(kind).items()}
            assert specs == {name: it.spec for name, it in seen.of(kind).items()} != {}
        assert set(known.of(WorkloadEndpoint)) == {"default/n1-cni-pod-eth0"}, "only this node's are worth keeping"
        (tmp_path / "elsewhere").rename(tmp_path / "store")
        again = await one_life(tmp_path)
        assert again.may_erase(KINDS) and again.kinds == seen.kinds

    asyncio.run(body())


def test_without_a_shelf_nothing_is_known(tmp_path: Path) -> None:
    """The control of the test above."""

    async def body() -> None:
        await fill(tmp_path)
        await one_life(tmp_path, remembering=False)
        (tmp_path / "store").rename(tmp_path / "elsewhere")
        made = store(tmp_path, remembering=False)
        try:
            await first(made, 1.0)
        except TimeoutError:
            return
        raise AssertionError("something was known")

    asyncio.run(body())


def test_what_was_deleted_is_not_remembered_and_another_nodes_shelf_is_not_believed(tmp_path: Path) -> None:
    async def body() -> None:
        await fill(tmp_path)
        await one_life(tmp_path)
        (tmp_path / "store" / "ippools" / "pool.yaml").unlink()
        await one_life(tmp_path)
        (tmp_path / "store").rename(tmp_path / "elsewhere")
        assert not (await one_life(tmp_path)).of(IPPool)
        assert Shelf("n2", tmp_path / "state", tmp_path / "run").load(Secret) is None

    asyncio.run(body())


def test_secrets_lie_apart_and_only_the_owner_reads_any_of_it(tmp_path: Path) -> None:
    async def body() -> None:
        await fill(tmp_path)
        await one_life(tmp_path)

    asyncio.run(body())
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["secrets.json"]
    assert "secrets.json" not in {path.name for path in (tmp_path / "state").iterdir()}
    for folder in (tmp_path / "state", tmp_path / "run"):
        assert folder.stat().st_mode & 0o777 == 0o700
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
