"""The `status` of a CalicoNodeStatus, as calico-node fills it from BIRD (api/v3 nodestatus.go). Pure.

What an object does not ask for is None: it is removed. Sessions with local workloads are left out, as in Calico.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from felixpy.model.status import PeersStatus, PeerStatus, RibEntry, RibPath

STATES = {
    "idle": "Idle", "connect": "Connect", "active": "Active", "opensent": "OpenSent", "openconfirm": "OpenConfirm",
    "established": "Established", "close": "Close",
}  # fmt: skip
PEER_TYPES = {"mesh": "NodeMesh", "node": "NodePeer", "global": "GlobalPeer"}
SOURCES = {"kernel": "Kernel", "static": "Static", "local": "Static"}
MOST_ROUTES = 2000  # of each family and kind: an object of more than 1.5 MB is refused by etcd
NONE = "N/A"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a router says of itself; times in Unix seconds. `families` are those in which it speaks BGP."""

    version: str
    families: Collection[int]
    started: float
    configured: float
    peers: PeersStatus
    rib: tuple[RibEntry, ...] = ()  # read only where routes are asked for


def node_status(classes: Collection[str], seen: Seen, now: float) -> dict[str, Any]:
    """The whole status for the classes Agent, BGP and Routes that are asked for."""
    return {
        "lastUpdated": _time(now),
        "agent": _agent(seen) if "Agent" in classes else None,
        "bgp": _bgp(seen.peers) if "BGP" in classes else None,
        "routes": _routes(seen) if "Routes" in classes else None,
    }


def _time(moment: float) -> str:
    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _agent(seen: Seen) -> dict[str, Any]:
    ready = {
        "state": "Ready",
        "version": f"birdpy {seen.version}",
        "routerID": seen.peers.router_id or "",
        "lastBootTime": _time(seen.started),
        "lastReconfigurationTime": _time(seen.configured),
    }
    return {f"birdV{family}": ready if family in seen.families else {"state": "NotReady"} for family in (4, 6)}


def _bgp(peers: PeersStatus) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for family in (4, 6):
        mine = [it for it in peers.peers if it.type in PEER_TYPES and (":" in it.address) == (family == 6)]
        up = sum(it.state == "established" for it in mine)
        found |= {
            f"numberEstablishedV{family}": up,
            f"numberNotEstablishedV{family}": len(mine) - up,
            f"peersV{family}": [_peer(it) for it in mine],
        }
    return found


def _peer(peer: PeerStatus) -> dict[str, Any]:
    return {
        "peerIP": peer.address,
        "type": PEER_TYPES[peer.type],
        "state": STATES.get(peer.state, "Idle"),  # held down: it does not try
        "since": _time(peer.since) if peer.since is not None else "",
    }


def _routes(seen: Seen) -> dict[str, Any]:
    mesh = {peer.name for peer in seen.peers.peers if peer.type == "mesh"}
    found: dict[str, Any] = {}
    for family in (4, 6):
        rows = [row for it in seen.rib if (":" in it.prefix) == (family == 6) for row in _rows(it, mesh)]
        fib = [row for row in rows if row["type"] == "FIB"]
        found[f"routesV{family}"] = fib[:MOST_ROUTES] + [row for row in rows if row["type"] == "RIB"][:MOST_ROUTES]
    return found


def _rows(entry: RibEntry, mesh: Collection[str]) -> Iterator[Mapping[str, Any]]:
    """The best path is the FIB's (BIRD's primary route), every other one that was accepted the RIB's."""
    devices = {way.via: way.device for way in entry.gateways}
    for path in entry.paths:
        if path.accepted:
            first = entry.gateways[0] if path.best and entry.gateways else None
            gateway = first.via if first else path.next_hop or NONE
            device = devices.get(gateway, "") if path.next_hop else "blackhole"
            yield {
                "type": "FIB" if path.best else "RIB",
                "destination": entry.prefix,
                "gateway": gateway,
                "interface": device,
                "learnedFrom": _learned_from(path, mesh),
            }


def _learned_from(path: RibPath, mesh: Collection[str]) -> dict[str, str]:
    if path.source in SOURCES:
        return {"sourceType": SOURCES[path.source]}
    return {"sourceType": "NodeMesh" if path.session in mesh else "BGPPeer", "peerIP": path.peer or ""}
