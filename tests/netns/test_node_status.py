"""CalicoNodeStatus objects, filled by the routers of the nodes that they are about."""

import json
from typing import Any

import pytest
import yaml

from felixpy.model.resources import CalicoNodeStatus
from tests.netns.fabric import Fabric
from tests.netns.test_router import two_nodes
from tests.speakers import eventually

pytestmark = [pytest.mark.root]


def status(fabric: Fabric, name: str) -> dict[str, Any]:
    """What the stored object says."""
    document = yaml.safe_load((fabric.machines[0].store / "caliconodestatuses" / f"{name}.yaml").read_text())
    return dict(json.loads(json.dumps(document.get("status") or {}, default=str)))


def test_a_status_is_filled_again_and_again_or_once_and_a_change_of_it_at_once(fabric: Fabric) -> None:
    both = ("Agent", "BGP", "Routes")
    fabric.put(live=CalicoNodeStatus(node="n1", classes=both, update_period_seconds=1))
    fabric.put(once=CalicoNodeStatus(node="n2", classes=("Agent",), update_period_seconds=0))
    two_nodes(fabric)
    eventually(lambda: status(fabric, "live").get("bgp", {}).get("numberEstablishedV4") == 1, 30)
    eventually(lambda: "10.65.2.0/26" in str(status(fabric, "live")["routes"]["routesV4"]), 60)
    found = status(fabric, "live")
    assert found["agent"]["birdV4"]["state"] == found["agent"]["birdV6"]["state"] == "Ready"
    assert [(it["peerIP"], it["type"]) for it in found["bgp"]["peersV6"]] == [("fd20::2", "NodeMesh")]
    rows = {it["destination"]: it for it in found["routes"]["routesV4"] if it["type"] == "FIB"}
    assert rows["10.65.2.0/26"]["gateway"] == "172.20.0.2" and rows["10.65.2.0/26"]["interface"] == "eth1"
    assert rows["10.65.1.0/26"]["interface"] == "blackhole"
    eventually(lambda: status(fabric, "live")["lastUpdated"] > found["lastUpdated"], 60)
    first = status(fabric, "once")
    assert first.keys() == {"lastUpdated", "agent"}
    file = fabric.machines[0].store / "caliconodestatuses" / "once.yaml"
    file.write_text(file.read_text().replace("- Agent", "- BGP"))
    eventually(lambda: status(fabric, "once").keys() == {"lastUpdated", "bgp"}, 60)
