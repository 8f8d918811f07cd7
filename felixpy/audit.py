"""Join: `felixpy check` as a loop, in the one agent that is elected: what it can see without asking another node.

That is everything the datastore shows (owners, books, reflectors) and this node's own kernel. A violation counts when
two looks have shown it, is one line of log and, on Kubernetes, an Event, and stands in the metrics until it is gone.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from felixpy.answers import endpoints_of
from felixpy.datastore.duties import EventLog, Said
from felixpy.datastore.source import Datastore
from felixpy.ipam.reading import read_all
from felixpy.model.errors import Trouble
from felixpy.model.facts import NodeFacts
from felixpy.model.resources import BGPConfiguration

if TYPE_CHECKING:
    from felixpy.insight.invariants import Violation
    from felixpy.ipam.usage import PoolUse
    from felixpy.process import Hosted

AGAIN_S = 2.0  # between the two looks: what somebody is just doing is over by then
TOLD = 20  # violations of one look that are told one by one


@dataclass(slots=True)
class Audited:
    """What the last look saw; nothing while another agent is elected."""

    at: float | None = None  # Unix seconds
    took_s: float = 0.0  # without the wait between the two looks
    violations: Counter[str] = field(default_factory=Counter)  # by invariant
    pools: "tuple[PoolUse, ...]" = ()


class Audit:
    """Looks at `store`, everybody's, and at the node of `hosted`, and keeps what it saw in `hosted.audited`."""

    def __init__(self, store: Datastore, hosted: "Hosted", again_s: float = AGAIN_S) -> None:
        self._store, self._hosted, self._again_s = store, hosted, again_s
        self._told: set[tuple[str, str, str]] = set()

    def forget(self) -> None:
        """Another one is elected, or this one anew: what it says from now on is its own."""
        self._told.clear()
        audited = self._hosted.audited
        audited.at, audited.pools = None, ()
        audited.violations.clear()

    async def look(self) -> None:
        """One look, and a second one when the first shows something. Trouble when the datastore does not answer."""
        began = time.monotonic()
        found, pools = await self._seen()
        took_s = time.monotonic() - began
        if found:
            await asyncio.sleep(self._again_s)
            again = {_key(it) for it in (await self._seen())[0]}
            found = [it for it in found if _key(it) in again]
        audited = self._hosted.audited
        audited.at, audited.took_s, audited.pools = time.time(), took_s, pools
        audited.violations = Counter(it.invariant for it in found)
        await self._tell(found)

    async def _seen(self) -> "tuple[list[Violation], tuple[PoolUse, ...]]":
        from felixpy.insight.invariants import violations
        from felixpy.insight.view import NetworkView, NodeView
        from felixpy.ipam.usage import pool_uses

        snapshot = (await read_all(self._store)).after(await self._store.list(BGPConfiguration))
        node, grace_s = self._hosted.settings.node, self._hosted.settings.leak_grace_s
        facts = await asyncio.to_thread(_facts, node)
        here = NodeView(node, facts, endpoints_of(self._hosted.agent))
        now = time.time()
        # In a thread: with many blocks this takes seconds, and pods are attached meanwhile.
        found = await asyncio.to_thread(violations, NetworkView({node: here}, snapshot), now, grace_s)
        return found, await asyncio.to_thread(pool_uses, snapshot, now)

    async def _tell(self, found: "Collection[Violation]") -> None:
        log, now = self._hosted.log, {_key(it): it for it in found}
        fresh = [it for key, it in now.items() if key not in self._told]
        gone = len(self._told - now.keys())
        self._told = set(now)
        for it in fresh[:TOLD]:
            log.warning("invariant violated", invariant=it.invariant, subject=it.subject, proof=it.proof, fix=it.fix)
        if gone or len(fresh) > TOLD:
            log.info("violations changed", standing=len(now), gone=gone, untold=max(0, len(fresh) - TOLD))
        if isinstance(self._hosted.datastore, EventLog):
            await self._write(events(fresh, Counter(it.invariant for it in found)), self._hosted.datastore)

    async def _write(self, said: Collection[Said], cluster: EventLog) -> None:
        """A right or a server that is not there costs the Events, never the look."""
        for one in said:
            try:
                await cluster.say(self._hosted.settings.node, one)
            except Trouble as error:
                self._hosted.log.warning("event not written", reason=str(error))
                return


def events(fresh: "Collection[Violation]", standing: Counter[str]) -> list[Said]:
    """One Event for each invariant with something new: however much is wrong, there are eight at most."""
    first: dict[str, Violation] = {}
    for it in fresh:
        first.setdefault(it.invariant, it)
    return [
        Said("InvariantViolated", f"{name}: {standing[name]} found; {it.subject}: {it.proof}. Fix: {it.fix}")
        for name, it in first.items()
    ]


def _key(it: "Violation") -> tuple[str, str, str]:
    return it.invariant, it.subject, it.node


def _facts(node: str) -> NodeFacts:
    from felixpy.kernel.facts import read_facts

    return read_facts(node)
