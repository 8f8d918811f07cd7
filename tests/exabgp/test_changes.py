"""What a change of one session does to it and to all others in the real ExaBGP: policy/changes is its table."""

import asyncio
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from birdpy.policy.changes import SESSION, SPEAKER, Effect
from birdpy.policy.session import Session
from birdpy.rib.events import Down, Up
from felixpy.model.addresses import Address
from tests.exabgp.node import node, run, session, speaker, until
from tests.speakers import bird, needs, needs_root, network
from tests.unit.birdpy.policy.test_changes import OTHER

pytestmark = [needs_root, needs("bird"), pytest.mark.interop, pytest.mark.root]

FIELDS = sorted(SESSION)
UNTOUCHED = "10.0.1.250"
BIRD_HEAD = "router id 10.0.1.250;\nlog stderr all;\nprotocol device {}\n"
BIRD_PEER = """
protocol bgp p{number} {{
  local {address} as 65002; neighbor {ours} as 65001; multihop; passive on; strict bind yes;
  ipv4 {{ import all; export all; }};
}}
"""


def address_of(name: str) -> str:
    return f"10.0.1.{FIELDS.index(name) + 1}"


def ours_of(address: str) -> str:
    """Our end of the session: BIRD takes one session per neighbour."""
    return address.replace("10.0.1.", "10.0.2.")


THEIRS = (*map(address_of, FIELDS), UNTOUCHED)
HERE = [f"{a}/32" for a in ("10.0.0.1", "10.0.0.3", *THEIRS, *map(ours_of, THEIRS))] + ["fd00::1/128"]


def ours(name: str) -> Address:
    return ip_address(ours_of(address_of(name)))


def of(address: str) -> Session:
    return session(address, source_address=ip_address(ours_of(address)))


def sessions() -> dict[str, Session]:
    """One session for each field that is to change."""
    found = {name: of(address_of(name)) for name in FIELDS}
    found["answers_at"] = replace(found["answers_at"], source_address=None, answers_at=ours("answers_at"))
    return found


def changed(name: str, before: Session) -> Session:
    """`before` with that field of another value."""
    other = {
        "source_address": ip_address("10.0.0.3"),
        "answers_at": ip_address("10.0.0.3"),
        "address": ip_address("10.0.1.251"),
    }.get(name, OTHER[name])
    return replace(before, **{name: other})


def bird_config() -> str:
    peers = (BIRD_PEER.format(number=number, address=a, ours=ours_of(a)) for number, a in enumerate(THEIRS))
    return BIRD_HEAD + "".join(peers)


def test_a_change_resets_its_own_session_only_and_only_when_the_table_says_so(tmp_path: Path) -> None:
    """All fields at once, each in a session of its own; one session has no change."""

    async def body() -> None:
        before = sessions()
        quiet = of(UNTOUCHED)
        async with node(tmp_path, quiet, *before.values()) as ours:
            await until(lambda: len(ours.exabgp.advertised.sessions()) == len(before) + 1, 30)
            pid = ours.exabgp.pid
            await ours.configure(quiet, *(changed(name, before[name]) for name in FIELDS))
            ended = {name for name in FIELDS if SESSION[name] is Effect.RESET}
            await until(lambda: all(ours.count(Down, address_of(name)) for name in ended), 60)
            await asyncio.sleep(0.5)
            assert {name for name in FIELDS if ours.count(Down, address_of(name))} == ended
            assert ours.count(Down, UNTOUCHED) == 0
            assert ours.exabgp.pid == pid and ours.exabgp.restarts == 0

    with network(*HERE), bird(tmp_path / "bird", bird_config()):
        run(body, 90)


@pytest.mark.parametrize("name", sorted(SPEAKER))
def test_what_all_sessions_share_resets_all_or_none_as_the_table_says(tmp_path: Path, name: str) -> None:
    other: dict[str, Any] = {
        "router_id": ip_address("10.0.0.77"),
        "listen_port": 1179,
        "listen_addresses": (ip_address("10.0.0.1"),),
        "cluster_id": ip_address("1.1.1.1"),
    }

    async def body() -> None:
        one, two = of("10.0.1.1"), of("10.0.1.2")
        async with node(tmp_path, one, two) as ours:
            await until(lambda: len(ours.exabgp.advertised.sessions()) == 2)
            await ours.exabgp.configure(replace(speaker(one, two), **{name: other[name]}))
            if SPEAKER[name] is Effect.RESET:
                await until(lambda: ours.count(Down, "10.0.1.1") and ours.count(Down, "10.0.1.2"))
            else:
                await asyncio.sleep(1)
                counts = [(ours.count(Up, a), ours.count(Down, a)) for a in ("10.0.1.1", "10.0.1.2")]
                assert counts == [(1, 0), (1, 0)]

    with network(*HERE), bird(tmp_path / "bird", bird_config()):
        run(body, 60)
