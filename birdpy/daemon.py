"""Join: the daemon around the router: everything that touches the world is made here, and let go of here."""

import asyncio
import gc
from functools import partial
from pathlib import Path

from birdpy import before, recollection
from birdpy.answers import answers, health, orders_taken, seen_by
from birdpy.availability import say_available, standing
from birdpy.config import Settings
from birdpy.exabgp.process import Place
from birdpy.exabgp.supervisor import ExaBGP
from birdpy.metered import measured
from birdpy.nearby import Nearby
from birdpy.parts import Parts
from birdpy.reporting import Reporting
from birdpy.router import Router
from birdpy.watching import Watch
from felixpy.daemon.logs import Log, make_log
from felixpy.daemon.metrics import Asked, serve_metrics
from felixpy.daemon.paths import control_socket, run_dir, state_dir, status_socket, sysctl_dir
from felixpy.daemon.pidfile import claim
from felixpy.daemon.signals import run_until_signal
from felixpy.daemon.status import serve
from felixpy.datastore.beside import refuse_beside_calico
from felixpy.datastore.kubernetes.places import Scope
from felixpy.datastore.open import open_datastore
from felixpy.datastore.source import DocumentStore
from felixpy.history.recorder import Recorder, place_of
from felixpy.kernel.links import Links
from felixpy.kernel.monitor import Monitor
from felixpy.kernel.netlink import Netlink
from felixpy.kernel.owners import PROTOCOL_FELIX
from felixpy.kernel.routes import KernelRoutes
from felixpy.kernel.sysctls import KernelSysctls
from felixpy.kernel.watched import WatchedNeighbours
from felixpy.model.routes import Route, RouteKey
from felixpy.model.status import HealthStatus
from felixpy.show.target import this_node

COLLECT_AFTER = 20_000  # objects: at Python's 700 a full table is walked some hundred times while it is taken in
KNOWN = "known-to-birdpy"  # folders of what is known of the datastore


def serve_router(settings: Settings) -> None:
    """Run the router of `settings.node` (this machine's name when empty) until a signal ends it."""
    folder = Path(settings.run_dir) if settings.run_dir else run_dir()
    node = settings.node or this_node()
    log = make_log("birdpy", level=settings.log_level, node=node)
    gc.set_threshold(COLLECT_AFTER)
    pid_file = claim(folder / "birdpy.pid", "birdpy")
    try:
        signal = asyncio.run(run_until_signal(routed(settings, node, folder, log)))
    finally:
        pid_file.release()
    log.info("router stopped", signal=signal)


async def routed(settings: Settings, node: str, folder: Path, log: Log) -> None:
    """Make the parts, run the router, and let go of everything without changing a route."""
    exabgp = ExaBGP(Place(folder / "exabgp"), log)
    exabgp.warm()  # its imports take as long as all of the rest
    state = Path(settings.state_dir) if settings.state_dir else state_dir()
    keep = (state / KNOWN, folder / KNOWN)
    datastore = open_datastore(settings.datastore, settings.lab, Scope(node, namespace=settings.namespace, keep=keep))

    def ours(key: RouteKey, route: Route) -> bool:
        return router.ours(key, route)

    routes = KernelRoutes(settings.protocol, (settings.metric,), ours, shared=settings.kernel_nexthops)
    monitor = Monitor(own=(routes.port,), ignore=(PROTOCOL_FELIX,), quiet=settings.watch_neighbours)
    looks = Netlink()  # not the one that writes: its answers may still be on the way when somebody looks
    watch = Watch(monitor, Links(looks), looks, routes, settings.protocol)
    watched = WatchedNeighbours(settings.protocol)
    sysctls = KernelSysctls(Path(settings.sysctl_dir or sysctl_dir()))
    nearby = Nearby(watched, sysctls, folder / before.FILE_NAME, watching=settings.watch_neighbours)
    earlier = recollection.Recollection(folder / recollection.FILE_NAME, node, routes)
    recorder = Recorder(place_of("birdpy", state, settings.history_mb), log)
    saved = state / "birdpy.json"
    router = Router(settings, Parts(node, datastore, routes, watch, nearby, exabgp, earlier, saved, recorder, log))
    server = await serve(status_socket("birdpy", folder), answers(router))
    control = await serve(control_socket("birdpy", folder), orders_taken(router))
    open_servers = [server, control]
    try:
        if settings.metrics_port:
            asked = Asked(partial(_health, router), partial(measured, router))
            open_servers.append(await serve_metrics(settings.metrics_port, asked, settings.metrics_address))
        if not settings.take_over:
            await refuse_beside_calico(datastore, node)
        await _run(router, datastore)
    finally:
        for one in open_servers:
            one.close()
        exabgp.close()
        monitor.close()
        routes.close()
        nearby.close()
        await datastore.close()


async def _run(router: Router, datastore: DocumentStore) -> None:
    """The router, and what it says of itself to the cluster."""
    node, log = router.parts.node, router.parts.log
    reporting = Reporting(datastore, node, partial(seen_by, router), log)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(router.run(), name="the router")
        tasks.create_task(reporting.keep(), name="report the node's status")
        tasks.create_task(say_available(datastore, node, partial(standing, router), log), name="say availability")


async def _health(router: Router) -> HealthStatus:
    return health(router)
