"""The condition NetworkUnavailable, and labels for blocks that have none. Edge."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from felixpy.datastore.duties import Said
from felixpy.datastore.kubernetes.api import Api, Request, query
from felixpy.datastore.kubernetes.copies import Page, understood
from felixpy.datastore.kubernetes.discovery import Way
from felixpy.datastore.kubernetes.places import HOSTNAME_HASH
from felixpy.datastore.kubernetes.single import Singles
from felixpy.model.errors import Conflict, InvalidResource
from felixpy.model.resources import KINDS, BlockAffinity, IPAMBlock, Spec

CONDITION = "NetworkUnavailable"
REASON = "RoutesArePresent"
LONGEST_MESSAGE = 1024  # of an Event, by the API server
STRATEGIC = "application/strategic-merge-patch+json"


async def network_up(api: Api, node: str) -> bool:
    """As `Duties.network_up`."""
    path = f"/api/v1/nodes/{node}"
    stored = msgspec.json.decode(await api.call(Request("GET", path)))
    conditions = stored.get("status", {}).get("conditions") or ()
    if any(one.get("type") == CONDITION and one.get("status") == "False" for one in conditions):
        return False
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    condition = {
        "type": CONDITION,
        "status": "False",
        "reason": REASON,
        "message": "birdpy has its configuration and a session, or nobody to have one with",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
    }
    body = msgspec.json.encode({"status": {"conditions": [condition]}})
    await api.call(Request("PATCH", f"{path}/status", body, content=STRATEGIC))
    return True


async def say(api: Api, node: str, said: Said) -> None:
    """As `EventLog.say`. About the DaemonSet: an Event about a Node would have to lie in another namespace."""
    namespace, now = api.access.namespace, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": "felixpy-"},
        "involvedObject": {
            "apiVersion": "apps/v1", "kind": "DaemonSet", "namespace": namespace, "name": "felixpy",
        },
        "type": "Warning",
        "reason": said.reason,
        "message": said.message[:LONGEST_MESSAGE],
        "source": {"component": "felixpy", "host": node},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }  # fmt: skip
    path = f"/api/v1/namespaces/{namespace}/events"
    await api.call(Request("POST", path, msgspec.json.encode(event)))


async def stamp_own(way: Way, singles: Singles, node: str) -> tuple[str, ...]:
    """As `Duties.stamp_own`. On a cluster where every object has its label this is two empty lists."""
    stamped: list[str] = []
    wide = way.widened()
    for kind in (BlockAffinity, IPAMBlock):
        place = await wide.place(kind)
        path = place.collection() + query(labelSelector=f"!{HOSTNAME_HASH}", resourceVersion="0")
        page = understood(await way.api.call(Request("GET", path)), Page)
        stamped += [await _stamp(way, singles, kind, bytes(item), node) for item in page.items or ()]
    return tuple(name for name in stamped if name)


async def _stamp(way: Way, singles: Singles, kind: type[Spec], data: bytes, node: str) -> str:
    try:
        found: Any = way.objects.decode(KINDS[kind], data)
        owner = f"host:{found.spec.node}" if kind is BlockAffinity else found.spec.affinity
        if owner != f"host:{node}" or (kind is BlockAffinity and found.spec.type != "host"):
            return ""
        await singles.update(found, None)
    except (InvalidResource, Conflict):  # it is told elsewhere; or its owner has just written it, with the labels
        return ""
    return f"{kind.__name__}/{found.name}"
