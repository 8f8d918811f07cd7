"""What allocation goes by, kept up with the datastore so that no ADD reads it anew."""

import asyncio
from contextlib import aclosing

from felixpy.datastore.follow import follow
from felixpy.datastore.source import Datastore
from felixpy.desired.state import felix_configuration
from felixpy.ipam.pools import Rules, rules_of
from felixpy.model.errors import Unreachable
from felixpy.model.resources import FelixConfiguration, IPAMConfig, IPPool, IPReservation, Node, Spec
from felixpy.model.snapshot import Snapshot

KINDS: tuple[type[Spec], ...] = (IPPool, IPAMConfig, IPReservation, Node, FelixConfiguration)
RETRY_S = 1.0
FIRST_LIST_S = 5.0  # how long an ADD waits for the first listing


class Facts:
    """Pools, reservations, configuration and this node's labels, as they are now."""

    def __init__(self, store: Datastore, node: str) -> None:
        self._store, self._node = store, node
        self._snapshot = Snapshot()
        self._known = asyncio.Event()

    async def run(self) -> None:
        """Follow the datastore until cancelled; while it is away the last state stands."""
        while True:
            try:
                async with aclosing(follow(self._store, KINDS)) as snapshots:  # type: ignore[type-var]
                    async for snapshot in snapshots:
                        self._take(snapshot)
            except Unreachable:
                await asyncio.sleep(RETRY_S)

    async def rules(self) -> Rules:
        """What this node may allocate from. Unreachable when the datastore has not answered once."""
        try:
            async with asyncio.timeout(FIRST_LIST_S):
                await self._known.wait()
        except TimeoutError:
            raise Unreachable(f"{self._store.target} has not been listed yet") from None
        return rules_of(self._snapshot, self._node)

    async def refresh(self) -> None:
        """Read everything now: somebody may have added a pool a moment ago."""
        snapshot = Snapshot()
        for kind in KINDS:
            snapshot = snapshot.after(await self._store.list(kind))
        self._take(snapshot)

    def interface_prefix(self) -> str:
        """How names of host interfaces begin: the first of FelixConfiguration's."""
        return self._configuration().interface_prefix.partition(",")[0].strip() or "cali"

    def mtu_pattern(self) -> str:
        """Which uplinks decide the pods' MTU."""
        return self._configuration().mtu_iface_pattern

    def _configuration(self) -> FelixConfiguration:
        return felix_configuration(self._snapshot.of(FelixConfiguration), self._node)

    def _take(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._known.set()
