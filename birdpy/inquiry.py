"""Join: while a session that should be up is not, find out why: sample the kernel's counters, log each new reason."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping

from birdpy.diagnosis import RECENT_S, Sight, why_down
from birdpy.peers import Peer
from birdpy.state import State

EVERY_S = 5.0
PATIENCE_S = 10.0  # nobody is told of what passes by itself: a peer that restarts, a node that boots

Counters = Mapping[str, int]
Said = Callable[[Peer, str], None]


class Inquiry:
    """The counters of the last half minute. `read` gives them now, `say` is told each reason that lasts, once."""

    def __init__(self, state: State, read: Callable[[], Counters], now: Callable[[], float], say: Said) -> None:
        self._state, self._read, self._now, self._say = state, read, now, say
        self._samples: deque[tuple[float, Counters]] = deque()
        self._told: dict[str, str] = {}

    def why(self, peer: Peer) -> str:
        """Why the session is not up, as far as can be told now; "" when it is, or is held down."""
        return why_down(peer, self._sight())

    async def keep(self) -> None:
        """Look every few seconds while there is a reason to; until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            self.look()

    def look(self) -> None:
        """Take one sample, and say what has lasted."""
        down = self._down()
        if not down:
            self._samples.clear()
            self._told.clear()
            return
        now = self._now()
        self._samples.append((now, self._read()))
        while self._samples[0][0] < now - RECENT_S:
            self._samples.popleft()
        sight = self._sight()
        for peer in down:
            name, reason = peer.session.name, why_down(peer, sight)
            if now - peer.since >= PATIENCE_S and self._told.get(name) != reason:
                self._told[name] = reason
                self._say(peer, reason)
        for name in self._told.keys() - {peer.session.name for peer in down}:
            del self._told[name]

    def _down(self) -> list[Peer]:
        return [
            peer
            for peer in self._state.peers.values()
            if not peer.up and peer.session.held_down is None and peer.held_until is None
        ]

    def _sight(self) -> Sight:
        moved: dict[str, int] = {}
        if self._samples:
            (_, first), (_, last) = self._samples[0], self._samples[-1]
            moved = {name: value - first.get(name, 0) for name, value in last.items() if value > first.get(name, 0)}
        down = tuple(peer.session for peer in self._down())
        return Sight(self._state.around, moved, down, self._now())
