"""How a daemon ends: SIGTERM and SIGINT stop it once, in order; they change nothing in the kernel."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

STOPPING = (signal.SIGTERM, signal.SIGINT)


async def run_until_signal(work: Coroutine[Any, Any, None]) -> str:
    """Run `work` until it ends or a signal comes, which cancels it; the signal's name, or "" when it ended itself.

    `work` may clean up on CancelledError (close sockets, drain). A second signal ends the process at once, as by
    default. What `work` raises is raised here.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(work, name="the daemon")
    received: list[str] = []

    def stop(number: signal.Signals) -> None:
        received.append(number.name)
        for other in STOPPING:
            loop.remove_signal_handler(other)
        task.cancel()

    for number in STOPPING:
        loop.add_signal_handler(number, stop, number)
    try:
        await task
    except asyncio.CancelledError:
        if not received:
            raise
    finally:
        for number in STOPPING:
            loop.remove_signal_handler(number)
    return received[0] if received else ""
