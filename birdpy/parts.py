"""What the router is given: everything that touches the world is made outside."""

from dataclasses import dataclass
from pathlib import Path

from birdpy.exabgp.supervisor import ExaBGP
from birdpy.nearby import Nearby
from birdpy.recollection import Recollection
from birdpy.watching import Watch
from felixpy.daemon.logs import Log
from felixpy.datastore.source import Datastore
from felixpy.history.recorder import Recorder
from felixpy.kernel.routes import KernelRoutes


@dataclass(frozen=True, slots=True)
class Parts:
    """Edges of one node's router."""

    node: str
    datastore: Datastore
    routes: KernelRoutes
    watch: Watch
    nearby: Nearby
    exabgp: ExaBGP
    recollection: Recollection
    saved_at: Path
    recorder: Recorder
    log: Log
