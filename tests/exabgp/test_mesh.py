"""Nodes of one cluster: our ExaBGPs among themselves, started together."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from birdpy.exabgp.process import Place
from birdpy.exabgp.supervisor import ExaBGP
from birdpy.policy.session import Speaker
from birdpy.rib.events import Down, Up
from felixpy.model.addresses import Asn
from tests.exabgp.node import ADDRESSES, Node, run, session, until
from tests.speakers import needs_root, network

pytestmark = [needs_root, pytest.mark.interop, pytest.mark.root]

NODES = ("10.0.0.1", "10.0.0.2", "10.0.0.3")


@contextlib.asynccontextmanager
async def mesh(folder: Path, *, one_dials: bool) -> AsyncIterator[dict[str, Node]]:
    """Three nodes, iBGP between all; with `one_dials` the smaller address of two listens."""
    nodes = {ours: Node(ExaBGP(Place(folder / ours))) for ours in NODES}
    for each in nodes.values():
        each.exabgp.warm()
    for ours, each in nodes.items():
        sessions = tuple(
            session(peer, peer_as=Asn(65001), source_address=ip_address(ours), passive=one_dials and peer > ours)
            for peer in NODES
            if peer != ours
        )
        await each.exabgp.configure(Speaker(ours, ip_address(ours), Asn(65001), 179, (ip_address(ours),), sessions))
    tasks = [asyncio.create_task(each.follow()) for each in nodes.values()]
    try:
        yield nodes
    finally:
        for each in nodes.values():
            each.exabgp.close()
        await asyncio.gather(*tasks)


def flaps(nodes: dict[str, Node]) -> dict[tuple[str, str], tuple[int, int]]:
    """How often each session went up and down, seen from each side."""
    return {(a, b): (nodes[a].count(Up, b), nodes[a].count(Down, b)) for a in NODES for b in NODES if a != b}


@pytest.mark.parametrize("one_dials", [True, False])
def test_nodes_that_start_together_get_one_session_each(tmp_path: Path, one_dials: bool) -> None:
    async def body() -> None:
        async with mesh(tmp_path, one_dials=one_dials) as nodes:
            for ours, each in nodes.items():
                await each.up(*(peer for peer in NODES if peer != ours), within_s=5)
            await asyncio.sleep(1)
            assert set(flaps(nodes).values()) == {(1, 0)}

    with network(*ADDRESSES):
        run(body)


def test_one_dead_exabgp_disturbs_no_session_of_the_others(tmp_path: Path) -> None:
    async def body() -> None:
        async with mesh(tmp_path, one_dials=True) as nodes:
            for ours, each in nodes.items():
                await each.up(*(peer for peer in NODES if peer != ours), within_s=5)
            pid = nodes["10.0.0.2"].exabgp.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            await until(lambda: all(each.count(Up, "10.0.0.2") == 2 for a, each in nodes.items() if a != "10.0.0.2"))
            seen = flaps(nodes)
            assert seen[("10.0.0.1", "10.0.0.3")] == seen[("10.0.0.3", "10.0.0.1")] == (1, 0)
            assert [e.ours for e in nodes["10.0.0.2"].events if isinstance(e, Down)] == [True, True]
            assert [e.ours for e in nodes["10.0.0.1"].events if isinstance(e, Down)] == [False]

    with network(*ADDRESSES):
        run(body)
