"""Join: one node's routes from all who know something of them: both daemons, the datastore, the kernel."""

import asyncio
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from felixpy.daemon.status import record
from felixpy.datastore.open import open_datastore
from felixpy.desired.state import Circumstances, desired_state, felix_configuration
from felixpy.kernel.owners import PROTOCOL_BIRD, PROTOCOL_FELIX, protocol_name
from felixpy.model.addresses import Prefix, contains, parse_prefix
from felixpy.model.errors import Trouble
from felixpy.model.resources import FelixConfiguration, WorkloadEndpoint
from felixpy.model.routes import BGP_METRIC, LOCAL_METRIC_IPV6, Route, RouteKey
from felixpy.model.snapshot import Snapshot
from felixpy.model.status import RoutesStatus, RouteStatus, route_status
from felixpy.show.target import Target

PATIENCE_S = 10.0  # for a command inside a lab's node
Place = tuple[str, int, int]  # prefix, table, metric: what the kernel lets exist once
WRITERS = {
    "felixpy": (PROTOCOL_FELIX, (0, LOCAL_METRIC_IPV6)),
    "birdpy": (PROTOCOL_BIRD, (BGP_METRIC,)),
}


@dataclass(frozen=True, slots=True)
class Sources:
    """What each source said; None where it could not be asked, `why` by source."""

    felixpy: tuple[RouteStatus, ...] | None
    birdpy: tuple[RouteStatus, ...] | None
    endpoints: tuple[RouteStatus, ...] | None  # from the datastore; asked for when felixpy does not answer
    kernel: tuple[RouteStatus, ...] | None
    why: Mapping[str, str]


def gather(target: Target, datastore: str | None) -> Sources:
    """Ask everybody who is needed."""
    why: dict[str, str] = {}
    felixpy = _daemon(target, "felixpy", why)
    birdpy = _daemon(target, "birdpy", why)
    endpoints = None
    if felixpy is None:
        try:
            endpoints = asyncio.run(_from_datastore(target, datastore))
        except Trouble as error:
            why["datastore"] = str(error)
    kernel = None
    if target.here:
        try:
            kernel = asyncio.run(_from_kernel())
        except Trouble as error:
            why["kernel"] = str(error)
    elif felixpy is None or birdpy is None:
        why["kernel"] = f"{target.node} is not this machine"
    return Sources(felixpy, birdpy, endpoints, kernel, why)


def look(target: Target, datastore: str | None, within: Prefix | None) -> tuple[RoutesStatus, Mapping[str, str]]:
    """A node's routes, narrowed to what overlaps `within`, and why each missing source is missing."""
    if target.cluster:
        there = asked_in_cluster(target)
        unreached = dict.fromkeys(there.missing, "not reached on the node")
        return msgspec.structs.replace(there, routes=narrowed(there.routes, within)), unreached
    sources = gather(target, datastore)
    if target.lab and (sources.felixpy is None or sources.birdpy is None):
        inside = asked_inside(target)
        if inside is not None:
            why = {name: sources.why.get(name, "not reached inside the node") for name in inside.missing}
            return msgspec.structs.replace(inside, routes=narrowed(inside.routes, within)), why
    return join(target.node, sources, within), sources.why


def asked_in_cluster(target: Target) -> RoutesStatus:
    """The answer of `felixpy routes` run on the node, which sees its kernel and both daemons."""
    from felixpy.show.remote import run_on

    argv = ("felixpy", "routes", "--node", target.node, "-o", "json")
    try:
        return msgspec.json.decode(run_on(target.cluster, target.node, "felixpy", argv), type=RoutesStatus)
    except ValueError as error:
        raise Trouble(
            f"node {target.node} answers in another version's words ({error}); upgrade the older"
        ) from error


def asked_inside(target: Target) -> RoutesStatus | None:
    """The answer of `felixpy routes` run inside a lab's node, which sees its kernel; None when nothing runs there."""
    from felixpy.lab.enter import run_in
    from felixpy.lab.registry import find_lab

    try:
        done = run_in(find_lab(target.lab), target.node, ("felixpy", "routes", "-o", "json"), timeout=PATIENCE_S)
        return None if done.returncode else record(msgspec.json.decode(done.stdout), RoutesStatus)
    except (Trouble, OSError, subprocess.SubprocessError, ValueError):
        return None


def join(node: str, sources: Sources, within: Prefix | None = None) -> RoutesStatus:
    """One row for each route that anybody wants or holds; rows that overlap `within` when it is given.

    Trouble when no source could be asked.
    """
    said = (sources.felixpy, sources.birdpy, sources.endpoints, sources.kernel)
    if all(rows is None for rows in said):
        reasons = "; ".join(f"{name}: {reason}" for name, reason in sources.why.items())
        raise Trouble(f"nothing is known of node {node}: {reasons}")
    rows = {place(row): row for rows in said[:3] for row in rows or ()}
    if sources.kernel is not None:
        held = {place(row): row for row in sources.kernel}
        rows = {where: confirmed(row, held.get(where)) for where, row in rows.items()}
        unknown = "birdpy" if sources.birdpy is None else ""
        rows |= {where: unclaimed(row, unknown) for where, row in held.items() if where not in rows}
    return RoutesStatus(node=node, routes=narrowed(rows.values(), within), missing=tuple(sources.why))


def narrowed(rows: Iterable[RouteStatus], within: Prefix | None) -> tuple[RouteStatus, ...]:
    """The rows that overlap `within` (all when it is None), in order."""
    chosen = (row for row in rows if within is None or overlap(within, parse_prefix(row.prefix)))
    return tuple(sorted(chosen, key=order))


def confirmed(row: RouteStatus, held: RouteStatus | None) -> RouteStatus:
    """A daemon's row with what the kernel really holds under its key."""
    if held is None:
        reason = row.reason or ("not in the kernel" if row.wanted else "")
        return msgspec.structs.replace(row, installed=False, reason=reason)
    if way(row) == way(held):
        return msgspec.structs.replace(row, installed=True)
    return msgspec.structs.replace(row, installed=False, reason=row.reason or f"the kernel has {line(held)}")


def unclaimed(held: RouteStatus, unknown: str) -> RouteStatus:
    """A route in the kernel that no daemon spoke of: a leftover, or birdpy's when birdpy could not be asked."""
    if unknown and held.protocol == protocol_name(PROTOCOL_BIRD):
        return msgspec.structs.replace(held, wanted=None, as_path=None)
    return msgspec.structs.replace(held, wanted=False, reason=held.reason or "leftover: nobody wants it")


def place(row: RouteStatus) -> Place:
    """What makes two rows the same route."""
    return row.prefix, row.table, row.metric


def way(row: RouteStatus) -> tuple[object, ...]:
    """Where a route leads."""
    return row.kind, row.device, row.gateways


def overlap(one: Prefix, other: Prefix) -> bool:
    """Whether one of them holds the other."""
    return contains(one, other) or contains(other, one)


def order(row: RouteStatus) -> tuple[int, int, int, int]:
    """IPv4 first, then by address; the shorter prefix first."""
    prefix = parse_prefix(row.prefix)
    return row.family, int(prefix.network_address), prefix.prefixlen, row.metric


def line(row: RouteStatus) -> str:
    """The route as `ip route` prints it: `10.65.1.0/26 via 172.20.0.2 dev eth1`."""
    prefix = parse_prefix(row.prefix)
    name = str(prefix.network_address) if prefix.prefixlen == prefix.max_prefixlen else row.prefix
    if not prefix.prefixlen:
        name = "default"
    if row.kind == "blackhole":
        return f"blackhole {name}"
    if row.kind == "local":
        scope = " scope link" if row.family == 4 else ""
        return f"{name} dev {row.device}{scope}"
    hops = [f"via {hop.via} dev {hop.device}{' onlink' if hop.onlink else ''}" for hop in row.gateways]
    if len(hops) == 1:
        return f"{name} {hops[0]}"
    return " ".join(
        [name, *(f"nexthop {hop} weight {it.weight}" for hop, it in zip(hops, row.gateways, strict=True))]
    )


def _daemon(target: Target, daemon: str, why: dict[str, str]) -> tuple[RouteStatus, ...] | None:
    try:
        return target.asked(daemon, "routes", RoutesStatus).routes
    except Trouble as error:
        why[daemon] = str(error)
    return None


async def _from_datastore(target: Target, datastore: str | None) -> tuple[RouteStatus, ...]:
    """The routes that felixpy would want, worked out from the datastore by the agent's own code."""
    where = datastore or (f"files:{target.store}" if target.store else None)
    store = open_datastore(where)
    try:
        snapshot = Snapshot()
        for kind in (WorkloadEndpoint, FelixConfiguration):
            snapshot = snapshot.after(await store.list(kind))
    finally:
        await store.close()
    config = felix_configuration(snapshot.of(FelixConfiguration), target.node)
    state = desired_state(snapshot.of(WorkloadEndpoint), Circumstances(target.node, config))
    protocol = protocol_name(PROTOCOL_FELIX)
    routes = state.rows.routes.values()
    return tuple(route_status(route, wanted=True, installed=None, protocol=protocol) for route in routes)


async def _from_kernel() -> tuple[RouteStatus, ...]:
    """What this machine's kernel holds with either daemon's protocol and metric."""
    from felixpy.kernel.routes import KernelRoutes

    rows: list[RouteStatus] = []
    for protocol, metrics in WRITERS.values():
        table = KernelRoutes(protocol, metrics, lambda _key, _route: True)
        try:
            rows += _found((await table.read()).items(), protocol_name(protocol))
        finally:
            table.close()
    return tuple(rows)


def _found(routes: Iterable[tuple[RouteKey, Route]], protocol: str) -> list[RouteStatus]:
    return [route_status(route, wanted=False, installed=True, protocol=protocol) for _, route in routes]
