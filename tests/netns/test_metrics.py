"""What both daemons measure while they work, as Prometheus reads it."""

from http.client import HTTPConnection
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from felixpy.model.addresses import Asn
from felixpy.model.resources import BGPPeer
from tests.namespaces import Namespace
from tests.netns.agent_process import ip, node, until
from tests.netns.cni_plugin import Runtime, apply, document
from tests.netns.fabric import Fabric, eventually
from tests.netns.test_bgp_port import PEER, THEIRS
from tests.speakers import bird, needs

pytestmark = [pytest.mark.root]
PORT = 19092


def scraped() -> dict[str, float]:
    """Every sample, by its name and its labels' values in the order of the labels: `felixpy_repairs_total routes`."""
    connection = HTTPConnection("127.0.0.1", PORT, timeout=5)
    connection.request("GET", "/metrics")
    families = text_string_to_metric_families(connection.getresponse().read().decode())
    return {" ".join((one.name, *one.labels.values())): one.value for family in families for one in family.samples}


def test_the_agent_counts_calls_errors_endpoints_and_repairs(netns: Namespace, tmp_path: Path) -> None:
    with node(tmp_path) as made:
        apply(made, document("Node", "n1"), document("IPPool", "four", cidr="10.65.0.0/24", blockSize=28))
        made.start("--metrics-port", str(PORT))
        runtime = Runtime(made)
        attached = runtime.add("one", netns.another())
        assert runtime.call("ADD", "two", netns.another(), interface="").code == 1
        until(lambda: scraped()["felixpy_endpoints up"] == 1)
        found = scraped()
        assert (found["felixpy_fib_routes"], found["felixpy_repairs_total routes"]) == (1, 0)
        assert found["felixpy_cni_call_seconds_count ADD"] == 2 and 0 < found["felixpy_cni_call_seconds_sum ADD"] < 10
        assert found["felixpy_cni_errors_total 4 ADD"] == 1
        ip("route", "del", attached.addresses[0], "dev", attached.device)
        until(lambda: scraped()["felixpy_repairs_total routes"] == 1 and attached.addresses[0] in ip("route"))


@needs("bird")
def test_the_router_measures_the_way_from_an_update_to_the_kernel(fabric: Fabric, tmp_path: Path) -> None:
    n1 = fabric.node("n1", 1)
    n1.extra["BIRDPY_METRICS_PORT"] = str(PORT)
    fabric.put(bird=BGPPeer(node="n1", peer_ip=THEIRS, as_number=Asn(65009)))
    with fabric.beside(9), bird(tmp_path / "bird", PEER):
        n1.start()
        eventually(lambda: "203.0.113.0/24" in n1.routes(), 60)
        found = n1.namespace.inside(scraped)
        assert found[f"birdpy_peer_up {THEIRS} node"] == found["birdpy_sessions up node"] == 1
        assert found[f"birdpy_peer_accepted_prefixes {THEIRS} node"] == 1
        assert found["birdpy_fib_routes"] == 3 and found["birdpy_repairs_total"] == 0, (
            "both blocks and what was learned"
        )
        assert found["birdpy_programming_seconds_count"] >= 1 and found["birdpy_decision_seconds_count"] >= 1
        assert 0 < found["birdpy_programming_seconds_sum"] < 10
        assert (found["birdpy_exabgp_restarts_total"], found["birdpy_bridge_queue_bytes"]) == (0, 0)


def test_the_elected_agent_checks_the_cluster_and_tells_how_full_pools_are(netns: Namespace, tmp_path: Path) -> None:
    with node(tmp_path) as made:
        apply(made, document("Node", "n1"), document("IPPool", "four", cidr="10.65.0.0/24", blockSize=28))
        made.start("--metrics-port", str(PORT), "--check-interval-s", "0.5", "--leak-grace-s", "0")
        attached = Runtime(made).add("one", netns.another())
        until(lambda: scraped().get("felixpy_ipam_addresses four used") == 1, 60)
        found = scraped()
        assert found["felixpy_ipam_addresses four free"] == 255 and found["felixpy_check_violations books"] == 0
        assert found["felixpy_datastore_lag_seconds"] < 1 and found["felixpy_datastore_change_seconds_count"] > 0
        (handle,) = (made.store / "ipamhandles").iterdir()
        text = handle.read_text()
        handle.unlink()
        until(lambda: scraped()["felixpy_check_violations books"] > 0, 60)
        assert attached.addresses[0] in str(made.lines("invariant violated")), "the log names what it found"
        handle.write_text(text)
        until(lambda: scraped()["felixpy_check_violations books"] == 0, 60)
