"""What the daemons say about themselves: the records of the status sockets, shared by both. Pure.

Users script against these: field names are a contract, addresses and prefixes are text, times are Unix seconds,
None means "not known" or "does not apply".
"""

import msgspec

from felixpy.model.addresses import family
from felixpy.model.errors import InvalidResource
from felixpy.model.resources import Spec, kind_of
from felixpy.model.routes import Origin, Route


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The base of every record: all fields are always there."""


class OriginStatus(Record, frozen=True):
    """Where a route comes from: `pod` namespace/name, `block` affinity, `peer` session, `reachable-by` peer."""

    kind: str
    name: str
    rule: str = ""


class GatewayStatus(Record, frozen=True):
    """One way out of a learned route."""

    via: str
    device: str
    weight: int = 1
    onlink: bool = False


class RouteStatus(Record, frozen=True):
    """One route, as wanted by a daemon, as found in the kernel, or both. Installed and not wanted is a leftover."""

    prefix: str
    family: int  # 4 | 6
    table: int
    metric: int
    kind: str  # local | learned | blackhole
    wanted: bool | None
    installed: bool | None  # None: nobody could look into the kernel
    reason: str = ""  # why wanted and installed differ, or what is notable
    device: str | None = None
    gateways: tuple[GatewayStatus, ...] = ()
    protocol: str = ""  # as in kernel/owners: felixpy | bird | static | ...
    origin: OriginStatus | None = None
    peer: str | None = None
    as_path: tuple[int, ...] | None = None
    since: float | None = None


class RoutesStatus(Record, frozen=True):
    """The answer to "routes" of either daemon, and, joined, of `felixpy routes`."""

    node: str
    routes: tuple[RouteStatus, ...]
    missing: tuple[str, ...] = ()  # sources that could not be asked


def route_status(
    route: Route, *, wanted: bool | None, installed: bool | None, protocol: str, reason: str = ""
) -> RouteStatus:
    """The record of a route; who wants it and who has it is for the caller to say."""
    origin = route.origin
    return RouteStatus(
        prefix=str(route.key.prefix),
        family=family(route.key.prefix),
        table=route.key.table,
        metric=route.key.metric,
        kind=route.kind.value,
        wanted=wanted,
        installed=installed,
        reason=reason,
        device=route.device,
        gateways=tuple(
            GatewayStatus(via=str(hop.via), device=hop.device, weight=hop.weight, onlink=hop.onlink)
            for hop in route.hops
        ),
        protocol=protocol,
        origin=origin_status(origin) if origin else None,
        peer=str(origin.peer) if origin and origin.peer else None,
        as_path=tuple(map(int, origin.as_path)) if origin else None,
        since=origin.since or None if origin else None,
    )


def origin_status(origin: Origin) -> OriginStatus:
    """The part of an origin that says what it is; peer, path and age have columns of their own."""
    return OriginStatus(kind=origin.kind, name=origin.name, rule=origin.rule)


class EndpointStatus(Record, frozen=True):
    """One local workload endpoint: up when everything it needs is in the kernel."""

    name: str  # of the WorkloadEndpoint, with its namespace
    pod: str
    device: str
    addresses: tuple[str, ...]
    mac: str | None
    state: str  # up | down | shadowed
    reason: str = ""


class EndpointsStatus(Record, frozen=True):
    """felixpy's answer to "endpoints"."""

    node: str
    endpoints: tuple[EndpointStatus, ...]


class ProblemStatus(Record, frozen=True):
    """One object of the datastore that cannot be used; the rest goes on."""

    kind: str
    name: str
    where: str
    field: str
    reason: str


def problem_status(kind: type[Spec], name: str, error: InvalidResource) -> ProblemStatus:
    """The record of one entry of `Snapshot.problems`."""
    return ProblemStatus(
        kind=kind_of(kind).name, name=name, where=error.where, field=error.field, reason=error.reason
    )


class Condition(Record, frozen=True):
    """Something that is not as it should be, and since when; `name` is a constant phrase for scripts."""

    name: str
    message: str
    since: float | None = None


class RefusedStatus(Record, frozen=True):
    """One key that the other side refuses, and when it is tried again."""

    table: str  # routes | neighbours | sysctls | links | sessions | advertisements
    key: str
    reason: str
    retry_in_s: float | None = None


class HealthStatus(Record, frozen=True):
    """Either daemon's answer to "health"."""

    daemon: str
    node: str
    version: str
    pid: int
    started: float
    datastore: str  # Datastore.target
    datastore_reachable: bool
    in_sync: bool  # every kind that is watched was listed once
    ready: bool
    live: bool
    last_pass: float | None  # when the last pass ended
    passes: int
    keys: dict[str, int]  # table -> keys wanted
    refused: tuple[RefusedStatus, ...] = ()
    conditions: tuple[Condition, ...] = ()
    problems: tuple[ProblemStatus, ...] = ()
    unready: tuple[str, ...] = ()  # why `ready` is False
    stuck: tuple[str, ...] = ()  # why `live` is False
    datastore_lag_s: float = 0.0  # since it was lost, or since the oldest change that is not worked in


class PeerStatus(Record, frozen=True):
    """One BGP session (`birdpy peers`)."""

    name: str  # Mesh_10_0_0_2 | Global_... | Node_... | Local_Workload_...
    address: str
    type: str  # mesh | global | node | local
    asn: int
    local_as: int
    state: str  # established | idle | connect | held-down | ... (as ExaBGP tells)
    since: float | None = None  # of the state
    families: tuple[int, ...] = ()
    graceful_restart_s: int | None = None  # what the peer offered; None: it will drop our routes when we restart
    hold_time_s: int | None = None
    router_id: str | None = None
    received: int = 0  # prefixes
    accepted: int = 0
    advertised: int = 0
    malformed: int = 0  # UPDATEs since the session is up whose routes were withdrawn for an error (RFC 7606)
    last_error: str = ""
    held_down: str | None = None  # why the session is kept out of ExaBGP
    reason: str = ""  # why it is not up though it should be, as far as can be told


class LeavingStatus(Record, frozen=True):
    """How far a router has left its peers' tables (`birdpy drain`)."""

    stage: str  # serving | counting | last resort | withdrawing | closing | drained
    waiting: tuple[str, ...] = ()  # what the step still waits for
    untold: tuple[str, ...] = ()  # peers that were down when it began: they may keep our routes as stale
    forwarded_before: float | None = None  # packets a second that this node forwarded when it began
    forwarded_now: float | None = None  # ... in the last second of a step


class PeersStatus(Record, frozen=True):
    """birdpy's answer to "peers"."""

    node: str
    router_id: str | None
    local_as: int | None
    peers: tuple[PeerStatus, ...]
    stage: str = "serving"  # of leaving: see LeavingStatus


class RibPath(Record, frozen=True):
    """One path to a prefix, accepted or refused."""

    source: str  # bgp | local | static | kernel
    session: str  # "" for our own
    peer: str | None
    next_hop: str | None
    as_path: tuple[int, ...]
    origin: str  # igp | egp | incomplete
    local_pref: int | None = None
    med: int | None = None
    communities: tuple[str, ...] = ()
    large_communities: tuple[str, ...] = ()
    extended_communities: tuple[str, ...] = ()  # as ExaBGP writes them: target:65000:1
    since: float | None = None
    stale: bool = False
    best: bool = False
    accepted: bool = True
    path_id: int = 0  # as the peer gave it (RFC 7911); 0 without add-path
    reason: str = ""  # refused: by which rule; not best: lost in which round


class RibEntry(Record, frozen=True):
    """Every path to one prefix, the best of them, and whether the kernel has it."""

    prefix: str
    decided_by: str  # the round that decided; "only path"
    installed: bool | None
    paths: tuple[RibPath, ...]
    reason: str = ""  # why it is not in the kernel
    gateways: tuple[GatewayStatus, ...] = ()


class RibStatus(Record, frozen=True):
    """birdpy's answer to "rib"; `{"prefix": ...}` narrows it."""

    node: str
    entries: tuple[RibEntry, ...]


class ExplainStep(Record, frozen=True):
    """One station on the way of a prefix."""

    station: str  # source | session | import | best path | next hop | kernel | export ...
    passed: bool
    text: str


class Explanation(Record, frozen=True):
    """birdpy's answer to "explain": from source to kernel, or the first reason that stopped it."""

    node: str
    prefix: str
    steps: tuple[ExplainStep, ...]
    stopped_by: str = ""


__all__ = [
    "Condition",
    "EndpointStatus",
    "EndpointsStatus",
    "Explanation",
    "GatewayStatus",
    "HealthStatus",
    "LeavingStatus",
    "OriginStatus",
    "PeerStatus",
    "PeersStatus",
    "ProblemStatus",
    "RefusedStatus",
    "RibEntry",
    "RibPath",
    "RibStatus",
    "RouteStatus",
    "RoutesStatus",
]
