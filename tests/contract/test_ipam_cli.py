"""`felixpy ipam` on a files store: what it finds, mends, releases and changes, and what it leaves alone."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from felixpy.datastore.files import FilesDatastore
from felixpy.ipam.blocks import Owner
from felixpy.model.resources import IPAMHandle, IPPool, IPReservation, Metadata, Node, Pod, Resource, WorkloadEndpoint
from felixpy.model.snapshot import AnyResource
from tests.ipam_world import allocator, endpoint, pool, request


class Done(NamedTuple):
    code: int
    out: str
    err: str


Felixpy = Callable[..., Done]
TAKEN = "2026-11-01T00:00:00Z"


@pytest.fixture
def felixpy(tmp_path: Path) -> Felixpy:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("FELIXPY", "KUBERNETES"))}

    def run(*words: str) -> Done:
        command = [sys.executable, "-m", "felixpy", "ipam", *words]
        environment = {**clean, "FELIXPY_DATASTORE": f"files:{tmp_path}"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
        return Done(done.returncode, done.stdout, done.stderr)

    return run


async def attach(store: FilesDatastore, name: str, node: str = "n1") -> str:
    """An address with an owner; no endpoint yet."""
    said = {"pod": name, "namespace": "default", "node": node, "uid": f"uid-of-{name}", "timestamp": TAKEN}
    addresses = await allocator(store, node).assign(
        replace(request(f"net.{name}", 4), owner=Owner(f"net.{name}", said))
    )
    return str(addresses[0])


async def prepare(folder: Path) -> dict[str, str]:
    """One pod that runs, one whose pod is gone, a handle of nothing, a block of a node that was deleted."""
    store = FilesDatastore(folder)
    there: list[AnyResource] = [
        pool("pods", "10.65.0.0/24", block_size=28),
        Resource(Metadata("n1"), Node()),
        Resource(Metadata("web", "default", uid="uid-of-web"), Pod(node_name="n1", phase="Running")),
        Resource(Metadata("net.ghost"), IPAMHandle(handle_id="net.ghost")),
    ]
    for resource in there:
        await store.create(resource)
    found = {name: await attach(store, name) for name in ("web", "lost")}
    found["gone"] = await attach(store, "gone", "n9")
    await endpoint(store, "net.web", [found["web"]])
    await store.close()
    return found


def documents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.yaml")}


def kinds(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return sorted((problem["kind"], problem["subject"]) for problem in found)


def test_check_proves_what_it_finds_and_fix_mends_exactly_that(felixpy: Felixpy, tmp_path: Path) -> None:
    address = asyncio.run(prepare(tmp_path))
    before = documents(tmp_path)
    found = felixpy("check", "-o", "json")
    problems = json.loads(found.out)["problems"]
    block = next(problem["subject"] for problem in problems if problem["kind"] == "orphaned")
    expected = [
        ("count", "handle net.ghost"),
        ("leaked", address["gone"]),
        ("leaked", address["lost"]),
        ("orphaned", block),
    ]
    assert (found.code, kinds(problems)) == (1, sorted(expected))
    proofs = {problem["subject"]: problem["proof"] for problem in problems}
    assert "pod default/lost with UID uid-of-lost does not exist" in proofs[address["lost"]]
    assert "node n9, which does not exist" in proofs[block]
    assert "pod default/lost with UID uid-of-lost does not exist" in felixpy("check").out
    leaked = json.loads(felixpy("why", address["lost"], "-o", "json").out)
    assert leaked["state"] == "leaked" and leaked["proof"] in proofs[address["lost"]]
    dry = json.loads(felixpy("check", "--fix", "--grace", "0", "--dry-run", "-o", "json").out)
    assert len(dry["would_mend"]) == 3 and dry["mended"] == []
    assert documents(tmp_path) == before
    patient = felixpy("check", "--fix", "--grace", "999999999", "-o", "json")
    assert [problem["kind"] for problem in json.loads(patient.out)["problems"]] == ["orphaned"]
    assert documents(tmp_path) == before
    mended = felixpy("check", "--fix", "--grace", "0", "-o", "json")
    assert mended.code == 0, mended
    assert kinds(json.loads(mended.out)["mended"]) == sorted(expected)
    assert (felixpy("check").code, felixpy("check").out) == (0, "")
    assert json.loads(felixpy("why", address["web"], "-o", "json").out)["state"] == "in use"
    assert json.loads(felixpy("show", "-o", "json").out)["usage"][0]["used"] == 1


def test_why_tells_owner_time_rule_and_route(felixpy: Felixpy, tmp_path: Path) -> None:
    async def story() -> str:
        address = (await prepare(tmp_path))["web"]
        store = FilesDatastore(tmp_path)
        stored = await store.get(WorkloadEndpoint, "default/net.web")
        assert stored is not None
        spec = WorkloadEndpoint(node="n1", interface_name="cali1", ip_networks=stored.spec.ip_networks)
        await store.update(replace(stored, spec=spec))
        return address

    address = asyncio.run(story())
    lines = dict(line.split("  ", 1) for line in felixpy("why", address).out.splitlines())
    shown = {name.strip(): value.strip() for name, value in lines.items()}
    assert (shown["state"], shown["since"], shown["pool"]) == ("in use", TAKEN, "pods")
    assert shown["rule"] == "assignmentMode Automatic, nodeSelector all()"
    assert shown["routed"] == f"n1 dev cali1, others by n1's block {shown['block']}"
    free = json.loads(felixpy("why", "192.0.2.1", "-o", "json").out)
    assert (free["state"], free["since"], free["routed"]) == ("in no pool", "", "")


def test_release_leaves_what_a_pod_has_and_says_what_it_did(felixpy: Felixpy, tmp_path: Path) -> None:
    address = asyncio.run(prepare(tmp_path))
    before = documents(tmp_path)
    both = ("release", address["web"], address["lost"], "-o", "json")
    dry = json.loads(felixpy(*both, "--dry-run").out)["released"]
    assert [(one["released"], bool(one["refused"])) for one in dry] == [(False, True), (False, False)]
    assert documents(tmp_path) == before
    wrong = felixpy("release", address["lost"], "--handle", "net.other")
    assert wrong.code == 1 and "held by net.lost, not by net.other" in wrong.err
    assert documents(tmp_path) == before
    done = felixpy(*both)
    assert done.code == 1 and "is in use by default/net.web" in done.err
    assert [one["released"] for one in json.loads(done.out)["released"]] == [False, True]
    assert felixpy("release", address["lost"]).out == f"{address['lost']} was not assigned\n"
    assert felixpy("release", "nonsense").code == 2


def test_reserve_split_and_configure_change_what_they_say_and_nothing_in_a_dry_run(
    felixpy: Felixpy, tmp_path: Path
) -> None:
    asyncio.run(prepare(tmp_path))
    before = documents(tmp_path)
    changes = (
        ("reserve", "10.65.0.0/28", "10.65.0.99"),
        ("split", "4", "--name", "pods"),
        ("configure", "--strictaffinity", "true", "--max-blocks-per-host", "4", "--ip-cooldown-seconds", "30"),
    )
    for words in changes:
        assert felixpy(*words, "--dry-run").code == 0
    assert documents(tmp_path) == before
    for words in changes:
        done = felixpy(*words, "-o", "json")
        assert done.code == 0 and json.loads(done.out), done

    async def stored() -> tuple[set[str], tuple[str, ...]]:
        store = FilesDatastore(tmp_path)
        reserved = await store.get(IPReservation, "by-hand")
        assert reserved is not None
        return set((await store.list(IPPool)).objects), reserved.spec.reserved_cidrs

    assert asyncio.run(stored()) == ({f"split-pods-{i}" for i in range(4)}, ("10.65.0.0/28", "10.65.0.99/32"))
    assert json.loads(felixpy("show", "--show-configuration", "-o", "json").out) == {
        "strictAffinity": True, "autoAllocateBlocks": True, "maxBlocksPerHost": 4, "ipCooldownSeconds": 30,
    }  # fmt: skip
    assert felixpy("reserve", "--undo", "10.65.0.0/28", "10.65.0.99/32").code == 0
    assert not list(tmp_path.glob("ipreservations/*.yaml"))


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("configure", "--max-blocks-per-host", "4"), 2, "needs strictAffinity: true"),
        (("configure", "--ip-cooldown-seconds", "1201"), 2, "0..1200"),
        (("split", "3", "--name", "pods"), 2, "2, 4, 8"),
        (("split", "2", "--name", "none"), 1, "there are pods"),
        (("split", "2"), 2, "--name or --cidr"),
        (("reserve", "10.65.0.1/28"), 2, "has host bits set"),
        (("reserve", "--undo", "10.65.0.0/28"), 1, "does not hold 10.65.0.0/28"),
    ],
)
def test_a_wrong_change_is_one_clear_error_and_changes_nothing(
    felixpy: Felixpy, tmp_path: Path, words: tuple[str, ...], code: int, says: str
) -> None:
    asyncio.run(prepare(tmp_path))
    before = documents(tmp_path)
    done = felixpy(*words)
    assert done.code == code and says in done.err and "Traceback" not in done.err, done
    assert documents(tmp_path) == before
