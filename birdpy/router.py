"""Join: follow peers, datastore and kernel; settle kernel and peers. Every task is level-triggered.

The order at the start: the datastore is listed while ExaBGP loads; our routes found in the kernel are adopted; then
sessions begin. Ending, in whatever way, changes nothing in the kernel and says no Cease to any peer.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from functools import partial

from birdpy import departure, saved
from birdpy.chronicle import Chronicle
from birdpy.config import Settings, api_servers, preferences, speaker_settings
from birdpy.finishing import may_end
from birdpy.foresight import before
from birdpy.forwarding import Forwarding
from birdpy.inquiry import Inquiry
from birdpy.leaving import Leaving, Outside
from birdpy.notes import Notes
from birdpy.orders import KINDS, concerning, orders
from birdpy.parts import Parts
from birdpy.peers import Peer, next_deadline
from birdpy.policy.changes import speaker_change
from birdpy.policy.session import Speaker
from birdpy.rib.events import Down, Event
from birdpy.stage import AWAY, Stage
from birdpy.state import State
from birdpy.story import Story
from birdpy.telling import Telling
from felixpy.daemon.lag import Lag
from felixpy.daemon.remarks import Remarks
from felixpy.datastore.follow import follow
from felixpy.kernel.counters import forwarded, read_counters
from felixpy.model.addresses import Address, Prefix, contains
from felixpy.model.errors import Unreachable
from felixpy.model.routes import LOCAL_TABLE, Route, RouteKey
from felixpy.model.snapshot import Snapshot

BURST = 500  # events taken in before the loop turns
SAVE_EVERY_S = 1.0
TRY_AGAIN_S = 1.0  # while kernel, ExaBGP or the run folder do not do what they should
END_MARGIN_S = 10.0  # the End-of-RIB is never later than this before the restart time ends


class Router:
    """One node's router; `run` until cancelled."""

    def __init__(self, settings: Settings, parts: Parts) -> None:
        self.settings, self.parts = settings, parts
        self.story = Story(parts.log)
        self.remarks = Remarks(parts.log)
        self.state = State(
            Forwarding(parts.routes, resync_s=settings.resync_s),
            Telling(parts.exabgp.advertised, parts.exabgp.advertised.sessions, resync_s=math.inf),
            api_servers(settings),
            preferences(settings),
        )
        self.chronicle = Chronicle(parts.recorder)
        self.chronicle.follow(self.state)
        self.leaving = Leaving(
            self.state,
            Outside(
                now=self.now,
                forwarded=lambda: forwarded(read_counters()),
                owing=lambda: parts.exabgp.advertised.owing(self.state.telling.sessions),
                moved=self._left,
            ),
        )
        self.inquiry = Inquiry(self.state, read_counters, self.now, self._not_up)
        self.snapshot = Snapshot()
        self.ledger = saved.load(parts.saved_at, parts.node)
        self.lag = Lag(time.monotonic())
        self.passes, self.last_pass = 0, 0.0
        self.started = self.configured = time.time()
        self._drain_at = parts.saved_at.with_name(departure.FILE_NAME)
        self._speaker_settings = speaker_settings(settings)
        self._spoke: Speaker | None = None  # the last that ExaBGP was configured to be
        self._pools: frozenset[Prefix] = frozenset()
        self._begun, self._released = asyncio.Event(), False
        self._deadline = math.inf

    async def run(self) -> None:
        """Until cancelled. A task that dies ends them all: a restart is always safe."""
        async with asyncio.TaskGroup() as tasks:
            for name, work in (
                ("follow the datastore", self._follow),
                ("settle the kernel", self._settle_kernel),
                ("configure the sessions", self._configure),
                ("hear the peers", self._hear),
                ("tell the peers", self._tell),
                ("watch the kernel", self._watch),
                ("keep time", self._keep_time),
                ("ask the neighbours", self._ask_neighbours),
                ("leave when asked to", self.leaving.keep),
                ("save who gave what", self._save),
                ("ask why sessions are down", self.inquiry.keep),
                ("note that we are here", self._be_remembered),
                ("write the history", self.parts.recorder.keep),
            ):
                tasks.create_task(work(), name=name)

    def now(self) -> float:
        """The loop's clock, on which all deadlines are."""
        return asyncio.get_running_loop().time()

    def ours(self, key: RouteKey, _route: Route) -> bool:
        """Whether a route with our protocol and metric is ours: in a pool, or written down by an earlier life."""
        if key.prefix in self.ledger or key in self.state.forwarding.settler.desired or key.table == LOCAL_TABLE:
            return True
        return any(contains(pool, key.prefix) for pool in self._pools)

    async def _follow(self) -> None:
        def lost(error: Unreachable) -> None:  # what is known stays in force
            self.story.trouble("datastore", str(error))
            self.lag.lost(self.now())

        async for snapshot in follow(self.parts.datastore, KINDS, lost):
            if not snapshot.stale:
                self.story.trouble("datastore", "")
                self.lag.heard(self.now())
            self.lag.pass_began()
            await self._take(snapshot)
            self.lag.pass_ended(self.now())

    async def _take(self, snapshot: Snapshot) -> None:
        """The datastore holds this now."""
        before, self.snapshot = concerning(self.snapshot, self.parts.node), snapshot
        self.remarks.of_all(snapshot)
        part = concerning(snapshot, self.parts.node)
        if part == before and not snapshot.stale:
            return  # another node's block or pod: they are the many
        made = orders(part, self.parts.node, self.settings.metric, self._speaker_settings)
        self._pools = made.pools
        made = await self.parts.recollection.trusted(made, snapshot)
        self.story.problems(made.problems, snapshot.problems)
        if not self._begun.is_set():
            self.parts.watch.look(self.state)
        former = self.state.orders
        heard = self.state.take(made, self.now())
        self.story.configured(heard, speaker_change(former.speaker, made.speaker) if former else None)
        await self._ask(heard.ask)
        if not self._begun.is_set():
            await self._begin()
        if not self._released and snapshot.may_erase(KINDS) and made.speaker.addresses:
            self._released = True
            if self.state.stage not in AWAY:  # the peers of a drained router speak when the drain is taken back
                self.state.touch(self.state.forwarding.wait_for(self.ledger, frozenset(self.state.peers)))

    async def _begin(self) -> None:
        """The datastore was listed for the first time: take over what an earlier life left in the kernel."""
        found = await self.parts.routes.read()
        if await self.parts.routes.migrate():
            found = await self.parts.routes.read()
        self.state.forwarding.adopt(found)
        if found:
            self.state.learning.expect(self.now())
            self.state.clock_due.mark()
        self._restarted()
        self.leaving.resume(departure.load(self._drain_at, self.parts.node))
        self.parts.log.info("router started", adopted=len(found), sessions=len(self.state.peers))
        self._begun.set()

    def _left(self, stage: Stage) -> None:
        """The drain has come to this step, or was taken back."""
        self.story.leaving(stage)
        try:
            departure.save(self._drain_at, self.parts.node, stage)
        except OSError as error:
            self.story.trouble("drain record", f"a restarted birdpy will not know of the drain: {error}")

    def _restarted(self) -> None:
        """We have just begun, or our ExaBGP has: from now on the peers keep what they have of us for a while."""
        restart_s = min((peer.session.graceful_restart_s for peer in self.state.peers.values()), default=0)
        self._deadline = self.now() + max(restart_s - END_MARGIN_S, 0)

    async def _settle_kernel(self) -> None:
        await self._begun.wait()
        settler = self.state.forwarding.settler

        async def one_pass() -> None:
            outcome = await self.state.forwarding.settle(self.now(), may_erase=True)
            self.passes, self.last_pass = self.passes + 1, time.time()
            self.story.kernel(outcome)
            self.story.contested([key for key, it in settler.troubles(self.now()) if it.contested])
            self.state.settled()
            if self.state.around.force_onlink(outcome):
                self.state.look()

        again_at = 0.0
        while True:
            await self.state.kernel_due.wait(max(settler.due_at(), again_at))
            again_at = 0.0 if await self._patiently("kernel", one_pass) else self.now() + TRY_AGAIN_S

    async def _configure(self) -> None:
        await self._begun.wait()

        async def one_pass() -> None:
            speaker = self.state.speaker()
            if speaker is not None and not speaker.addresses and self._spoke is not None:
                ground = self._spoke  # our Node is gone: what is left of the sessions ends where they began
                speaker = replace(ground, sessions=speaker.sessions)
            if speaker is not None and speaker.addresses:  # without a Node of ours there is nothing to listen on
                self._spoke = speaker
                self.state.left_out = await self.parts.exabgp.configure(speaker)
                self.configured = time.time()

        again_at = math.inf
        while True:
            await self.state.sessions_due.wait(again_at)
            again_at = math.inf if await self._patiently("sessions", one_pass) else self.now() + TRY_AGAIN_S

    async def _hear(self) -> None:
        async for events in self.parts.exabgp.events():
            for start in range(0, len(events), BURST):
                await self._heard(events[start : start + BURST])
                await asyncio.sleep(0)

    async def _heard(self, events: list[Event]) -> None:
        await before(events, self.state, self.parts.routes.nexthops, self.now())
        heard = self.state.hear(events, self.now())
        self.story.peers(heard, self.state.peers)
        if any(isinstance(event, Down) and event.ours for event in events):
            self._restarted()
        await self._ask(heard.ask)

    def _not_up(self, peer: Peer, reason: str) -> None:
        self.story.not_up(peer, reason)
        self.chronicle.session("not up", peer, reason)

    async def _ask(self, addresses: Iterable[Address]) -> None:
        """Have these peers say everything again (RFC 2918)."""
        for address in addresses:
            families = sorted(self.state.peers[address].session.families)
            await self._patiently("refresh", partial(self.parts.exabgp.refresh, address, families))

    async def _tell(self) -> None:
        await self._begun.wait()
        advertised = self.parts.exabgp.advertised

        async def one_pass() -> None:
            sessions = dict(self.state.telling.sessions)
            outcome = await self.state.telling.settle(self.now())
            self.story.told(outcome)
            self.state.answered(outcome)
            ready = {a: n for a, n in sessions.items() if may_end(self.state, a, late=self.now() >= self._deadline)}
            if advertised.owing(ready):
                self.story.ended(await advertised.end_of_rib(ready))

        again_at = 0.0
        while True:
            await self.state.peers_due.wait(max(self._tell_again_at(), again_at))
            again_at = 0.0 if await self._patiently("peers", one_pass) else self.now() + TRY_AGAIN_S

    def _tell_again_at(self) -> float:
        owing = self.parts.exabgp.advertised.owing(self.state.telling.sessions)
        later = self._deadline if owing and self._deadline > self.now() else math.inf
        return min(self.state.telling.settler.due_at(), later)

    async def _watch(self) -> None:
        await self._begun.wait()
        async for burst in self.parts.watch.events:
            await self.parts.watch.notice(burst, self.state, self.now())
            self.story.failing(self.parts.nearby.among(self.state.around.failed))

    async def _keep_time(self) -> None:
        await self._begun.wait()
        while True:
            times = [t for peer in self.state.peers.values() if (t := next_deadline(peer)) is not None]
            await self.state.clock_due.wait(min(times, default=math.inf))
            self.story.back(self.state.keep_time(self.now()))

    async def _ask_neighbours(self) -> None:
        await self._begun.wait()
        await self.parts.nearby.keep(self.state, self.story, self.parts.exabgp.redial)

    async def _save(self) -> None:
        await self._begun.wait()
        notes = Notes(self.state, saved.Book(self.parts.saved_at, self.parts.node))
        while True:
            await notes.due()
            if self._released and self.state.stage not in AWAY:  # cleanup needs to know them
                await self._patiently("saved state", notes.write)
            await asyncio.sleep(SAVE_EVERY_S)

    async def _be_remembered(self) -> None:
        await self._begun.wait()
        await self.parts.recollection.keep(lambda: None if self.state.stage in AWAY else self.snapshot)

    async def _patiently(self, what: str, work: Callable[[], Awaitable[None]]) -> bool:
        """Do `work`; when the other side is not there, say so once. Whether it was done."""
        try:
            await work()
        except (Unreachable, OSError) as error:
            self.story.trouble(what, str(error))
            return False
        self.story.trouble(what, "")
        return True
