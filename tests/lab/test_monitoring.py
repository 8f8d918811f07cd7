"""What manifests/monitoring brings, in a real Prometheus that scrapes a lab."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from tests.lab.conftest import ROOT, Labs, Running, until
from tests.monitoring import ALERTS, expressions, rules

pytestmark = [
    pytest.mark.lab, pytest.mark.root, pytest.mark.timeout(300),
    pytest.mark.skipif(not shutil.which("prometheus"), reason="needs prometheus"),
]  # fmt: skip

BASE = "http://127.0.0.1:19090"
TOPOLOGY = """
name: NAME
topology:
  defaults:
    kind: linux
    image: felixpy:latest
    env:
      FELIXPY_DATASTORE: files:/var/lib/felixpy/store
      FELIXPY_METRICS_PORT: 9891
      FELIXPY_METRICS_ADDRESS: 0.0.0.0
      FELIXPY_CHECK_INTERVAL_S: 1
      BIRDPY_METRICS_PORT: 9892
      BIRDPY_METRICS_ADDRESS: 0.0.0.0
  nodes:
    n1: {exec: [ip address add 172.20.0.11/24 dev eth1, felixpy apply -f FILE, felixpy pod add a]}
    n2: {exec: [ip address add 172.20.0.12/24 dev eth1, felixpy apply -f FILE, felixpy pod add b]}
  links: [{endpoints: ["n1:eth1", "n2:eth1"]}]
"""
RESOURCES = """
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: pods}
spec: {cidr: 10.65.0.0/24, blockSize: 26}
---
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: n1}
spec: {bgp: {ipv4Address: 172.20.0.11/24}}
---
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: n2}
spec: {bgp: {ipv4Address: 172.20.0.12/24}}
"""
GHOST = """
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: ghost}
spec: {node: n1, peerIP: 172.20.0.99, asNumber: 65099}
"""
# Without a fault these have nothing to show.
SILENT_WHEN_WELL = ("felixpy_cni_errors_total", "felixpy_ipam_full_timestamp_seconds")


@pytest.fixture
def lab(labs: Labs, tmp_path: Path) -> Iterator[Running]:
    """Two nodes with a pod each, and Prometheus on the second: a scrape and an evaluation each second."""
    resources = tmp_path / "resources.yaml"
    resources.write_text(RESOURCES)
    file = labs.write(TOPOLOGY.replace("FILE", str(resources)))
    labs.deploy(file)
    made = Running(labs, labs.names[-1], file)
    alone = {**yaml.safe_load(ALERTS.read_text())["spec"]}
    for group in alone["groups"]:
        for rule in group["rules"]:
            rule.pop("for", None)  # the test has not the patience of a person who is woken up
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(alone))
    targets = {
        daemon: [f"{host}:{port}" for host in ("172.20.0.11", "172.20.0.12")]
        for daemon, port in (("felixpy", 9891), ("birdpy", 9892))
    }
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(tmp_path / "rules.yml")],
        "scrape_configs": [{"job_name": it, "static_configs": [{"targets": at}]} for it, at in targets.items()],
    }
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    options = ("--web.listen-address", BASE.removeprefix("http://"), "--log.level", "warn")
    paths = ("--config.file", str(tmp_path / "prometheus.yml"), "--storage.tsdb.path", str(tmp_path / "tsdb"))
    running = made.start("n2", "prometheus", *options, *paths)
    try:
        yield made
    finally:
        made.stop(running)


def ask(lab: Running, *paths: str) -> list[Any]:
    """What Prometheus answers to each, in one visit."""
    return list(json.loads(lab.exec("n2", sys.executable, str(ROOT / "tests/lab/ask_prometheus.py"), BASE, *paths)))


def query(expression: str) -> str:
    return f"/api/v1/query?query={quote(expression)}"


def test_every_panel_and_alert_works_and_a_dead_peer_fires_its_alert(lab: Running, tmp_path: Path) -> None:
    panels = {re.sub(r"\$__rate_interval", "30s", it).replace("$instance", ".*") for it in expressions()}
    wanted = sorted(it for it in panels if not it.startswith(SILENT_WHEN_WELL) and SILENT_WHEN_WELL[0] not in it)
    found: list[Any] = []

    def all_are_there() -> bool:
        found[:] = ask(lab, *map(query, wanted))
        assert all(it["status"] in ("success", "away") for it in found), found
        return all(it.get("data", {}).get("result") for it in found)

    try:
        until(all_are_there, 60)
    except AssertionError as error:
        missing = [name for name, it in zip(wanted, found, strict=True) if not it.get("data", {}).get("result")]
        raise AssertionError(f"nothing is found by: {missing}") from error
    others = ask(lab, *map(query, [*(panels - set(wanted)), *(rule["expr"] for rule in rules())]))
    assert [it for it in others if it["status"] != "success"] == []
    (loaded,) = ask(lab, "/api/v1/rules")
    seen = [rule for group in loaded["data"]["groups"] for rule in group["rules"]]
    assert {rule["name"] for rule in seen} == {rule["alert"] for rule in rules()}
    until(lambda: "BirdpySessionDown" not in firing(lab), 30)
    (tmp_path / "ghost.yaml").write_text(GHOST)
    lab.exec("n1", "felixpy", "apply", "-f", str(tmp_path / "ghost.yaml"))
    until(lambda: "BirdpySessionDown" in firing(lab), 30)
    assert firing(lab)["BirdpySessionDown"] == {"172.20.0.11:9892"}, "only the node that has the dead peer"


def firing(lab: Running) -> dict[str, set[str]]:
    """The alerts that fire, with the daemons they are about."""
    found: dict[str, set[str]] = {}
    for alert in ask(lab, "/api/v1/alerts")[0]["data"]["alerts"]:
        found.setdefault(alert["labels"]["alertname"], set()).add(alert["labels"].get("instance", ""))
    return found


def test_the_rules_are_sound(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(yaml.safe_load(ALERTS.read_text())["spec"]))
    done = subprocess.run(
        ["promtool", "check", "rules", str(tmp_path / "rules.yml")],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
