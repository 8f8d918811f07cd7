"""What Prometheus reads of a daemon's health."""

from prometheus_client.parser import text_string_to_metric_families

from felixpy.daemon.metrics import exposition
from felixpy.model.status import HealthStatus, RefusedStatus

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
