"""The run: a fault, until the lab has converged; what was lost meanwhile; the next one. Join.

A fault is blamed for everything that is lost from its beginning to the beginning of the next one.
"""

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from tests.chaos import kernels
from tests.chaos.strike import ENDLESS, Fault, Strike
from tests.chaos.witnesses import TICK_S, Witnesses
from tests.chaos.world import NODES, OUTSIDE, PODS, World

LOOK_S = 0.25
CALM_TICKS = 30  # without a loss, and answered so long ago that an answer would be here
SETTLE_S = 90.0  # what does not converge in this time will not
PAUSE_S = 0.5
AT_START_S = 120.0
OUT = "outside"


@dataclass(slots=True)
class Guard:
    """The thread that looks at all kernels, all the time."""

    world: World
    wrong: list[str] = field(default_factory=list)  # found in two looks, one after the other
    lost: list[str] = field(default_factory=list)
    single: list[str] = field(default_factory=list)
    looked: float = 0.0  # when the last look began
    looks: int = 0
    _before: set[str] = field(default_factory=set)
    _end: bool = False
    _error: BaseException | None = None
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._end = True
        if self._thread:
            self._thread.join()

    def _run(self) -> None:
        try:
            while not self._end:
                self._look()
                time.sleep(LOOK_S)
        except BaseException as error:
            self._error = error

    def _look(self) -> None:
        began = time.monotonic()
        seen = kernels.look(self.world.sockets())
        wrong, lost = kernels.faults(seen, self.world.homes(), frozenset(NODES) & frozenset(seen.tables))
        self.wrong += [text for text in wrong if text in self._before]
        self._before = set(wrong)
        both = {name: table.single() for name, table in seen.tables.items() if name in (*NODES, "rr")}
        self.single = [name for name, routes in both.items() if routes]
        self.lost, self.looked, self.looks = lost, began, self.looks + 1

    def check(self) -> None:
        """Raise what ended the thread."""
        if self._error is not None:
            raise RuntimeError("the kernels can no longer be looked at") from self._error


@dataclass(slots=True)
class Outcome:
    """What one fault did."""

    fault: str
    what: str
    lost_ms: float = 0.0  # of the worst direction of a pair
    converged_s: float = 0.0
    troubles: list[str] = field(default_factory=list)  # safety and loss
    late: list[str] = field(default_factory=list)  # slower than its limit
    load: float = 0.0


@dataclass(slots=True)
class Run:
    """One run, with its lab and its witnesses."""

    world: World
    witnesses: Witnesses
    guard: Guard
    lenient: float = 1.0  # what limits other than 0 are multiplied with
    outcomes: list[Outcome] = field(default_factory=list)

    def begin(self) -> float:
        """Everybody pings everybody, and nothing is lost any more; how long that took."""
        for pod in PODS.values():
            self.join(pod)
        self.witnesses.ask("join", who=OUT, netns=f"/proc/{self.world.lab.node('out').pid}/ns/net", address=OUTSIDE)
        self.guard.start()
        waited, why = self.settle(AT_START_S)
        assert not why, f"the lab does not come up in {AT_START_S:.0f} s: {why}"
        return waited

    def join(self, pod: str) -> None:
        self.witnesses.ask("join", who=pod, netns=self.world.netns_of(pod), address=self.world.pods[pod])

    def settle(self, limit_s: float, *, sessions: bool = True) -> tuple[float, list[str]]:
        """Wait until all is well: the seconds that took, and what is still not well at the limit."""
        began = time.monotonic()
        while True:
            self.guard.check()
            now = time.monotonic()
            why = self.unwell(began, sessions=sessions)
            if not why:
                return now - began, []
            if now - began > limit_s:
                return now - began, why
            time.sleep(0.1)

    def unwell(self, since: float, *, sessions: bool) -> list[str]:
        """What is not well now, judged by a look that began after `since`."""
        if self.guard.looked <= since:
            return ["not looked yet"]
        if self.guard.lost:
            return self.guard.lost[:5]
        tick = self.witnesses.now()
        lost = self.witnesses.lost(tick - 2 * CALM_TICKS, tick - CALM_TICKS)
        if lost:
            return [f"pings {a} to {b} are lost" for a, b in lost][:5]
        if sessions:
            return self.world.unready() or [f"{name} has a single way somewhere" for name in self.guard.single]
        return []

    def strike(self, fault: Fault, chance: Random) -> Outcome:
        """One fault, from its beginning until all is well again and its losses are counted."""
        first, wrong = self.witnesses.now(), len(self.guard.wrong)
        strike = fault.make(self.world, chance)
        outcome = Outcome(fault.name, strike.what)
        self.outcomes.append(outcome)
        for pod in strike.gone:
            self.witnesses.ask("leave", who=pod)
        if strike.hold_s:
            time.sleep(strike.hold_s)
        strike.heal()
        took, why = self.settle(SETTLE_S, sessions=False) if strike.gone else (0.0, [])
        for pod in strike.gone:
            self.join(pod)
        rest, why = self.settle(SETTLE_S)
        if strike.linger_s:
            time.sleep(strike.linger_s)
            _, why = self.settle(SETTLE_S)
        outcome.converged_s, outcome.load = took + rest, os.getloadavg()[0]
        time.sleep(PAUSE_S)
        self.judge(outcome, strike, first, why)
        outcome.troubles += self.guard.wrong[wrong:]
        return outcome

    def judge(self, outcome: Outcome, strike: Strike, first: int, why: Sequence[str]) -> None:
        """Compare what was lost, and how long it took, with what the fault's class allows."""
        last = self.witnesses.now() - CALM_TICKS
        limit = strike.within_s * self.lenient
        if why:
            outcome.troubles.append(f"not converged after {SETTLE_S:.0f} s: {'; '.join(why)}")
        elif outcome.converged_s > limit:
            outcome.late.append(f"converged in {outcome.converged_s:.1f} s, limit {limit:.0f} s")
        nodes = {pod: node for node, pod in PODS.items()} | {OUT: "out"}
        for (source, target), count in self.witnesses.lost(first, last).items():
            lost = count * TICK_S * 1000
            outcome.lost_ms = max(outcome.lost_ms, lost)
            allowed = ENDLESS if {source, target} & set(strike.gone) else strike.allowed(nodes[source], nodes[target])
            allowed *= self.lenient
            if lost > allowed:
                kind = outcome.troubles if not allowed else outcome.late
                kind.append(f"{source} to {target}: {lost:.0f} ms lost, limit {allowed:.0f} ms")
