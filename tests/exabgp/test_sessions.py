"""Sessions as configured: MD5, GTSM, who dials, and changes at run time that touch nobody else."""

import asyncio
import contextlib
import socket
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from birdpy.exabgp.patches import FILE_NAME
from birdpy.exabgp.process import Place
from birdpy.exabgp.supervisor import ExaBGP
from birdpy.policy.session import Speaker
from birdpy.rib.events import Down, Failed, Up
from tests.exabgp.node import ADDRESSES, Node, bird_config, node, route, run, session, speaker, until
from tests.speakers import bird, frr, needs, needs_root, network, raw

pytestmark = [needs_root, needs("bird"), pytest.mark.interop, pytest.mark.root]

PASSWORDS = ["plain", "deadbeef0123", 'a"; } process evil { run /bin/true; #', "it's", "x" * 80, "back\\\\slash"]
ACTIVE = "passive off;"


def quoted(password: str) -> str:
    """A BIRD string; BIRD 2.0 knows no escapes, so what cannot be written there is tried against a raw socket."""
    return f'password "{password}";'


@pytest.mark.parametrize("password", [p for p in PASSWORDS if '"' not in p])
def test_a_session_with_this_password_comes_up(tmp_path: Path, password: str) -> None:
    async def body() -> None:
        async with node(tmp_path, session(password=password)) as ours:
            await ours.up()
            assert peer.is_up("p4")

    with network(*ADDRESSES), bird(tmp_path / "bird", bird_config(quoted(password))) as peer:
        run(body)


@pytest.mark.parametrize("password", ['a"; } process evil { run /bin/true; #', "line\nbreak", "ü" * 40, "deadbeef"])
def test_two_of_us_agree_on_any_password(tmp_path: Path, password: str) -> None:
    """BIRD cannot spell these; our own other end takes the same bytes to the kernel."""

    async def body() -> None:
        async with node(tmp_path / "1", session(password=password)) as ours:
            other = replace(
                session(password=password), address=ip_address("10.0.0.1"), source_address=ip_address("10.0.0.2"),
                local_as=65002, peer_as=65001,  # type: ignore[arg-type]
            )  # fmt: skip
            theirs = Node(ExaBGP(Place(tmp_path / "2")))
            await theirs.exabgp.configure(
                Speaker("n2", ip_address("10.0.0.2"), other.local_as, 179, (ip_address("10.0.0.2"),), (other,))
            )
            task = asyncio.create_task(theirs.follow())
            await ours.up()
            theirs.exabgp.close()
            await task

    with network(*ADDRESSES):
        run(body)


@pytest.mark.parametrize("theirs", ["", quoted("other")])
def test_another_or_no_password_keeps_the_session_down(tmp_path: Path, theirs: str) -> None:
    """The negative control: were MD5 ignored, the session would come up."""

    async def body() -> None:
        async with node(tmp_path, session(password="right")) as ours:
            await asyncio.sleep(3)
            assert not ours.exabgp.advertised.sessions() and not peer.is_up("p4")

    with network(*ADDRESSES), bird(tmp_path / "bird", bird_config(theirs)) as peer:
        run(body)


@needs("bgpd", "vtysh")
def test_frr_agrees_on_md5_with_the_dialling_side_theirs(tmp_path: Path) -> None:
    config = """
router bgp 65002
 bgp router-id 10.0.0.2
 no bgp ebgp-requires-policy
 neighbor 10.0.0.1 remote-as 65001
 neighbor 10.0.0.1 ebgp-multihop 5
 neighbor 10.0.0.1 update-source 10.0.0.2
 neighbor 10.0.0.1 password it's;{hex}
 neighbor 10.0.0.1 timers connect 1
"""

    async def body() -> None:
        async with node(tmp_path, session(password="it's;{hex}", passive=True)) as ours:
            await ours.up(within_s=20)
            assert peer.is_up("10.0.0.1")

    with network(*ADDRESSES), frr(tmp_path / "frr", config, "10.0.0.2") as peer:
        run(body)


@pytest.mark.parametrize(("ours_passive", "theirs"), [(True, ACTIVE), (False, "passive on;"), (False, ACTIVE)])
def test_whoever_dials_one_stable_session_results(tmp_path: Path, ours_passive: bool, theirs: str) -> None:
    async def body() -> None:
        async with node(tmp_path, session(passive=ours_passive)) as ours:
            await ours.up()
            await asyncio.sleep(1)
            assert ours.count(Up) - ours.count(Down) == 1 and peer.is_up("p4")

    with network(*ADDRESSES), bird(tmp_path / "bird", bird_config(theirs)) as peer:
        run(body)


def test_a_peer_that_dials_is_answered_where_the_kernel_chooses_our_end_and_is_told_that_end(tmp_path: Path) -> None:
    """It is the next hop of what we announce. The reloads come while the connection is made."""

    async def body() -> None:
        ours_only = session(source_address=None, passive=True)
        async with node(tmp_path, ours_only) as ours:
            for number in range(2, 8):
                others = [session(f"10.0.9.{i}", passive=True) for i in range(1, number)]
                await ours.configure(ours_only, *others)
                await asyncio.sleep(0.1)
            await ours.up(within_s=20)
            told = [event.local for event in ours.events if isinstance(event, Up)]
            assert told and set(told) == {ip_address("10.0.0.1")}

    with network(*ADDRESSES), bird(tmp_path / "bird", bird_config(ACTIVE)):
        run(body)


@pytest.mark.parametrize("passive", [False, True])
def test_ttl_security_refuses_a_peer_from_further_away(tmp_path: Path, passive: bool) -> None:
    """GTSM on the dialled and on the accepted connection; the peer that sends TTL 64 is the negative control."""

    async def near() -> None:
        async with node(tmp_path, session(ttl_security=1, passive=passive)) as ours:
            await ours.up()

    async def far() -> None:
        async with node(tmp_path, session(ttl_security=1, passive=passive)) as ours:
            await asyncio.sleep(3)
            assert not ours.exabgp.advertised.sessions()

    near_config = bird_config("ttl security on;").replace("multihop; strict", "multihop 1; strict")
    with network(*ADDRESSES), bird(tmp_path / "near", near_config):
        run(near)
    with network(*ADDRESSES), bird(tmp_path / "far", bird_config()):
        run(far)


def test_sessions_come_and_go_without_touching_the_others(tmp_path: Path) -> None:
    async def body() -> None:
        four, six = session("10.0.0.2"), session("fd00::2")
        async with node(tmp_path, four) as ours:
            await ours.up("10.0.0.2")
            pid = ours.exabgp.pid
            assert await ours.configure(four, six, session("10.0.0.3")) == {}
            await ours.up("fd00::2")
            await ours.configure(replace(four, hold_time_s=30), six)  # only this one is reset
            await until(lambda: ours.count(Up) == 2)
            await ours.configure(six)
            await ours.down("10.0.0.2")
            assert (ours.count(Up, "fd00::2"), ours.count(Down, "fd00::2")) == (1, 0)
            assert ours.exabgp.pid == pid and ours.exabgp.restarts == 0
            assert peer.is_up("p6") and not peer.is_up("p4")

    with network(*ADDRESSES), bird(tmp_path / "bird", bird_config()) as peer:
        run(body)


def test_the_same_configuration_again_does_nothing(tmp_path: Path) -> None:
    async def body() -> None:
        async with node(tmp_path, session()) as ours:
            await ours.up()
            file = tmp_path / "exabgp" / FILE_NAME
            before = file.stat().st_mtime_ns
            await ours.configure(session())
            assert file.stat().st_mtime_ns == before and ours.count(Down) == 0

    with network(*ADDRESSES), bird(tmp_path / "bird", bird_config()):
        run(body)


def test_a_file_that_exabgp_refuses_changes_nothing_and_the_next_is_taken(tmp_path: Path) -> None:
    """Trap 1: as shipped, one failed reload makes every later one fail."""

    async def body() -> None:
        async with node(tmp_path, session()) as ours:
            await ours.up()
            process = ours.exabgp._process
            assert process is not None
            file = tmp_path / "exabgp" / FILE_NAME
            good = file.read_text()
            for bad in ("process x {", good + "neighbor 10.0.0.3 { nonsense; }", good * 2):
                file.write_text(bad)
                assert not (await process.commands.alone("reload")).ok
                await ours.tell(route("10.65.0.0/26"))
            await until(lambda: peer.route("10.65.0.0/26"))
            file.write_text(good)
            assert (await process.commands.alone("reload")).ok
            await ours.configure(session(), session("fd00::2"))
            await ours.up("fd00::2")
            assert ours.count(Down) == 0 and ours.exabgp.restarts == 0

    with network(*ADDRESSES), bird(tmp_path / "bird", bird_config()) as peer:
        run(body)


def test_a_reload_is_not_lost_while_a_dead_peer_has_unsent_routes(tmp_path: Path) -> None:
    """Trap 2: as shipped, the request is dropped without a word."""

    async def body() -> None:
        async with node(tmp_path, session(), session("10.0.0.3")) as ours:
            await ours.up()
            process = ours.exabgp._process
            assert process is not None
            told = await process.commands.routes(
                ["neighbor 10.0.0.3 announce attributes next-hop 10.0.0.1 origin igp nlri 10.65.0.0/26"]
            )
            assert told == [True]
            await ours.configure(session(), session("10.0.0.3"), session("fd00::2"))
            await ours.up("fd00::2")
            assert ours.exabgp.restarts == 0

    with (
        network(*ADDRESSES),
        bird(tmp_path / "bird", bird_config()),
        raw("10.0.0.3"),
    ):  # takes the connection, is mute
        run(body)


def test_other_addresses_to_listen_on_take_a_restart(tmp_path: Path) -> None:
    async def body() -> None:
        async with node(tmp_path, session()) as ours:
            await ours.up()
            moved = replace(speaker(session()), listen_addresses=(ip_address("10.0.0.1"), ip_address("10.0.0.4")))
            await ours.exabgp.configure(moved)
            await until(lambda: ours.count(Up) == 2)
            assert ours.exabgp.restarts == 1

    with network(*ADDRESSES), bird(tmp_path / "bird", bird_config()):
        run(body)


def test_a_refused_connection_is_no_session_that_went_down(tmp_path: Path) -> None:
    async def body() -> None:
        async with node(tmp_path, session()) as ours:
            await asyncio.sleep(1.5)
            assert set(ours.events) == {Failed(ip_address("10.0.0.2"), "Connection refused")}

    with network(*ADDRESSES):
        run(body)


def test_nothing_is_told_to_a_peer_that_is_down_and_each_session_starts_anew(tmp_path: Path) -> None:
    async def body() -> None:
        async with node(tmp_path, session()) as ours:
            refused = await ours.tell(route("10.65.0.0/26"))
            assert "not up" in str(refused[route("10.65.0.0/26").key])
            with bird(tmp_path / "1", bird_config()):
                await ours.up()
                first = ours.exabgp.advertised.sessions()
                await ours.tell(route("10.65.0.0/26"), route("10.65.0.64/26"))
                await ours.finish()
            await ours.down()
            assert await ours.exabgp.advertised.read() == {}
            with bird(tmp_path / "2", bird_config()) as again:
                await ours.up(within_s=20)
                await asyncio.sleep(0.5)
                assert not again.route("10.65.0.0/26"), "what was told in the last session is not sent by itself"
                assert await ours.exabgp.advertised.end_of_rib(first) == frozenset(), "that session is over"
                doubted = await ours.exabgp.advertised.read()
                assert route("10.65.0.0/26") not in doubted.values()
                await ours.tell(route("10.65.0.64/26"))
                assert await ours.finish() == {ip_address("10.0.0.2")}
                assert await ours.finish() == frozenset(), "once for each session"
                await until(lambda: again.route("10.65.0.64/26"))

    with network(*ADDRESSES):
        run(body)


def test_a_raw_peer_sees_both_families_only_where_configured(tmp_path: Path) -> None:
    async def body() -> None:
        async with node(tmp_path, session(families=frozenset({4, 6}))):
            loop = asyncio.get_running_loop()
            connection, _ = await loop.run_in_executor(None, listening.accept)
            opened = await loop.run_in_executor(None, connection.recv, 4096)
            connection.close()
            assert b"\x01\x04\x00\x01\x00\x01" in opened and b"\x01\x04\x00\x02\x00\x01" in opened
            assert b"\x45\x04" not in opened, "no add-path"

    with network(*ADDRESSES), raw("10.0.0.2") as listening:
        run(body)


def test_without_a_session_exabgp_waits_and_does_not_listen(tmp_path: Path) -> None:
    async def body() -> None:
        async with node(tmp_path) as ours:
            await ours.configure(session(held_down="secret x is missing"))
            await asyncio.sleep(0.5)
            assert ours.exabgp.pid is not None and ours.exabgp.restarts == 0
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("10.0.0.1", 179), 1):
                raise AssertionError("it listens")
            await ours.configure(session())
            await ours.up()
            assert ours.exabgp.restarts == 0

    with network(*ADDRESSES), bird(tmp_path / "bird", bird_config()):
        run(body)
