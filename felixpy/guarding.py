"""Join: what the agent keeps besides its tables: the IPv6 source check, and connections of addresses that left."""

import asyncio

from felixpy.agent import Agent
from felixpy.kernel import conntrack, guard
from felixpy.model.addresses import family
from felixpy.model.errors import Refused, Unreachable

RETRY_S = 60.0  # after nft failed


def wanted_guard(agent: Agent) -> guard.Guard | None:
    """The source check for the pods of this node; None while none of them has an IPv6 address."""
    served = agent.state.endpoints.served
    if not agent.here.ipv6 or not any(family(address) == 6 for it in served for address in it.addresses):
        return None
    return guard.Guard(agent.here.prefixes, frozenset(it.device for it in served if it.spoofs))


async def keep_guard(agent: Agent) -> None:
    """Keep the check in force: when the pods change, and every resync period. IPv4 has rp_filter for this."""
    while True:
        wanted = wanted_guard(agent)
        wait_s: float | None = None
        if wanted is not None:
            wait_s = agent.around.holdings.resync_s
            try:
                if await guard.read() != wanted:
                    await guard.write(wanted)
                    agent.around.log.info(
                        "source check written", prefixes=wanted.prefixes, exempt=sorted(wanted.exempt)
                    )
                agent.conditions.pop("SourceCheckMissing", None)
            except (Refused, Unreachable) as error:
                wait_s = RETRY_S
                if "SourceCheckMissing" not in agent.conditions:
                    agent.around.log.warning("source check not written", reason=str(error))
                agent.conditions["SourceCheckMissing"] = f"IPv6 sources of pods are not checked: {error}"
        await _changed(agent, wanted, wait_s)


async def _changed(agent: Agent, known: guard.Guard | None, wait_s: float | None) -> None:
    """Wait until another check is wanted, or until it is time to look at the one in force."""
    loop = asyncio.get_running_loop()
    end = None if wait_s is None or wait_s == float("inf") else loop.time() + wait_s
    try:
        async with asyncio.timeout_at(end):
            while wanted_guard(agent) == known:
                await agent.passed.wait()
    except TimeoutError:
        return


async def forget_connections(agent: Agent) -> None:
    """Let the kernel forget the connections of addresses that left a pod: the next pod must not inherit them.

    In a thread: the kernel walks its whole table of connections.
    """
    agent.local.forgets(agent.left.join)
    while True:
        address = await agent.left.get()
        try:
            await asyncio.to_thread(conntrack.forget, address)
        except Refused as error:
            agent.around.log.warning("connections not forgotten", address=str(address), reason=error.reason)
        finally:
            agent.left.task_done()
