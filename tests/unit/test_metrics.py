"""What Prometheus reads of a daemon's health."""

from collections import Counter

import pytest
from prometheus_client.parser import text_string_to_metric_families

from birdpy import metered as router
from birdpy.latency import Latency
from felixpy.audit import Audited
from felixpy.cni.calls import Calls
from felixpy.daemon.metrics import exposition
from felixpy.ipam.usage import PoolUse
from felixpy.metered import ADDRESSES, FULL, VIOLATIONS, of_cluster
from felixpy.model.metrics import BOUNDS, Histogram
from felixpy.model.status import HealthStatus, PeerStatus, RefusedStatus
from tests.metrics_table import PATH, document

HEALTH = HealthStatus(
    daemon="felixpy", node="n1", version="1", pid=7, started=1000.0, datastore="files:/s", datastore_reachable=True,
    in_sync=True, ready=False, live=True, last_pass=1090.0, passes=12, keys={"routes": 3, "sysctls": 9},
    refused=(RefusedStatus("routes", "10.0.0.1/32", "held by another", 1095.0),),
)  # fmt: skip


def samples(health: HealthStatus) -> dict[tuple[str, str], float]:
    families = text_string_to_metric_families(exposition(health, now=1100.0))
    return {(one.name, one.labels.get("table", "")): one.value for family in families for one in family.samples}


def test_prometheus_reads_what_the_daemon_says() -> None:
    assert samples(HEALTH) == {
        ("felixpy_in_sync", ""): 1, ("felixpy_ready", ""): 0, ("felixpy_live", ""): 1,
        ("felixpy_datastore_reachable", ""): 1, ("felixpy_conditions", ""): 0, ("felixpy_datastore_problems", ""): 0,
        ("felixpy_datastore_lag_seconds", ""): 0,
        ("felixpy_start_time_seconds", ""): 1000, ("felixpy_last_pass_age_seconds", ""): 10,
        ("felixpy_passes_total", ""): 12, ("felixpy_keys_wanted", "routes"): 3, ("felixpy_keys_wanted", "sysctls"): 9,
        ("felixpy_keys_refused", "routes"): 1, ("felixpy_keys_refused", "sysctls"): 0,
    }  # fmt: skip


def test_no_metrics_library_is_loaded_before_somebody_asks() -> None:
    import subprocess
    import sys

    program = "import sys, felixpy.process; print('prometheus_client' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_version_is_the_installed_one_and_nothing_is_loaded_for_it() -> None:
    import subprocess
    import sys
    from importlib import metadata

    program = "import sys; from felixpy.daemon.version import version; print(version(), 'email' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [metadata.version("felixpy"), "False"]


def peer(number: int, kind: str = "mesh", state: str = "established") -> PeerStatus:
    return PeerStatus(
        name=f"Mesh_{number}", address=f"10.0.{number // 256}.{number % 256}", type=kind, asn=64512, local_as=64512,
        state=state, received=3, accepted=2, advertised=1,
    )  # fmt: skip


@pytest.mark.parametrize("mesh", [1, router.MESH_SHOWN, router.MESH_SHOWN + 1, 500])
def test_a_large_mesh_is_one_peer_and_the_others_have_their_own_series(mesh: int) -> None:
    found = router.of_peers([*map(peer, range(mesh)), peer(999, "global", "idle")])
    shown = mesh if mesh <= router.MESH_SHOWN else 0
    assert len(found[router.UP]) == shown + 1 and found[router.UP]["10.0.3.231", "global"] == 0
    assert found[router.SESSIONS] == {
        ("mesh", "up"): mesh, ("mesh", "down"): 0, ("global", "up"): 0, ("global", "down"): 1,
    }  # fmt: skip
    assert sum(value for value in found[router.RECEIVED].values() if isinstance(value, float)) == 3 * (mesh + 1)
    assert len(found[router.RECEIVED]) <= router.MESH_SHOWN + 1


def test_a_histogram_counts_what_does_not_exceed_each_bound() -> None:
    histogram = Histogram()
    for seconds in (0.0, BOUNDS[0], 0.003, 99.0, -1.0):
        histogram.observe(seconds)
    counts = dict(histogram.buckets())
    assert (counts[str(BOUNDS[0])], counts["0.005"], counts["10.0"], counts["+Inf"]) == (3, 4, 4, 5)
    text = exposition(HEALTH, 1100.0, {router.DECISION: {(): histogram}})
    assert 'felixpy_decision_seconds_bucket{le="0.005"} 4.0' in text and "felixpy_decision_seconds_count 5.0" in text


def test_the_oldest_update_that_the_kernel_does_not_know_of_is_what_counts() -> None:
    latency = Latency()
    latency.decided(10.0, 10.001, wanted=True)
    latency.decided(10.5, 10.501, wanted=True)
    since = latency.pass_began()
    latency.decided(10.6, 10.601, wanted=False)
    latency.pass_ended(since, 10.7)
    latency.pass_ended(latency.pass_began(), 11.0)
    assert sum(latency.decision.counts) == 3
    assert (sum(latency.programming.counts), round(latency.programming.total, 3)) == (1, 0.7)


def test_a_caller_of_the_plugin_makes_no_labels_of_his_own() -> None:
    calls = Calls()
    for command in ("ADD", "ADD", "evil{}", ""):
        calls.ended(command, 0.01)
        calls.failed(command, 7)
    assert set(calls.took) == {"ADD", "other"} and calls.refused == {("ADD", "7"): 2, ("other", "7"): 2}


def test_pools_and_violations_are_told_by_the_elected_agent_alone() -> None:
    assert of_cluster(Audited()) == {}
    pools = (PoolUse("four", used=6, reserved=2, free=8, full_not_before=1e9), PoolUse("six", 0, 0, 64))
    found = of_cluster(Audited(1000.0, 0.5, Counter(books=2), pools))
    assert found[ADDRESSES]["four", "used"] == 6 and found[ADDRESSES]["six", "free"] == 64
    assert found[FULL] == {("four",): 1e9}
    assert found[VIOLATIONS]["books",] == 2 and found[VIOLATIONS]["loop",] == 0, "what holds is said, too"


def test_the_documented_table_is_what_the_code_has() -> None:
    assert PATH.read_text() == document(), "make metrics writes it anew"
