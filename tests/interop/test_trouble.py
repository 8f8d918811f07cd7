"""Peers that restart, fall asleep, flap or send far too much: only their own session suffers."""

import signal
from pathlib import Path

import pytest

from felixpy.model.resources.base import Duration
from tests.interop.daemons import DAEMONS, Part, daemon, each_daemon
from tests.interop.neighbours import PREFIX, limited, peer, said_of, soon, tor, two
from tests.interop.raw_peer import dialled, lost, only_this_session_suffers
from tests.netns.fabric import Fabric, watched
from tests.speakers import needs

pytestmark = [pytest.mark.root, pytest.mark.interop]
FLAPS = 50
MANY = tuple(f"20.{number >> 8}.{number & 255}.0/24" for number in range(5000))


@pytest.mark.parametrize("graceful", [True, False], ids=["graceful", "plain"])
@each_daemon
def test_a_peer_that_is_killed_and_started_again(fabric: Fabric, tmp_path: Path, kind: str, graceful: bool) -> None:
    """With graceful restart no route moves in our kernel; without (the control) the same watcher sees it go."""
    n1, n2 = two(fabric)
    fabric.put(switch=peer())
    with only_this_session_suffers(n1, n2), fabric.beside(9) as there:
        with daemon(tmp_path / kind, kind, tor(graceful=graceful)) as theirs:
            soon(lambda: PREFIX in n1.routes())
            with watched(n1) as here:
                theirs.process.kill()
                theirs.process.wait(10)
                soon(lambda: not n1.up("172.20.0.9"))
                if not graceful:
                    soon(lambda: PREFIX not in n1.routes())
                there.run("ip", "link", "set", "eth1", "down")  # until it has its routes: GoBGP is given them late
                with daemon(tmp_path / kind, kind, tor(graceful=graceful, back=graceful)):
                    there.run("ip", "link", "set", "eth1", "up")
                    soon(lambda: n1.up("172.20.0.9"))
                    soon(lambda: [path["stale"] for path in n1.paths(PREFIX)] == [False])
                    soon(lambda: PREFIX in n1.routes())
        moved = [line.split()[:2] for line in here if PREFIX in line]
        assert moved[:1] == ([] if graceful else [["Deleted", PREFIX]])


@each_daemon
def test_a_peer_that_has_fallen_asleep_is_noticed_by_its_hold_timer(
    fabric: Fabric, tmp_path: Path, kind: str
) -> None:
    n1, n2 = two(fabric)
    fabric.put(switch=peer(keepalive_time=Duration(1)))
    with only_this_session_suffers(n1, n2), fabric.beside(9), daemon(tmp_path / kind, kind, tor()) as theirs:
        soon(lambda: PREFIX in n1.routes())
        assert said_of(n1)["hold_time_s"] == 3
        theirs.process.send_signal(signal.SIGSTOP)
        soon(lambda: not n1.up("172.20.0.9"))
        assert "(4,0)" in said_of(n1)["last_error"]
        soon(lambda: PREFIX not in n1.routes())
        theirs.process.send_signal(signal.SIGCONT)
        soon(lambda: n1.up("172.20.0.9") and PREFIX in n1.routes())
        soon(lambda: theirs.view("10.65.1.0/26"))


@pytest.mark.parametrize(
    ("kind", "limit"),
    [pytest.param(kind, 1000, marks=needs(*programs)) for kind, programs in DAEMONS.items()]
    + [pytest.param("bird", 10000, marks=needs("bird"))],
)
def test_a_peer_with_five_thousand_prefixes_against_a_limit(
    fabric: Fabric, tmp_path: Path, kind: str, limit: int
) -> None:
    """Under the limit all of them arrive (the control); over it the peer is sent away and the others stay."""
    n1, n2 = two(fabric)
    fabric.write([limited(limit)])
    part: Part = tor(routes=MANY)
    with only_this_session_suffers(n1, n2), fabric.beside(9), daemon(tmp_path / kind, kind, part) as theirs:
        if limit > len(MANY):
            soon(lambda: sum(prefix.startswith("20.") for prefix in n1.routes()) == len(MANY))
            assert n1.up("172.20.0.9")
        else:
            soon(lambda: '"session held down"' in n1.log())
            soon(lambda: said_of(n1)["state"] == "held-down" and not theirs.up("172.20.0.1"))
            assert said_of(n1)["held_down"].startswith("max-prefix 1000 exceeded (")
            assert "(3,10)" not in said_of(n1)["last_error"]
            assert said_of(n1)["received"] == 1000
            echoes = 2 if kind == "frr" else 0  # it tells us our own blocks too, which count and are refused
            soon(lambda: sum(prefix.startswith("20.") for prefix in n1.routes()) == 1000 - echoes)
        assert n1.up("172.20.0.2") and n2.up("172.20.0.1")
        assert {"10.65.2.0/26", "fd65::200/122"} <= n1.routes().keys()


def test_a_peer_that_flaps_fifty_times_costs_nobody_else_anything(fabric: Fabric) -> None:
    """Each time its route is in the kernel and gone again: it never offered to be waited for."""
    n1, n2 = two(fabric)
    fabric.put(switch=peer())
    with only_this_session_suffers(n1, n2), fabric.beside(9):
        for _ in range(FLAPS):
            with dialled(n1):
                pass
            lost(n1)
        with dialled(n1):
            assert n1.up("172.20.0.9")
    assert n1.log().count('"session up"') == 2 + FLAPS + 1
    assert n2.log().count('"session up"') == 2
