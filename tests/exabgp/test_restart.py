"""Who lives and dies with whom, and what peers see of it. The peer is BIRD with graceful restart as helper."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from birdpy.exabgp import commands, orphan, supervisor
from birdpy.rib.events import Down, Up
from tests.exabgp.node import (
    ADDRESSES,
    Node,
    bird_config,
    children,
    is_running,
    node,
    route,
    run,
    session,
    until,
)
from tests.speakers import Bird, bird, eventually, needs, needs_root, network

pytestmark = [needs_root, needs("bird"), pytest.mark.interop, pytest.mark.root]

KEPT, GONE = route("10.65.0.0/26"), route("10.65.0.64/26")


async def settled(ours: Node, peer: Bird, *routes: str) -> None:
    """Session up, both routes told, End-of-RIB said, the peer has them."""
    await ours.up()
    await ours.tell(KEPT, GONE)
    await ours.finish()
    await until(lambda: all(peer.route(prefix) for prefix in routes or ("10.65.0.0/26", "10.65.0.64/26")))


def since(peer: Bird, prefix: str) -> float:
    """When BIRD last changed its route to `prefix`, in seconds of the day.

    BIRD reckons the clock's time from its own for each answer: the same moment may differ by a millisecond.
    """
    told = peer.route(prefix).partition("[p4 ")[2].partition(" ")[0]
    hours, minutes, seconds = told.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def is_stale(peer: Bird, prefix: str) -> bool:
    """Whether BIRD keeps the route only for our restart."""
    return "s]" in peer.ask("show", "route", prefix) or "STALE" in peer.route(prefix).upper()


def test_exabgp_killed_is_restarted_and_the_peer_keeps_every_route(tmp_path: Path) -> None:
    async def body() -> None:
        async with node(tmp_path, session()) as ours:
            await settled(ours, peer)
            before, first = since(peer, "10.65.0.0/26"), ours.exabgp.pid
            assert first is not None
            os.kill(first, signal.SIGKILL)
            await until(lambda: ours.count(Up) == 2)
            assert peer.route("10.65.0.0/26") and peer.route("10.65.0.64/26")
            downs = [each for each in ours.events if isinstance(each, Down)]
            assert [each.ours for each in downs] == [True]
            await ours.tell(KEPT)
            assert await ours.finish() == {ip_address("10.0.0.2")}
            await until(lambda: not peer.route("10.65.0.64/26"))  # what we do not tell again goes at End-of-RIB
            assert abs(since(peer, "10.65.0.0/26") - before) < 0.01, "the route that stayed was never touched"
            assert ours.exabgp.pid != first and not is_running(first)

    with network(*ADDRESSES), bird(tmp_path / "bird", bird_config()) as peer:
        run(body)


def test_end_of_rib_too_early_flushes_the_routes_and_is_seen(tmp_path: Path) -> None:
    """The negative control of the test above: the same restart with the order wrong loses the route."""

    async def body() -> None:
        async with node(tmp_path, session()) as ours:
            await settled(ours, peer)
            assert ours.exabgp.pid is not None
            os.kill(ours.exabgp.pid, signal.SIGKILL)
            await until(lambda: ours.count(Up) == 2)
            await ours.finish()
            await until(lambda: not peer.route("10.65.0.0/26"))

    with network(*ADDRESSES), bird(tmp_path / "bird", bird_config()) as peer:
        run(body)


def test_a_dead_bridge_is_as_a_dead_exabgp(tmp_path: Path) -> None:
    async def body() -> None:
        async with node(tmp_path, session()) as ours:
            await settled(ours, peer)
            first = ours.exabgp.pid
            assert first is not None
            (bridge,) = children(first)
            os.kill(bridge, signal.SIGKILL)
            await until(lambda: ours.count(Up) == 2)
            await ours.tell(KEPT, GONE)
            await ours.finish()
            assert peer.route("10.65.0.0/26") and not is_running(first)

    with network(*ADDRESSES), bird(tmp_path / "bird", bird_config()) as peer:
        run(body)


PROGRAM = """
import asyncio
from pathlib import Path
from tests.exabgp.node import node, route, session
async def main():
    async with node(Path({folder!r}), session()) as ours:
        await ours.up()
        await ours.tell(route("10.65.0.0/26"))
        await ours.finish()
        print("pid", ours.exabgp.pid, flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_exabgp_and_bridge_die_with_birdpy_and_say_no_cease(tmp_path: Path, number: int) -> None:
    program = PROGRAM.format(folder=str(tmp_path))
    with network(*ADDRESSES), bird(tmp_path / "bird", bird_config()) as peer:
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as birdpy:
            assert birdpy.stdout is not None
            exabgp = next(int(line.split()[1]) for line in birdpy.stdout if line.startswith("pid "))
            (bridge,) = children(exabgp)
            birdpy.send_signal(number)
        eventually(lambda: not is_running(exabgp) and not is_running(bridge), within_s=2)
        eventually(lambda: not peer.is_up("p4"))
        assert peer.route("10.65.0.0/26"), "the peer keeps the route for the restart"
        state = peer.ask("show", "protocols", "all", "p4")
        assert "Received:" not in state and "Last error:       Socket" in state, state


def test_an_orphan_is_ended_before_the_next_exabgp_starts(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as survivor:
        orphan.remember(tmp_path, survivor.pid)
        assert orphan.end(tmp_path)
        assert survivor.wait(5) == -signal.SIGKILL


def test_a_pid_that_belongs_to_somebody_else_by_now_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        (tmp_path / orphan.PID_FILE).write_text(f"{stranger.pid} 1\n")
        assert not orphan.end(tmp_path)
        assert stranger.poll() is None
        stranger.kill()


def test_a_busy_port_names_its_holder_and_is_taken_when_free(tmp_path: Path) -> None:
    async def body() -> None:
        async with node(tmp_path / "second", session("10.0.0.3")) as ours:
            await until(lambda: ours.exabgp.trouble is not None)
            assert "port 179 is held by bird (pid " in str(ours.exabgp.trouble)
            blocking.process.kill()
            await until(lambda: ours.exabgp.trouble is None and ours.exabgp.advertised is not None)

    holder = bird_config().replace(
        "local 10.0.0.2 as 65002; neighbor 10.0.0.1", "local 10.0.0.1 as 65002; neighbor 10.0.0.4"
    )
    with network(*ADDRESSES), bird(tmp_path / "bird", holder) as blocking:
        run(body)


def test_it_runs_without_rights_and_its_secrets_are_its_own(tmp_path: Path) -> None:
    async def body() -> None:
        async with node(tmp_path, session(password="hunter2")) as ours:
            await until(lambda: ours.exabgp.trouble is None and ours.exabgp.pid)
            pid = ours.exabgp.pid
            assert pid is not None
            await until(lambda: "nobody" in owner(pid) or "65534" in owner(pid))
            status = Path(f"/proc/{pid}/status").read_text()
            assert "CapEff:\t0000000000000400" in status, "CAP_NET_BIND_SERVICE and nothing else"
            assert "CapBnd:\t0000000000000400" in status and "NoNewPrivs:\t1" in status and "Groups:\t \n" in status
            (bridge,) = children(pid)
            bridges = Path(f"/proc/{bridge}/status").read_text()
            assert "CapEff:\t0000000000000000" in bridges and "Uid:\t65534\t65534" in bridges
            for secret, mode in ((tmp_path / "exabgp", 0o750), (tmp_path / "exabgp" / "exabgp.conf", 0o640)):
                seen = secret.stat()
                assert (seen.st_mode & 0o777, seen.st_uid, seen.st_gid) == (mode, 0, 65534)
            for process in (pid, bridge):
                for told in ("cmdline", "environ"):
                    assert b"hunter2" not in Path(f"/proc/{process}/{told}").read_bytes()

    with network(*ADDRESSES):
        run(body)


def owner(pid: int) -> str:
    return Path(f"/proc/{pid}/status").read_text().partition("Uid:")[2].splitlines()[0]


def test_learned_routes_are_told_again_after_a_restart(tmp_path: Path) -> None:
    async def body() -> None:
        async with node(tmp_path, session()) as ours:
            await until(lambda: ip_network("203.0.113.0/24") in ours.learned())
            assert ours.exabgp.pid is not None
            os.kill(ours.exabgp.pid, signal.SIGKILL)
            ours.events.clear()
            await until(lambda: ip_network("203.0.113.0/24") in ours.learned())

    with network(*ADDRESSES), bird(tmp_path / "bird", bird_config()):
        run(body)


def test_a_peer_that_comes_late_is_reached_within_a_second(tmp_path: Path) -> None:
    """As shipped ExaBGP waits 0, 1, 2, 3 … 60 s between attempts. This BIRD only listens."""

    async def body() -> None:
        async with node(tmp_path, session()) as ours:
            await asyncio.sleep(1.5)
            with bird(tmp_path / "bird", bird_config("passive on;")):
                began = time.monotonic()
                await ours.up()
                assert time.monotonic() - began < 1

    with network(*ADDRESSES):
        run(body)


def test_it_sleeps_when_nothing_happens(tmp_path: Path) -> None:
    async def body() -> None:
        async with node(tmp_path, session()) as ours:
            await ours.up()
            await asyncio.sleep(2)
            pid = ours.exabgp.pid
            assert pid is not None
            before = switches(pid)
            await asyncio.sleep(4)
            assert switches(pid) - before < 25, "as shipped: 400"

    with network(*ADDRESSES), bird(tmp_path / "bird", bird_config()):
        run(body)


def switches(pid: int) -> int:
    """How often the process has gone to sleep."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("\nvoluntary_ctxt_switches:")[2].split()[0])


RESTRICTED = """
import asyncio, subprocess
from pathlib import Path
from tests.exabgp.node import node, session, until
async def main():
    async with node(Path({folder!r}), session()) as ours:
        await until(lambda: ours.exabgp.pid and ours.exabgp.trouble is None)
        status = Path(f"/proc/{{ours.exabgp.pid}}/status")
        await until(lambda: "CapEff:\\t0000000000000400" in status.read_text())
        await until(lambda: " 10.0.0.1:179 " in subprocess.getoutput("ss -Hltn"))
        print("listening as uid", status.read_text().partition("Uid:")[2].split()[0])
for command in ("ip link set lo up", "ip address add 10.0.0.1 dev lo", "ip address add fd00::1 dev lo"):
    subprocess.run(command.split(), check=True)
asyncio.run(main())
"""


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(["unshare", "-rn"], id="a user namespace that knows only root"),
        pytest.param(
            ["setpriv", "--bounding-set", "-setuid,-setgid,-chown", "unshare", "-n"], id="a container without rights"
        ),
    ],
)
def test_where_no_other_user_can_be_had_it_still_loses_its_capabilities(tmp_path: Path, start: list[str]) -> None:
    command = [*start, sys.executable, "-c", RESTRICTED.format(folder=str(tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert "listening as uid 0" in done.stdout, done.stderr


def test_an_exabgp_that_hangs_is_ended_and_restarted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "PING_S", 0.3)
    monkeypatch.setattr(commands, "ANSWER_WITHIN_S", 1.0)

    async def body() -> None:
        async with node(tmp_path, session()) as ours:
            await settled(ours, peer)
            await asyncio.sleep(2)
            assert ours.exabgp.restarts == 0, "silence alone is no fault"
            assert ours.exabgp.pid is not None
            os.kill(ours.exabgp.pid, signal.SIGSTOP)
            await until(lambda: ours.count(Up) == 2)
            assert peer.route("10.65.0.0/26")

    with network(*ADDRESSES), bird(tmp_path / "bird", bird_config()) as peer:
        run(body)


def test_an_address_that_is_not_there_is_named_and_taken_when_it_comes(tmp_path: Path) -> None:
    async def body() -> None:
        async with node(tmp_path, session()) as ours:
            await until(
                lambda: "10.0.0.1:179" in str(ours.exabgp.trouble) and "invalid address" in str(ours.exabgp.trouble)
            )
            subprocess.run(["ip", "address", "add", "10.0.0.1/32", "dev", "lo"], check=True)
            await ours.up()
            assert ours.exabgp.trouble is None

    with network(*ADDRESSES[1:]), bird(tmp_path / "bird", bird_config()):
        run(body)


def test_a_start_that_keeps_failing_is_told_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async def body() -> None:
        async with node(tmp_path, session("10.0.0.3")) as ours:
            await until(lambda: ours.exabgp.restarts >= 4, 60)

    holder = bird_config().replace(
        "local 10.0.0.2 as 65002; neighbor 10.0.0.1", "local 10.0.0.1 as 65002; neighbor 10.0.0.4"
    )
    with network(*ADDRESSES), bird(tmp_path / "bird", holder):
        run(body)
    told = capfd.readouterr().err
    assert told.count('"event":"ExaBGP ended"') + told.count('"event": "ExaBGP ended"') == 1
    assert told.count("can not bind to") <= 2
