"""Hours of virtual time on the simulator: sessions that break and come back, routers that crash, messages that take
their time. `python -m tests.laws.simulator.day HOURS SEED` prints what happened and how long it took.
"""

import heapq
import itertools
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from random import Random

from felixpy.model.addresses import Address
from tests.laws.simulator.network import Network, block_of

HOUR_S = 3600.0
BREAK_S, MEND_S = 600.0, 60.0  # a session breaks every ten minutes on average, for a minute
CRASH_S = 3600.0  # a router crashes every hour
LATENCY_S = (0.0005, 0.5)  # of one message
LOOK_S = 30.0  # between two looks at all tables
QUIET_S = 5.0  # after which everything must be as if nothing had ever happened


@dataclass
class Day:
    """A network with a clock of its own."""

    net: Network
    chance: Random
    now: float = 0.0
    calm_since: float = 0.0  # the last time a session or a router changed its state
    seen: Counter[str] = field(default_factory=Counter)
    _due: list[tuple[float, int, str, tuple[Address, ...]]] = field(default_factory=list)
    _order: "itertools.count[int]" = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.pairs = list(itertools.combinations(self.net.routers, 2))
        for pair in self.pairs:
            self.net.connect(*pair)
            self.after(self.chance.expovariate(1 / BREAK_S), "break", *pair)
        for address in self.net.routers:
            self.after(self.chance.expovariate(1 / CRASH_S), "crash", address)
        self.after(LOOK_S, "look")
        self.say()

    def after(self, seconds: float, what: str, *whom: Address) -> None:
        heapq.heappush(self._due, (self.now + seconds, next(self._order), what, whom))

    def run(self, hours: float) -> None:
        """Let so much time pass. AssertionError on a loop, and on a block that is not reached when all is calm."""
        end = self.now + hours * HOUR_S
        while self._due[0][0] <= end:
            self.now, _, what, whom = heapq.heappop(self._due)
            self.seen[what] += 1
            getattr(self, what.replace("break", "broken"))(*whom)
        self.now = end

    def broken(self, one: Address, other: Address) -> None:
        self.changed()
        self.net.cut(one, other)
        self.after(self.chance.expovariate(1 / MEND_S), "mend", one, other)
        self.say()

    def mend(self, one: Address, other: Address) -> None:
        self.changed()
        self.net.connect(one, other)
        self.after(self.chance.expovariate(1 / BREAK_S), "break", one, other)
        self.say()

    def crash(self, address: Address) -> None:
        """It is back at once, knowing nothing, and its sessions one by one."""
        self.changed()
        self.net.crash(address)
        for other in self.net.routers:
            if other != address:
                self.after(self.chance.uniform(1, 10), "back", address, other)
        self.after(self.chance.expovariate(1 / CRASH_S), "crash", address)
        self.say()

    def back(self, one: Address, other: Address) -> None:
        """As far as the session is not broken by then for a reason of its own."""
        pair = (one, other) if (one, other) in self.pairs else (other, one)
        if not any(what == "mend" and whom == pair for _, _, what, whom in self._due):
            self.changed()
            self.net.connect(one, other)
            self.say()

    def changed(self) -> None:
        self.calm_since = self.now

    def say(self) -> None:
        """All routers say what they have to; each message arrives in its own time, in order on each wire."""
        for address in self.net.routers:
            before = {wire: len(queue) for wire, queue in self.net.wires.items()}
            self.net.speak(address)
            for wire, queue in self.net.wires.items():
                for _ in range(len(queue) - before.get(wire, 0)):
                    self.after(self.chance.uniform(*LATENCY_S), "arrive", *wire)

    def arrive(self, sender: Address, receiver: Address) -> None:
        """The oldest message of the wire, unless the wire was cut meanwhile."""
        if self.net.wires.get((sender, receiver)):
            self.net.deliver((sender, receiver))
            self.say()

    def look(self) -> None:
        """A loop is never right once messages had the time to arrive; a hole only while something is broken."""
        self.after(LOOK_S, "look")
        if self.now - self.calm_since < QUIET_S:
            return
        whole = not any(what in ("mend", "back") for _, _, what, _ in self._due)
        for start in self.net.routers:
            for number, home in enumerate(self.net.routers, 1):
                reached = self.net.trace(start, block_of(number))[-1]  # AssertionError on a loop
                assert reached == home or not whole, f"{start} does not reach {home} after {self.now:.0f} s"
        self.seen["whole" if whole else "broken"] += 1


if __name__ == "__main__":
    from tests.laws.test_reflection_laws import TOPOLOGIES, network

    hours, seed = float(sys.argv[1]), int(sys.argv[2])
    for shape, snapshot in TOPOLOGIES.items():
        began = time.perf_counter()
        day = Day(network(snapshot), Random(f"{seed} {shape}"))
        day.run(hours)
        took = time.perf_counter() - began
        told = ", ".join(f"{count} {what}" for what, count in sorted(day.seen.items()))
        print(f"{shape}: {hours:g} virtual hours in {took:.1f} s: {told}", flush=True)
