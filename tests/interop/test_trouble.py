"""Peers that restart, fall asleep, flap, send far too much or what no peer should: only their own session suffers."""

import signal
from pathlib import Path

import pytest

from felixpy.model.resources.base import Duration
from tests.interop.daemons import DAEMONS, Link, Part, daemon
from tests.interop.neighbours import PREFIX, dropped, limited, peer, said_of, soon, switch, two
from tests.interop.raw_peer import (
    AS_PATH,
    GOOD,
    NEXT_HOP,
    NLRI,
    ORIGIN,
    message,
    only_this_session_suffers,
    spoken,
    update,
)
from tests.netns.fabric import Fabric, watched
from tests.speakers import attribute, bird, needs, raw

pytestmark = [pytest.mark.root, pytest.mark.interop]


@pytest.mark.parametrize("graceful", [True, False], ids=["graceful", "plain"])
@pytest.mark.parametrize("kind", [pytest.param(kind, marks=needs(*DAEMONS[kind])) for kind in ("bird", "frr")])
def test_a_peer_that_is_killed_and_started_again(fabric: Fabric, tmp_path: Path, kind: str, graceful: bool) -> None:
    """With graceful restart no route moves in our kernel; without (the control) the same watcher sees it go."""
    n1, n2 = two(fabric)
    fabric.put(switch=peer())
    part = Part(65009, (Link(1, 64512),), graceful, (PREFIX,))
    with only_this_session_suffers(n1, n2), fabric.beside(9), daemon(tmp_path / kind, kind, part) as theirs:
        soon(lambda: PREFIX in n1.routes())
        with watched(n1) as here:
            theirs.process.kill()
            theirs.process.wait(10)
            soon(lambda: not n1.up("172.20.0.9"))
            if not graceful:
                soon(lambda: PREFIX not in n1.routes())
            with daemon(tmp_path / kind, kind, part):
                soon(lambda: n1.up("172.20.0.9"))
                soon(lambda: [path["stale"] for path in n1.paths(PREFIX)] == [False])
                soon(lambda: PREFIX in n1.routes())
        assert ([line.split()[:2] for line in here if PREFIX in line][:1] == [["Deleted", PREFIX]]) != graceful
        assert not (graceful and here)


@needs("bird")
def test_a_peer_that_has_fallen_asleep_is_noticed_by_its_hold_timer(fabric: Fabric, tmp_path: Path) -> None:
    n1, n2 = two(fabric)
    fabric.put(switch=peer(keepalive_time=Duration(1)))
    with only_this_session_suffers(n1, n2), fabric.beside(9), bird(tmp_path / "bird", switch()) as theirs:
        soon(lambda: PREFIX in n1.routes())
        assert said_of(n1)["hold_time_s"] == 3
        theirs.process.send_signal(signal.SIGSTOP)
        soon(lambda: not n1.up("172.20.0.9"))
        assert "(4,0)" in said_of(n1)["last_error"]
        soon(lambda: PREFIX not in n1.routes())
        theirs.process.send_signal(signal.SIGCONT)
        soon(lambda: n1.up("172.20.0.9") and PREFIX in n1.routes())
        soon(lambda: theirs.route("10.65.1.0/26"))


@needs("bird")
@pytest.mark.parametrize("limit", [1000, 10000])
def test_a_peer_with_five_thousand_prefixes_against_a_limit(fabric: Fabric, tmp_path: Path, limit: int) -> None:
    """Under the limit all of them arrive (the control); over it the peer is sent away and the others stay."""
    n1, n2 = two(fabric)
    fabric.write([limited(limit)])
    many = "".join(f"route 20.{i >> 8}.{i & 255}.0/24 blackhole; " for i in range(5000))
    with only_this_session_suffers(n1, n2), fabric.beside(9), bird(tmp_path / "bird", switch(routes=many)) as theirs:
        if limit > 5000:
            soon(lambda: sum(prefix.startswith("20.") for prefix in n1.routes()) == 5000)
            assert n1.up("172.20.0.9")
        else:
            soon(lambda: '"session held down"' in n1.log())
            soon(lambda: said_of(n1)["state"] == "held-down" and not theirs.is_up("n1"))
            assert said_of(n1)["held_down"].startswith("max-prefix 1000 exceeded (")
            assert "(3,10)" not in said_of(n1)["last_error"]
            soon(lambda: sum(prefix.startswith("20.") for prefix in n1.routes()) == 1000)
        assert n1.up("172.20.0.2") and n2.up("172.20.0.1")
        assert {"10.65.2.0/26", "fd65::200/122"} <= n1.routes().keys()


def test_a_peer_that_flaps_twenty_times_costs_nobody_else_anything(fabric: Fabric) -> None:
    n1, n2 = two(fabric)
    fabric.put(switch=peer())
    with only_this_session_suffers(n1, n2), fabric.beside(9), raw("172.20.0.9") as listening:
        listening.settimeout(30)
        for _ in range(20):
            with spoken(listening, n1):
                pass
            soon(lambda: PREFIX not in n1.routes())  # it never offered to be waited for
        with spoken(listening, n1):
            assert n1.up("172.20.0.9")
    assert n1.log().count('"session up"') == 2 + 21
    assert n2.log().count('"session up"') == 2


WITHDRAWN = {  # RFC 7606: as if the route had been withdrawn
    "MED of two bytes": update(GOOD + attribute(4, b"\x00\x00", 0x80)),
    "ORIGIN of two bytes": update(attribute(1, b"\x00\x00") + AS_PATH + NEXT_HOP),
    "a path cut in the middle": update(ORIGIN + attribute(2, b"\x02\x03\xfd\xf1") + NEXT_HOP),
    "LOCAL_PREF that is too long": update(GOOD + attribute(5, b"\x00" * 9)),
    "an attribute longer than all": update(GOOD + bytes([0x40, 8, 200]) + b"\x00"),
    "a community of three bytes": update(GOOD + attribute(8, b"\x00\x01\x02", 0xC0)),
}
REFUSED = {  # what ExaBGP lets through is refused by our own policy, which says why
    "no NEXT_HOP": (update(ORIGIN + AS_PATH), "no next hop"),
    "no ORIGIN": (update(AS_PATH + NEXT_HOP), "no origin"),
    "ORIGIN 9": (update(attribute(1, b"\x09") + AS_PATH + NEXT_HOP), "invalid origin"),
}
ENDED = {
    "a prefix of 33 bits": (update(GOOD, bytes([33, 203, 0, 113, 0, 0])), "(3,10)"),
    "a wrong marker": (message(2, b"\x00\x00\x00\x00", b"\xfe" * 16), "(1,1)"),
    "a length above the largest": (b"\xff" * 16 + b"\xff\xff\x02", "(1,2)"),
    "a length below the header's": (b"\xff" * 16 + b"\x00\x12\x02", "(1,2)"),
    "an unknown type": (message(99, b""), "(1,"),
    "lengths that lie": (message(2, b"\xff\xff\x00\x00"), "(3,1)"),
}


def test_attributes_that_cannot_be_read_withdraw_their_route_and_nothing_else(fabric: Fabric) -> None:
    n1, n2 = two(fabric)
    fabric.put(switch=peer())
    with (
        only_this_session_suffers(n1, n2), fabric.beside(9), raw("172.20.0.9") as listening,
        spoken(listening, n1) as them,
    ):  # fmt: skip
        for data in WITHDRAWN.values():
            them.send_bytes(data)
            soon(lambda: PREFIX not in n1.routes())
            them.update(GOOD, NLRI)
            soon(lambda: PREFIX in n1.routes())
        for data, reason in REFUSED.values():
            them.send_bytes(data)
            soon(lambda: PREFIX not in n1.routes())
            (path,) = n1.paths(PREFIX)
            assert (path["accepted"], reason in path["reason"]) == (False, True), path["reason"]
            them.update(GOOD, NLRI)
            soon(lambda: PREFIX in n1.routes())
        assert n1.up("172.20.0.9") and not dropped(n1)


@pytest.mark.parametrize("name", ENDED)
def test_a_message_that_is_none_ends_its_session_with_the_reason_and_no_other(fabric: Fabric, name: str) -> None:
    data, reason = ENDED[name]
    n1, n2 = two(fabric)
    fabric.put(switch=peer())
    with only_this_session_suffers(n1, n2), fabric.beside(9), raw("172.20.0.9") as listening:
        listening.settimeout(30)
        with spoken(listening, n1) as them:
            them.send_bytes(data)
            soon(lambda: not n1.up("172.20.0.9"))
            soon(lambda: PREFIX not in n1.routes())
            assert reason in said_of(n1)["last_error"]
            assert reason in next(line for line in n1.log().splitlines() if '"session down"' in line)
        with spoken(listening, n1):
            assert n1.up("172.20.0.9")
