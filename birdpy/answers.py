"""Join: what the router answers on its status socket. Reads the state, changes nothing."""

import asyncio
import os
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from birdpy.desired.node_status import Seen
from birdpy.explaining import explanation
from birdpy.orders import KINDS
from birdpy.peers import Peer
from birdpy.ribview import entries, why_not_installed
from birdpy.router import Router
from birdpy.stage import Stage
from felixpy.daemon.health import why_not_live, why_not_ready
from felixpy.daemon.paths import state_dir
from felixpy.daemon.version import version
from felixpy.kernel.owners import protocol_name
from felixpy.model.addresses import Prefix, parse_prefix
from felixpy.model.errors import Usage
from felixpy.model.facts import NodeFacts
from felixpy.model.status import (
    Condition,
    Explanation,
    HealthStatus,
    PeersStatus,
    PeerStatus,
    RefusedStatus,
    RibStatus,
    RoutesStatus,
    RouteStatus,
    problem_status,
    route_status,
)
from felixpy.model.system import SystemFacts

TYPES = {"Mesh": "mesh", "Global": "global", "Node": "node", "Local": "local"}
FROM_BEFORE = "from before the restart: kept until its peers have spoken"
MAX_SETTLE_S = 3600
PEERS_NAMED = 8

Answers = Mapping[str, Callable[[Mapping[str, Any]], Any]]


def answers(router: Router) -> Answers:
    """Each question of the status socket with what answers it."""
    return {
        "peers": lambda _: peers(router),
        "rib": lambda given: rib(router, given),
        "routes": lambda _: routes(router),
        "explain": lambda given: explain(router, given),
        "health": lambda _: health(router),
        "history": lambda _: router.parts.recorder.status(),
        "facts": lambda given: facts(router, given),
        "system": lambda _: system(router),
    }


async def facts(router: Router, given: Mapping[str, Any]) -> NodeFacts:
    """Everything that decides where this node sends a packet, for `felixpy trace` and `check`."""
    from felixpy.kernel.facts import asked_facts

    return await asyncio.to_thread(asked_facts, router.parts.node, given)


async def system(router: Router) -> SystemFacts:
    """What the node is like besides its routing, for `felixpy doctor`."""
    from felixpy.kernel.system import read_system

    ports = frozenset({router.state.orders.speaker.listen_port}) if router.state.orders else frozenset({179})
    return await asyncio.to_thread(read_system, router.parts.node, state_dir(), ports)


def orders_taken(router: Router) -> Answers:
    """Each order of the control socket with what carries it out: the status socket changes nothing."""
    return {
        "drain": lambda given: router.leaving.drain(seconds(given)),
        "undo": lambda _: router.leaving.undo(),
        "leaving": lambda _: router.leaving.status(),
    }


def seconds(given: Mapping[str, Any]) -> float:
    """The `settle_s` of an order; Usage when it is no time."""
    value = given.get("settle_s", 0)
    if not isinstance(value, int | float) or not 0 <= value <= MAX_SETTLE_S:
        raise Usage(f"settle_s {value!r}: seconds, 0 to {MAX_SETTLE_S}")
    return float(value)


def peers(router: Router) -> PeersStatus:
    """`birdpy peers`."""
    orders = router.state.orders
    known = sorted(router.state.peers.values(), key=lambda peer: peer.session.name)
    return PeersStatus(
        node=router.parts.node,
        router_id=str(orders.speaker.router_id) if orders else None,
        local_as=int(orders.speaker.local_as) if orders else None,
        peers=tuple(peer_status(router, peer) for peer in known),
        stage=router.state.stage.value,
    )


def peer_status(router: Router, peer: Peer) -> PeerStatus:
    """One session."""
    session, opened, state = peer.session, peer.opened, router.state
    received, accepted = state.learning.rib.counts(session.name)
    held_down = session.held_down or state.left_out.get(session.name)
    return PeerStatus(
        name=session.name,
        address=str(session.address),
        type=TYPES.get(session.name.split("_", 1)[0], "node"),
        asn=int(session.peer_as),
        local_as=int(session.local_as),
        state="held-down" if held_down else peer.state,
        since=time.time() - (router.now() - peer.since),
        families=tuple(sorted(session.families)),
        graceful_restart_s=opened.graceful_restart_s if opened else None,
        hold_time_s=min(session.hold_time_s, opened.hold_time) if opened else None,
        router_id=dotted(opened.router_id) if opened else None,
        received=received,
        accepted=accepted,
        advertised=state.telling.count(session.address),
        malformed=peer.malformed,
        last_error=peer.last_error,
        reason=router.inquiry.why(peer),
        held_down=held_down or (peer.last_error if peer.held_until is not None else None),
    )


def peers_down(router: Router) -> tuple[Condition, ...]:
    """One condition for all sessions that should be up and are not: who is ready may well wait for a peer."""
    down = [peer for peer in router.state.peers.values() if peer.state != "established"]
    if not down:
        return ()
    names = ", ".join(sorted(peer.session.name for peer in down)[:PEERS_NAMED])
    more = f" and {len(down) - PEERS_NAMED} more" if len(down) > PEERS_NAMED else ""
    message = f"{len(down)} of {len(router.state.peers)} sessions are not up: {names}{more}"
    return (Condition(name="PeersDown", message=message),)


def dotted(identifier: int) -> str:
    """A BGP identifier as people write it."""
    return ".".join(str(byte) for byte in identifier.to_bytes(4, "big"))


def seen_by(router: Router, classes: Collection[str]) -> Seen | None:
    """What fills a CalicoNodeStatus; None before anything is known."""
    speaker = router.state.speaker()
    if speaker is None:
        return None
    return Seen(
        version=version(),
        families={address.version for address in speaker.addresses},
        started=router.started,
        configured=router.configured,
        peers=peers(router),
        rib=entries(router.state, None) if "Routes" in classes else (),
    )


def asked_prefix(given: Mapping[str, Any]) -> Prefix | None:
    """The `prefix` of a question; Usage when it is none."""
    text = given.get("prefix")
    if text is None:
        return None
    try:
        return parse_prefix(text)
    except ValueError as error:
        raise Usage(f"prefix {text!r}: {error}") from error


def rib(router: Router, given: Mapping[str, Any]) -> RibStatus:
    """`birdpy rib [PREFIX]`."""
    return RibStatus(node=router.parts.node, entries=entries(router.state, asked_prefix(given)))


def explain(router: Router, given: Mapping[str, Any]) -> Explanation:
    """`birdpy explain PREFIX`."""
    prefix = asked_prefix(given)
    if prefix is None:
        raise Usage("explain needs a prefix")
    return explanation(router.state, router.snapshot, router.parts.node, prefix)


def routes(router: Router) -> RoutesStatus:
    """The kernel routes that birdpy wants or holds, for `felixpy routes`."""
    forwarding = router.state.forwarding
    settler = forwarding.settler
    protocol = protocol_name(router.settings.protocol)
    found: list[RouteStatus] = []
    for key in {**settler.desired, **settler.held}:
        wanted, held = settler.desired.get(key), settler.held.get(key)
        route = wanted or held
        if route is None:
            continue
        reason = FROM_BEFORE if key in forwarding.found else why_not_installed(settler, key)
        found.append(
            route_status(
                route, wanted=wanted is not None, installed=held is not None, protocol=protocol, reason=reason
            )
        )
    return RoutesStatus(node=router.parts.node, routes=tuple(found))


def health(router: Router) -> HealthStatus:
    """Whether the router does what it should, and what it cannot do."""
    settler = router.state.forwarding.settler
    now = router.now()
    refused = tuple(
        RefusedStatus(
            table="routes", key=str(key.prefix), reason=it.refused.reason, retry_in_s=max(0.0, it.retry_at - now)
        )
        for key, it in settler.troubles(now)
    )
    troubles = dict(router.story.troubles)
    if router.parts.exabgp.trouble:
        troubles["exabgp"] = router.parts.exabgp.trouble
    if router.state.stage is not Stage.SERVING:
        troubles["drain"] = f"{router.state.stage.value}; birdpy drain --undo brings everything back"
    in_sync = router.snapshot.in_sync(KINDS)
    own = {what: why for what, why in troubles.items() if what != "datastore"}  # what is known of it stays in force
    unready = why_not_ready(in_sync=in_sync, refused={"routes": len(refused)}, troubles=own)
    stuck = why_not_live(router.last_pass or None, time.time(), router.settings.resync_s)
    return HealthStatus(
        daemon="birdpy",
        node=router.parts.node,
        version=version(),
        pid=os.getpid(),
        started=router.started,
        datastore=router.parts.datastore.target,
        datastore_reachable="datastore" not in troubles,
        in_sync=in_sync,
        ready=not unready,
        live=not stuck,
        unready=unready,
        stuck=stuck,
        datastore_lag_s=router.lag.seconds(now),
        last_pass=router.last_pass or None,
        passes=router.passes,
        keys={"routes": len(settler.desired), "advertisements": len(router.state.telling.settler.desired)},
        refused=refused,
        conditions=(*(Condition(name=what, message=why) for what, why in troubles.items()), *peers_down(router)),
        problems=tuple(problem_status(kind, name, error) for (kind, name), error in router.snapshot.problems.items()),
    )
