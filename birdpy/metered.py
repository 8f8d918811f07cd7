"""Join: what the router measures beside its health, taken together when somebody asks."""

from collections import Counter
from collections.abc import Sequence

from birdpy.answers import peers
from birdpy.router import Router
from felixpy.model.metrics import Measured, Metric
from felixpy.model.past import HISTORY_DROPPED, HISTORY_SIZE
from felixpy.model.status import PeerStatus

MESH_SHOWN = 32  # a larger mesh is one peer: nodes x nodes series would be the monitoring's end

UP = Metric("peer_up", "gauge", "1 while the session is established; no peers of a mesh above 32", ("peer", "type"))
SESSIONS = Metric("sessions", "gauge", "sessions by kind, up or down", ("type", "state"))
RECEIVED = Metric(
    "peer_received_prefixes", "gauge", "prefixes received; a mesh above 32 is the peer `mesh`", ("peer", "type")
)
ACCEPTED = Metric("peer_accepted_prefixes", "gauge", "those of them that were accepted", ("peer", "type"))
ADVERTISED = Metric("peer_advertised_prefixes", "gauge", "prefixes that the peer was told", ("peer", "type"))
FIB = Metric("fib_routes", "gauge", "birdpy's routes that the kernel held when it was last read, and since")
REPAIRS = Metric("repairs", "counter", "routes that someone else changed or removed, to be put back")
DECISION = Metric("decision_seconds", "histogram", "from taking in UPDATEs to what is wanted of the kernel")
PROGRAMMING = Metric("programming_seconds", "histogram", "from taking in UPDATEs to the kernel holding what follows")
RESTARTS = Metric("exabgp_restarts", "counter", "how often ExaBGP was started again")
UNDECODABLE = Metric("exabgp_undecodable_lines", "counter", "lines of ExaBGP that were not understood")
QUEUE = Metric("bridge_queue_bytes", "gauge", "what the bridge has handed over and the router not yet taken in")
METRICS = (
    UP, SESSIONS, RECEIVED, ACCEPTED, ADVERTISED, FIB, REPAIRS, DECISION, PROGRAMMING, RESTARTS, UNDECODABLE, QUEUE,
    HISTORY_DROPPED, HISTORY_SIZE,
)  # fmt: skip


def measured(router: Router) -> Measured:
    """All of METRICS, now."""
    forwarding, exabgp = router.state.forwarding, router.parts.exabgp
    return {
        **of_peers(peers(router).peers),
        FIB: {(): float(len(forwarding.settler.held))},
        REPAIRS: {(): float(forwarding.settler.repairs)},
        DECISION: {(): forwarding.latency.decision},
        PROGRAMMING: {(): forwarding.latency.programming},
        RESTARTS: {(): float(exabgp.restarts)},
        UNDECODABLE: {(): float(exabgp.undecodable)},
        QUEUE: {(): float(exabgp.queued)},
        **router.parts.recorder.measured(),
    }


def of_peers(known: Sequence[PeerStatus]) -> Measured:
    """What is measured of the sessions; a mesh of more than MESH_SHOWN is summed up as the peer `mesh`."""
    summed = sum(peer.type == "mesh" for peer in known) > MESH_SHOWN
    up: dict[tuple[str, ...], float] = {}
    sessions: Counter[tuple[str, ...]] = Counter()
    prefixes: dict[Metric, Counter[tuple[str, ...]]] = {it: Counter() for it in (RECEIVED, ACCEPTED, ADVERTISED)}
    for peer in known:
        established = peer.state == "established"
        sessions[peer.type, "up"] += established
        sessions[peer.type, "down"] += not established
        hidden = summed and peer.type == "mesh"
        key = ("mesh" if hidden else peer.address, peer.type)
        if not hidden:
            up[key] = float(established)
        prefixes[RECEIVED][key] += peer.received
        prefixes[ACCEPTED][key] += peer.accepted
        prefixes[ADVERTISED][key] += peer.advertised
    return {UP: up, SESSIONS: floats(sessions)} | {metric: floats(counts) for metric, counts in prefixes.items()}


def floats(counts: Counter[tuple[str, ...]]) -> dict[tuple[str, ...], float]:
    """Counts as samples."""
    return {key: float(count) for key, count in counts.items()}
