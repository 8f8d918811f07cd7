"""Whatever dies, and in whatever order answers and events arrive: peers end up with exactly what they should hear.

ExaBGP is modelled with its races: commands wait in it while sessions end and begin, a command that comes after the
end of a session is kept for the next one, and answers share one stream with the events.
"""

import asyncio
import re
from collections import deque
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from birdpy.exabgp.advertised import AdvertisedTable, _Peer
from birdpy.exabgp.commands import Commands
from birdpy.rib.advertisement import Advertisement, AdvertisementKey
from birdpy.rib.path import Attributes, OriginCode
from felixpy.model.addresses import Address
from felixpy.model.errors import Unreachable
from felixpy.reconcile.table import reconcile

PEERS = [ip_address("10.0.0.2"), ip_address("10.0.0.3")]
PREFIXES = [ip_network(f"10.65.0.{i * 64}/26") for i in range(3)]
COMMAND = re.compile(r"((?:neighbor \S+, )*neighbor \S+) (announce|withdraw) attributes (.*) nlri (.*)")


@dataclass
class Model:
    """ExaBGP and the peers behind it."""

    up: dict[Address, bool] = field(default_factory=lambda: dict.fromkeys(PEERS, False))
    kept: dict[Address, dict[str, str]] = field(default_factory=lambda: {p: {} for p in PEERS})  # of the session
    waiting: deque[str] = field(default_factory=deque)
    stream: deque[tuple[str, Address | None]] = field(default_factory=deque)

    def write(self, data: bytes) -> None:
        self.waiting += data.decode().splitlines()

    def work(self) -> None:
        """Carry out one command."""
        if self.waiting:
            found = COMMAND.fullmatch(self.waiting.popleft())
            assert found is not None
            for peer in re.findall(r"neighbor ([^\s,]+)", found[1]):
                for prefix in found[4].split():
                    if found[2] == "announce":
                        self.kept[ip_address(peer)][prefix] = found[3].rpartition("med ")[2]
                    else:
                        self.kept[ip_address(peer)].pop(prefix, None)
            self.stream.append(("done", None))

    def flip(self, peer: Address) -> None:
        """A session begins or ends; at its end nothing of it is left."""
        self.up[peer] = not self.up[peer]
        if not self.up[peer]:
            self.kept[peer].clear()
        self.stream.append(("up" if self.up[peer] else "down", peer))


class World:
    """The table over the model; `wanted` is what all peers should hear."""

    def __init__(self) -> None:
        self.table = AdvertisedTable()
        self.wanted: dict[int, int] = {}  # prefix number to MED
        self.passes: list[asyncio.Task[None]] = []
        self.start()

    def start(self) -> None:
        """A new ExaBGP."""
        self.model = Model()
        self.commands = Commands(self.model.write, lambda: None)
        self.table.ready(self.commands)

    def desired(self) -> dict[AdvertisementKey, Advertisement]:
        wanted = {}
        for peer in self.table.sessions():
            for number, med in self.wanted.items():
                key = AdvertisementKey(peer, PREFIXES[number])
                wanted[key] = Advertisement(key, ip_address("10.0.0.1"), Attributes(OriginCode.IGP, med=med))
        return wanted

    async def one_pass(self) -> None:
        try:
            await reconcile(self.desired(), self.table, may_erase=True)
        except Unreachable:
            return

    def deliver(self) -> None:
        """One answer or event reaches birdpy."""
        if self.model.stream:
            what, peer = self.model.stream.popleft()
            if peer is None:
                self.commands.heard(b"done")
            elif what == "up":
                self.table.session_up(peer, frozenset({4}))
            else:
                self.table.session_down(peer)

    async def step(self, kind: str, number: int) -> None:
        if kind == "want":
            self.wanted[number % 3] = number
        elif kind == "unwant":
            self.wanted.pop(number % 3, None)
        elif kind == "flip":
            self.model.flip(PEERS[number % 2])
        elif kind == "work":
            self.model.work()
        elif kind == "deliver":
            self.deliver()
        elif kind == "pass" and all(task.done() for task in self.passes):
            self.passes.append(asyncio.create_task(self.one_pass()))
        elif kind == "die":
            self.commands.end()
            self.start()
        for _ in range(4):
            await asyncio.sleep(0)

    async def settle(self) -> None:
        """Everything under way arrives, all sessions are up, and passes run until nothing is left to do."""
        for peer in PEERS:
            if not self.model.up[peer]:
                self.model.flip(peer)
        for _ in range(3):
            task = asyncio.create_task(self.one_pass())
            while not task.done() or self.model.stream or self.model.waiting:
                self.model.work()
                self.deliver()
                await asyncio.sleep(0)


STEPS = st.lists(
    st.tuples(st.sampled_from(["want", "unwant", "flip", "work", "deliver", "pass", "die"]), st.integers(0, 8)),
    max_size=40,
)


Heard = dict[Address, dict[str, str]]


def told(story: list[tuple[str, int]]) -> tuple[Heard, Heard]:
    """What the peers have after `story` and once everything has settled, and what they should have."""

    async def body() -> tuple[Heard, Heard]:
        world = World()
        for kind, number in story:
            await world.step(kind, number)
        await world.settle()
        assert await world.table.read() == world.desired()
        expected = {str(PREFIXES[number]): str(med) for number, med in world.wanted.items()}
        return world.model.kept, dict.fromkeys(PEERS, expected)

    return asyncio.run(body())


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_after_any_story_every_peer_has_exactly_what_it_should(story: list[tuple[str, int]]) -> None:
    heard, expected = told(story)
    assert heard == expected


def test_a_table_that_trusts_an_ended_session_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Peer, "doubt", lambda _: None)
    first = [("want", 1), ("flip", 0), ("deliver", 0), ("pass", 0), ("work", 0), ("deliver", 0)]
    heard, expected = told([*first, ("flip", 0), ("deliver", 0), ("flip", 0), ("deliver", 0)])
    assert heard != expected
