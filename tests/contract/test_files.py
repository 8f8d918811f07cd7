"""The files store on a real disk: what people, crashes, other processes and full disks do to it."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from felixpy.datastore import swap
from felixpy.datastore.files import FilesDatastore
from felixpy.datastore.follow import follow
from felixpy.model.errors import Conflict, InvalidResource, Unreachable
from felixpy.model.resources import IPAMBlock, IPPool, Metadata, Node, Resource, Secret, WorkloadEndpoint
from felixpy.model.snapshot import Broken, Gone, Listed, Put

POOL = """\
apiVersion: projectcalico.org/v3
kind: IPPool
metadata:
  name: {name}
spec:
  cidr: {cidr}
"""


def pool(name: str = "default", cidr: str = "10.65.0.0/16") -> Resource[IPPool]:
    return Resource(Metadata(name), IPPool(cidr=ip_network(cidr), block_size=26))


def block(number: int = 0) -> Resource[IPAMBlock]:
    cidr = ip_network((int(ip_network("10.0.0.0/8").network_address) + number * 64, 26))
    free = tuple(range(64))
    return Resource(Metadata(f"b{number}"), IPAMBlock(cidr=cidr, allocations=(None,) * 64, unallocated=free))


def by_hand(store: Path, name: str, text: str | bytes) -> Path:
    """As a person does it: `cat > file`."""
    path = store / "ippools" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


Body = Callable[[FilesDatastore], Coroutine[Any, Any, None]]


def run(path: Path, body: Body, *, sync: bool = False) -> None:
    async def main() -> None:
        store = FilesDatastore(path, sync=sync)
        try:
            async with asyncio.timeout(20):
                await body(store)
        finally:
            await store.close()

    asyncio.run(main())


def watching(store: FilesDatastore, *kinds: Any) -> Any:
    return aclosing(cast("Any", store.watch(kinds)))


# --- what people do -------------------------------------------------------------------------------------------------


def test_a_file_written_by_hand_is_an_object(tmp_path: Path) -> None:
    async def body(store: FilesDatastore) -> None:
        by_hand(tmp_path, "mine", POOL.format(name="mine", cidr="10.65.0.0/16"))
        found = await store.get(IPPool, "mine")
        assert found is not None and found.spec.block_size == 26
        changed = await store.update(replace(found, spec=msgspec.structs.replace(found.spec, disabled=True)))
        assert changed.meta.uid and changed.spec.disabled

    run(tmp_path, body)


def test_an_edit_by_hand_keeps_the_version_and_is_a_conflict_all_the_same(tmp_path: Path) -> None:
    async def body(store: FilesDatastore) -> None:
        made = await store.create(pool())
        path = tmp_path / "ippools" / "default.yaml"
        path.write_text(path.read_text().replace("cidr:", "disabled: true\n  cidr:"))
        with pytest.raises(Conflict):
            await store.update(made)
        again = await store.get(IPPool, "default")
        assert again is not None and again.spec.disabled and again.meta.version == made.meta.version

    run(tmp_path, body)


def test_a_block_edited_as_yaml_still_loads(tmp_path: Path) -> None:
    async def body(store: FilesDatastore) -> None:
        made = await store.create(block())
        path = tmp_path / "ipamblocks" / "b0.yaml"
        assert path.read_bytes().startswith(b"{")
        from felixpy.datastore.documents import dump_yaml

        path.write_text("# by hand\n" + dump_yaml(msgspec.json.decode(path.read_bytes())))
        found = await store.get(IPAMBlock, "b0")
        assert found is not None and found.spec == made.spec
        await store.update(found)
        assert path.read_bytes().startswith(b"{")

    run(tmp_path, body)


def test_fields_that_we_do_not_know_survive_our_writing(tmp_path: Path) -> None:
    async def body(store: FilesDatastore) -> None:
        by_hand(
            tmp_path, "mine", POOL.format(name="mine", cidr="10.65.0.0/16") + "  future: {a: [1]}\nstatus: {b: 2}\n"
        )
        found = await store.get(IPPool, "mine")
        assert found is not None and found.unknown == ("spec.future",)
        await store.update(replace(found, spec=msgspec.structs.replace(found.spec, disabled=True)))
        document = await store.document(IPPool, "mine")
        assert document is not None and document["status"] == {"b": 2}
        assert document["spec"] == {"cidr": "10.65.0.0/16", "future": {"a": [1]}, "disabled": True}

    run(tmp_path, body)


BAD: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "is empty"),
    "binary": (b"\x7fELF\x00\x01\xff", "is not UTF-8 text"),
    "truncated": (POOL.format(name="x", cidr="10.0.0.0/8")[:-20] + ": [", "is not YAML"),
    "host-bits": (POOL.format(name="host-bits", cidr="10.65.0.1/16"), "write 10.65.0.0/16"),
    "wrong-name": (POOL.format(name="other", cidr="10.65.0.0/16"), "is other, not what the file is named"),
    "wrong-kind": (POOL.format(name="wrong-kind", cidr="x").replace("IPPool", "BGPPeer"), "folder of ippools"),
    "two": (POOL.format(name="two", cidr="10.65.0.0/16") + "---\na: 1\n", "2 documents"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_named_and_the_others_go_on(tmp_path: Path, name: str) -> None:
    async def body(store: FilesDatastore) -> None:
        good = await store.create(pool())
        path = by_hand(tmp_path, name, BAD[name][0])
        listed = await store.list(IPPool)
        assert listed.objects == {"default": good}
        assert list(listed.broken) == [name]
        assert BAD[name][1] in listed.broken[name].reason or "is not a field" in str(listed.broken[name])
        assert str(path) in str(listed.broken[name])

    run(tmp_path, body)


def test_what_is_no_object_is_left_alone_and_never_waited_for(tmp_path: Path) -> None:
    async def body(store: FilesDatastore) -> None:
        good = await store.create(pool())
        folder = tmp_path / "ippools"
        for name in (".hidden.yaml", "notes.txt", "backup.yaml~", "old.yml"):
            (folder / name).write_text("garbage: [")
        os.mkfifo(folder / "pipe.yaml")
        (folder / "folder.yaml").mkdir()
        (folder / "huge.yaml").write_bytes(b"")
        os.truncate(folder / "huge.yaml", 1 << 33)
        (folder / "gone.yaml").symlink_to("nowhere")
        listed = await store.list(IPPool)
        assert listed.objects == {"default": good}
        assert {name: error.reason for name, error in listed.broken.items()} == {
            "pipe": "is not a regular file: move it away",
            "folder": "is not a regular file: move it away",
            "huge": "is larger than 4 MiB: no resource is",
        }

    run(tmp_path, body)


def test_a_broken_object_can_be_replaced_and_deleted_by_its_digest(tmp_path: Path) -> None:
    async def body(store: FilesDatastore) -> None:
        by_hand(tmp_path, "default", "garbage: [")
        with pytest.raises(InvalidResource) as caught:
            await store.get(IPPool, "default")
        with pytest.raises(Conflict):
            await store.update(replace(pool(), digest="another"))
        made = await store.update(replace(pool(), digest=caught.value.digest))
        assert await store.get(IPPool, "default") == made

    run(tmp_path, body)


@pytest.mark.parametrize("name", ["../evil", "Upper", "", "a" * 251, "a b", "-a", ".tmp"])
def test_a_name_never_leaves_the_folder(tmp_path: Path, name: str) -> None:
    async def body(store: FilesDatastore) -> None:
        with pytest.raises(InvalidResource, match=r"metadata\.name"):
            await store.create(pool(name))
        assert list(tmp_path.rglob("*.yaml")) == []

    run(tmp_path, body)


def test_a_secret_is_for_its_owner_only(tmp_path: Path) -> None:
    async def body(store: FilesDatastore) -> None:
        await store.create(Resource(Metadata("pw", "kube-system"), Secret(data={"k": "aA=="})))
        path = tmp_path / "secrets" / "kube-system.pw.yaml"
        assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700

    run(tmp_path, body)


# --- watching -------------------------------------------------------------------------------------------------------


def test_every_way_to_change_a_file_is_seen(tmp_path: Path) -> None:
    async def body(store: FilesDatastore) -> None:
        (tmp_path / "ippools").mkdir()
        text = POOL.format(name="p", cidr="10.65.0.0/16")
        async with watching(store, IPPool) as watch:
            assert await anext(watch) == Listed(IPPool, {})
            path = by_hand(tmp_path, "p", text)
            assert isinstance(await anext(watch), Put)
            with path.open("a") as file:
                file.write("  disabled: true\n")
            event = await anext(watch)
            assert isinstance(event, Put) and event.resource.spec.disabled
            path.write_text("garbage: [")
            assert isinstance(await anext(watch), Broken)
            (tmp_path / "new").write_text(text)
            (tmp_path / "new").rename(path)
            assert isinstance(await anext(watch), Put)
            path.rename(tmp_path / "elsewhere")
            assert await anext(watch) == Gone(IPPool, "p")
            os.link(tmp_path / "elsewhere", path)
            path.touch()
            path.open("a").close()
            assert isinstance(await anext(watch), Put)
            path.unlink()
            assert await anext(watch) == Gone(IPPool, "p")

    run(tmp_path, body)


def test_an_editor_that_saves_by_way_of_a_backup_deletes_nothing(tmp_path: Path) -> None:
    async def body(store: FilesDatastore) -> None:
        await store.create(pool())
        path = tmp_path / "ippools" / "default.yaml"
        async with watching(store, IPPool) as watch:
            await anext(watch)
            text = path.read_text()
            path.rename(path.with_name("default.yaml~"))
            await asyncio.sleep(0.02)
            path.write_text(text + "  disabled: true\n")
            event = await anext(watch)
            assert isinstance(event, Put) and event.resource.spec.disabled
            path.rename(path.with_name("default.yaml~"))
            event = await anext(watch)
            while isinstance(event, Put):  # the first rename, looked at late
                event = await anext(watch)
            assert event == Gone(IPPool, "default")

    run(tmp_path, body)


def test_a_kind_whose_folder_is_moved_away_and_back_is_listed_again(tmp_path: Path) -> None:
    async def body(store: FilesDatastore) -> None:
        made = await store.create(pool())
        async with watching(store, IPPool) as watch:
            await anext(watch)
            (tmp_path / "ippools").rename(tmp_path / "away")
            assert await anext(watch) == Listed(IPPool, {})
            (tmp_path / "away" / "default.yaml").touch()  # not ours any more: no event
            (tmp_path / "away").rename(tmp_path / "ippools")
            assert await anext(watch) == Listed(IPPool, {"default": made})
            (tmp_path / "ippools" / "default.yaml").unlink()
            assert await anext(watch) == Gone(IPPool, "default")

    run(tmp_path, body)


def test_a_store_that_goes_away_loses_nothing_and_is_listed_when_it_is_back(tmp_path: Path) -> None:
    root = tmp_path / "store"
    lost: list[str] = []

    async def body(store: FilesDatastore) -> None:
        store.prepare()
        made = await store.create(pool())
        snapshots = cast("Any", follow(store, [IPPool], lambda error: lost.append(str(error))))
        async with aclosing(snapshots):
            assert (await anext(snapshots)).of(IPPool) == {"default": made}
            root.rename(tmp_path / "away")
            await asyncio.sleep(0.1)
            assert lost == [f"files:{root}: there is no such folder"]
            (tmp_path / "away" / "ippools" / "default.yaml").unlink()
            (tmp_path / "away").rename(root)
            assert (await anext(snapshots)).of(IPPool) == {}
        with pytest.raises(Unreachable, match="no such folder"):
            await FilesDatastore(tmp_path / "typo").list(IPPool)
        with pytest.raises(Unreachable, match="no such folder"):
            await FilesDatastore(tmp_path / "typo").create(pool())

    run(root, body)


def test_lost_events_mean_that_everything_is_listed_again(tmp_path: Path) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if limit > 20_000:
        pytest.skip(f"fs.inotify.max_queued_events is {limit}: overflowing it takes too long")

    async def body(store: FilesDatastore) -> None:
        await store.create(pool())
        async with watching(store, IPPool) as watch:
            await anext(watch)
            for number in range(limit):  # not one turn of the loop meanwhile
                (tmp_path / "ippools" / f"{number}.txt").touch()
            by_hand(tmp_path, "late", POOL.format(name="late", cidr="10.99.0.0/16"))  # its event is lost
            event = await anext(watch)
            assert isinstance(event, Listed)
            assert sorted(event.objects) == ["default", "late"]

    run(tmp_path, body)


def test_one_descriptor_serves_every_watch_and_is_let_go(tmp_path: Path) -> None:
    def inotify_descriptors() -> int:
        links = [path for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
        return sum("inotify" in str(path.readlink()) for path in links)

    async def body(store: FilesDatastore) -> None:
        before = inotify_descriptors()
        async with watching(store, IPPool) as first, watching(store, Node, IPPool) as second:
            await anext(first)
            await anext(second)
            assert inotify_descriptors() == before + 1
            made = await store.create(pool())
            await anext(second)
            for watch in (first, second):
                event = await anext(watch)
                assert event in (Listed(IPPool, {"default": made}), Put(IPPool, made))
        await store.close()
        assert inotify_descriptors() == before

    run(tmp_path, body)


def test_listing_bears_files_that_vanish_meanwhile(tmp_path: Path) -> None:
    async def body(store: FilesDatastore) -> None:
        for number in range(200):
            await store.create(block(number))

        async def remove() -> None:
            for number in range(0, 200, 2):
                (tmp_path / "ipamblocks" / f"b{number}.yaml").unlink()
                await asyncio.sleep(0)

        _, listed = await asyncio.gather(remove(), store.list(IPAMBlock))
        assert not listed.broken
        assert {f"b{n}" for n in range(1, 200, 2)} <= set(listed.objects)

    run(tmp_path, body)


def test_unchanged_objects_are_not_decoded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[str] = []
    whole = FilesDatastore._decode

    def counting(self: FilesDatastore, *args: Any) -> Any:
        decoded.append(args[1])
        return whole(self, *args)

    async def body(store: FilesDatastore) -> None:
        for number in range(5):
            by_hand(tmp_path, f"p{number}", POOL.format(name=f"p{number}", cidr=f"10.{number}.0.0/16"))
        monkeypatch.setattr(FilesDatastore, "_decode", counting)
        first = await store.list(IPPool)
        assert await store.list(IPPool) == first
        assert sorted(decoded) == [f"p{number}" for number in range(5)]

    run(tmp_path, body)


# --- other processes ------------------------------------------------------------------------------------------------

PROGRAM = textwrap.dedent(
    """
    import asyncio, sys
    from dataclasses import replace
    from pathlib import Path
    import msgspec
    from felixpy.datastore.files import FilesDatastore
    from felixpy.model.errors import Conflict
    from felixpy.model.resources import IPAMBlock

    async def main(path, count):
        store = FilesDatastore(Path(path), sync=False)
        print("started", flush=True)
        done = 0
        while done < count:
            old = await store.get(IPAMBlock, "b0")
            spec = msgspec.structs.replace(old.spec, sequence_number=old.spec.sequence_number + 1)
            try:
                await store.update(replace(old, spec=spec))
                done += 1
            except Conflict:
                pass

    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
    """
)


def writers(path: Path, how_many: int, count: int) -> list[subprocess.Popen[str]]:
    command = [sys.executable, "-c", PROGRAM, str(path), str(count)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(how_many)]
    for process in started:
        assert process.stdout is not None and process.stdout.readline() == "started\n"
    return started


def counted(path: Path) -> int:
    async def read() -> int:
        found = await FilesDatastore(path).get(IPAMBlock, "b0")
        assert found is not None
        return found.spec.sequence_number

    return asyncio.run(read())


def test_no_update_of_several_processes_is_lost(tmp_path: Path) -> None:
    run(tmp_path, _create)
    for process in writers(tmp_path, 4, 60):
        assert process.wait(60) == 0
        process.communicate()
    assert counted(tmp_path) == 240


async def _create(store: FilesDatastore) -> None:
    await store.create(block())


def test_without_the_lock_updates_are_lost(tmp_path: Path) -> None:
    """The negative control: the same race with a lock that locks nothing loses updates."""
    run(tmp_path, _create)
    broken = PROGRAM.replace("async def main", "import fcntl\nfcntl.flock = lambda *_: None\nasync def main")
    broken = broken.replace(
        "import asyncio", "import felixpy.datastore.swap as s\ns._expect = lambda *_: None\nimport asyncio"
    )
    started = [subprocess.Popen([sys.executable, "-c", broken, str(tmp_path), "60"]) for _ in range(4)]
    assert [process.wait(60) for process in started] == [0, 0, 0, 0]
    assert counted(tmp_path) < 240


def test_a_writer_killed_at_any_moment_leaves_a_store_that_loads(tmp_path: Path) -> None:
    run(tmp_path, _create)
    before = 0
    for number in range(6):
        (process,) = writers(tmp_path, 1, 1_000_000)
        time.sleep(0.03 + 0.007 * number)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        process.communicate()
        assert counted(tmp_path) >= before
        before = counted(tmp_path)
    assert before > 0
    for left in (tmp_path / "ipamblocks").glob(".tmp-*"):  # no list shows them; a later writer takes them away
        os.utime(left, (0, 0))
    (tmp_path / "ipamblocks" / ".tmp-old").touch()
    os.utime(tmp_path / "ipamblocks" / ".tmp-old", (0, 0))

    async def body(store: FilesDatastore) -> None:
        found = await store.get(IPAMBlock, "b0")
        assert found is not None
        await store.update(found)
        assert [path.name for path in (tmp_path / "ipamblocks").iterdir()] == ["b0.yaml"]

    run(tmp_path, body)


WATCHER = textwrap.dedent(
    """
    import asyncio, sys, time
    from pathlib import Path
    from felixpy.datastore.files import FilesDatastore
    from felixpy.model.resources import IPAMBlock
    from felixpy.model.snapshot import Listed

    async def main(path):
        async for event in FilesDatastore(Path(path)).watch([IPAMBlock]):
            now = time.monotonic_ns()
            print("ready" if isinstance(event, Listed) else event.resource.spec.sequence_number, now, flush=True)

    asyncio.run(main(sys.argv[1]))
    """
)


def test_another_process_sees_a_write_within_milliseconds(tmp_path: Path) -> None:
    rounds = 40

    async def body(store: FilesDatastore) -> None:
        made = await store.create(block())
        command = [sys.executable, "-c", WATCHER, str(tmp_path)]
        watcher = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert watcher.stdout is not None and watcher.stdout.readline().startswith("ready")
        try:
            latencies = []
            for number in range(1, rounds + 1):
                spec = msgspec.structs.replace(made.spec, sequence_number=number)
                before = time.monotonic_ns()
                made = await store.update(replace(made, spec=spec))
                seen, at = watcher.stdout.readline().split()
                assert int(seen) == number
                latencies.append((int(at) - before) / 1e6)
        finally:
            watcher.kill()
            watcher.communicate()
        median = sorted(latencies)[rounds // 2]
        print(f"from the start of a write to its event in another process: p50 {median:.2f} ms")
        assert median < 20

    run(tmp_path, body)


# --- faults of the machine ------------------------------------------------------------------------------------------


def test_a_lock_that_is_never_let_go_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    holder = (
        "import fcntl, sys, time\nf = open(sys.argv[1], 'w')\nfcntl.flock(f, 2)\n"
        "print('held', flush=True)\ntime.sleep(60)"
    )

    async def body(store: FilesDatastore) -> None:
        process = subprocess.Popen(
            [sys.executable, "-c", holder, str(tmp_path / swap.LOCK)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        try:
            with pytest.raises(Unreachable, match="its lock is held"):
                await store.create(pool())
        finally:
            process.kill()
            process.communicate()
        await store.create(pool())

    monkeypatch.setattr(swap, "LOCK_WAIT_S", 0.3)
    run(tmp_path, body)


def test_a_counter_that_is_garbage_does_not_stop_anything(tmp_path: Path) -> None:
    async def body(store: FilesDatastore) -> None:
        made = await store.create(pool())
        (tmp_path / ".lock").write_bytes(b"\xff garbage")
        assert (await store.update(made)).meta.version

    run(tmp_path, body)


FULL = textwrap.dedent(
    """
    import asyncio, os, subprocess, sys
    from dataclasses import replace
    from ipaddress import ip_network
    from pathlib import Path
    from felixpy.datastore.files import FilesDatastore
    from felixpy.model.errors import Unreachable
    from felixpy.model.resources import IPPool, Metadata, Resource

    root = Path(sys.argv[1])

    async def main():
        store = FilesDatastore(root)
        made = await store.create(Resource(Metadata("p"), IPPool(cidr=ip_network("10.65.0.0/16"), block_size=26)))
        big = replace(made, meta=replace(made.meta, labels={"a": "x" * 60}, annotations={"b": "y" * 100_000}))
        for act in sys.argv[2:]:
            subprocess.run(act, shell=True, check=True)
            try:
                await store.update(big)
                print("stored")
            except Unreachable as error:
                print(error)
            assert await store.get(IPPool, "p") == made
            assert [f.name for f in (root / "ippools").iterdir()] == ["p.yaml"]

    asyncio.run(main())
    """
)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small file system")
def test_a_full_disk_and_a_read_only_one_leave_the_old_object(tmp_path: Path) -> None:
    root = tmp_path / "small"
    root.mkdir()
    script = (
        f'mount -t tmpfs -o size=64k small {root} && exec {sys.executable} -c "$FULL" {root} '
        f"true 'mount -o remount,ro {root}'"
    )
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script],
        env={**os.environ, "FULL": FULL}, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    full, read_only = done.stdout.splitlines()
    assert "No space left on device: free some space; nothing was changed" in full
    assert "the file system is read-only; nothing was changed" in read_only


def test_ten_thousand_blocks_are_listed_while_the_loop_turns(tmp_path: Path) -> None:
    """Writing them one by one is slow; what matters is reading. The figure is printed."""
    folder = tmp_path / "ipamblocks"
    folder.mkdir()
    from felixpy.datastore.encode import encode

    for number in range(2000):
        resource = block(number)
        (folder / f"b{number}.yaml").write_bytes(msgspec.json.encode(encode(resource)))

    async def body(store: FilesDatastore) -> None:
        turns = 0

        async def ticking() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        ticker = asyncio.create_task(ticking())
        times = []
        for _ in range(2):
            before = time.perf_counter()
            listed = await store.list(IPAMBlock)
            times.append((time.perf_counter() - before) / len(listed.objects) * 1e6)
            assert len(listed.objects) == 2000
        ticker.cancel()
        print(f"list: {times[0]:.0f} us a block, again {times[1]:.0f} us; {turns} turns of the loop")
        assert turns > 20

    run(tmp_path, body)


def test_a_namespaced_object_has_a_file_of_its_own(tmp_path: Path) -> None:
    async def body(store: FilesDatastore) -> None:
        for namespace in ("a", "b"):
            await store.create(Resource(Metadata("n1-k8s-web.0-eth0", namespace), WorkloadEndpoint(node="n1")))
        assert sorted((await store.list(WorkloadEndpoint)).objects) == ["a/n1-k8s-web.0-eth0", "b/n1-k8s-web.0-eth0"]

    run(tmp_path, body)
