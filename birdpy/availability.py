"""Join: when pods may be sent to this node: its network is there. Said once, by clearing NetworkUnavailable."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from birdpy.orders import KINDS
from felixpy.daemon.logs import Log
from felixpy.datastore.duties import Duties
from felixpy.model.errors import Trouble

if TYPE_CHECKING:
    from birdpy.router import Router

WAIT_S = 60.0  # for a session to come up: a cluster whose peers are all away must still start
LOOK_S = 0.5
RETRY_S = 10.0


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the router is."""

    in_sync: bool  # with a datastore that answers
    peers: int
    up: int


def standing(router: "Router") -> Standing:
    """How far `router` is: what the cluster holds was listed, and the kernel brought to it once."""
    in_sync = router.passes > 0 and router.snapshot.in_sync(KINDS) and not router.snapshot.stale
    return Standing(in_sync, len(router.state.peers), len(router.state.up))


def is_available(standing: Standing, waited_s: float) -> bool:
    """In sync, and one session up, or nobody to have one with, or long enough waited for."""
    return standing.in_sync and (not standing.peers or standing.up > 0 or waited_s >= WAIT_S)


async def say_available(datastore: object, node: str, now: Callable[[], Standing], log: Log) -> None:
    """Wait until it is so and say it; at once where nobody asks."""
    if not isinstance(datastore, Duties):
        return
    begun = asyncio.get_running_loop().time()
    while not is_available(now(), asyncio.get_running_loop().time() - begun):  # noqa: ASYNC110 (once, at start)
        await asyncio.sleep(LOOK_S)
    told = ""
    while True:
        try:
            if await datastore.network_up(node):
                log.info("network said to be available", sessions=now().up)
        except Trouble as error:
            if str(error) != told:
                log.warning("network not said to be available", reason=str(error))
            told = str(error)
            await asyncio.sleep(RETRY_S)
        else:
            return
