"""Join: the agent's process: what it is made of, and how it starts and ends."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from felixpy.addressing import keep_address
from felixpy.agent import Agent
from felixpy.answers import Answers
from felixpy.audit import Audited
from felixpy.chronicle import Chronicle
from felixpy.cni.calls import Calls
from felixpy.config import Settings
from felixpy.daemon import paths
from felixpy.daemon.logs import Log, make_log
from felixpy.daemon.metrics import Asked, serve_metrics
from felixpy.daemon.pidfile import claim, claim_namespace
from felixpy.daemon.signals import run_until_signal
from felixpy.daemon.status import serve
from felixpy.datastore.beside import refuse_beside_calico
from felixpy.datastore.duties import Duties
from felixpy.datastore.kubernetes.places import Scope
from felixpy.datastore.open import open_datastore
from felixpy.datastore.source import Datastore
from felixpy.desired.state import Circumstances
from felixpy.guarding import forget_connections, keep_guard
from felixpy.history.recorder import Recorder, place_of
from felixpy.local import LocalEndpoints
from felixpy.metered import measured
from felixpy.model.errors import Trouble, Unreachable, Usage
from felixpy.model.metrics import Measured
from felixpy.pools import asked_pools, first_pools
from felixpy.surroundings import KernelSide, has_ipv6

KNOWN = "known-to-felixpy"  # folders of what is known of the datastore
RETRY_S = 5.0  # while the datastore does not answer


@dataclass(frozen=True, slots=True)
class Hosted:
    """What a part gets that runs inside the agent's process: the CNI server."""

    settings: Settings
    datastore: Datastore
    local: LocalEndpoints
    agent: Agent
    run_dir: Path
    state_dir: Path
    log: Log
    calls: Calls = field(default_factory=Calls)
    audited: Audited = field(default_factory=Audited)


Part = Callable[[Hosted], Coroutine[Any, Any, None]]  # runs until cancelled; when it ends with an error, all end


def serve_agent(settings: Settings, parts: Sequence[Part] = ()) -> None:
    """Run the agent until a signal ends it; nothing in the kernel changes by that.

    Usage and Trouble before anything is touched: no node name, no datastore, another agent here.
    """
    if not settings.node or "/" in settings.node or settings.node.split() != [settings.node]:
        raise Usage(f"the node's name is {settings.node!r}: give --node NAME or set FELIXPY_NODE")
    asked_pools(settings.ipv4_pool, settings.ipv6_pool)
    run_dir = Path(settings.run_dir) if settings.run_dir else paths.run_dir()
    state_dir = Path(settings.state_dir) if settings.state_dir else paths.state_dir()
    scope = Scope(settings.node, everyone=False, keep=(state_dir / KNOWN, run_dir / KNOWN))
    datastore = open_datastore(settings.datastore or None, settings.lab or None, scope)
    held = claim(run_dir / "felixpy.pid", "felixpy")
    log = make_log("felixpy", level=settings.log_level, node=settings.node)
    try:
        alone = claim_namespace(f"felixpy.routes.{settings.protocol}", "felixpy")
        log.info("agent started", datastore=datastore.target)
        work = _work(settings, datastore, parts, Folders(run_dir, state_dir), log)
        received = asyncio.run(run_until_signal(work))
        log.info("agent stopped", signal=received)
        alone.close()
    finally:
        held.release()


@dataclass(frozen=True, slots=True)
class Folders:
    """Where this process keeps things."""

    run: Path
    state: Path


async def _work(settings: Settings, datastore: Datastore, parts: Sequence[Part], folders: Folders, log: Log) -> None:
    async with AsyncExitStack() as stack:
        stack.push_async_callback(datastore.close)
        kernel = KernelSide(settings)
        stack.callback(kernel.close)
        agent = Agent(Circumstances(settings.node, kernel_has_ipv6=has_ipv6()), kernel.around(datastore, log))
        kernel.agent = agent
        answers = Answers(agent, kernel.reader.read, time.time())
        recorder = Recorder(place_of("felixpy", folders.state, settings.history_mb), log)
        Chronicle(recorder).follow(agent.around.holdings)
        questions = {**answers.by_question(), "history": lambda _: recorder.status()}
        server = await serve(paths.status_socket("felixpy", folders.run), questions)
        stack.callback(server.close)
        hosted = Hosted(settings, datastore, agent.local, agent, folders.run, folders.state, log)
        if settings.metrics_port:
            asked = Asked(answers.known_health, partial(all_measured, hosted, recorder))
            served = await serve_metrics(settings.metrics_port, asked, settings.metrics_address)
            stack.callback(served.close)
        if not settings.take_over:
            await refuse_beside_calico(datastore, settings.node)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(agent.run(), name="the agent")
                tasks.create_task(recorder.keep(), name="write the history")
                tasks.create_task(keep_guard(agent), name="keep the source check")
                tasks.create_task(forget_connections(agent), name="forget connections")
                for part in (keep_address, make_pools, stamp_blocks, *parts):
                    tasks.create_task(part(hosted), name=getattr(part, "__name__", "a part"))
        except* Trouble as group:
            raise next(leaves(group)) from group


def all_measured(hosted: Hosted, recorder: Recorder) -> Measured:
    """What the agent measures, and its log."""
    return {**measured(hosted.agent, hosted.calls, hosted.audited), **recorder.measured()}


async def stamp_blocks(hosted: Hosted) -> None:
    """Label this node's blocks that an older Calico left without labels: daemons look for their own by them."""
    if not isinstance(hosted.datastore, Duties):
        return
    while True:
        try:
            stamped = await hosted.datastore.stamp_own(hosted.settings.node)
        except Trouble as error:
            hosted.log.warning("own blocks not looked for", reason=str(error))
            await asyncio.sleep(RETRY_S)
            continue
        if stamped:
            hosted.log.info("own blocks labelled", objects=stamped)
        return


async def make_pools(hosted: Hosted) -> None:
    """Create the first pools of a cluster when that is asked for."""
    asked = asked_pools(hosted.settings.ipv4_pool, hosted.settings.ipv6_pool)
    while asked:
        try:
            created = await first_pools(hosted.datastore, asked)
        except Unreachable as error:
            hosted.log.warning("pools not looked for", reason=str(error))
            await asyncio.sleep(RETRY_S)
            continue
        if created:
            hosted.log.info("pools created", created=created)
        return


def leaves(group: BaseExceptionGroup[Trouble]) -> Iterator[Trouble]:
    """The errors in a group of groups."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        else:
            yield error
