"""`felixpy check` on a real network: silent in order, and each planted fault is named with its proof."""

import json
from typing import Any

import pytest

from tests.lab.conftest import Running, until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


def check(lab: Running) -> tuple[int, list[dict[str, Any]]]:
    done = lab.labs.felixpy("check", "--lab", lab.name, "-o", "json")
    assert not done.stderr.count("Traceback"), done.stderr
    answer = json.loads(done.stdout)
    assert answer["missing"] == {}, "switches and hosts outside are silent by right; all others answer"
    return done.returncode, answer["violations"]


def test_the_quickstart_is_in_order(quickstart: Running) -> None:
    until(lambda: check(quickstart) == (0, []))


def test_a_loop_that_two_kernels_make_is_named_at_both(quickstart: Running) -> None:
    until(lambda: check(quickstart) == (0, []))
    (block,) = [r["dst"] for r in quickstart.routes("n1") if r.get("type") == "blackhole"]
    quickstart.exec("n2", "ip", "route", "add", block, "via", "172.20.0.13")
    quickstart.exec("n3", "ip", "route", "add", block, "via", "172.20.0.12")
    try:
        code, found = check(quickstart)
        assert code == 1
        assert {(it["invariant"], it["node"]) for it in found} == {("loop", "n2"), ("loop", "n3")}
        assert any(it["subject"] == f"block {block} of n1" and "n2 > n3" in it["proof"] for it in found)
    finally:
        quickstart.exec("n2", "ip", "route", "del", block, "via", "172.20.0.13")
        quickstart.exec("n3", "ip", "route", "del", block, "via", "172.20.0.12")
    until(lambda: check(quickstart) == (0, []))


def test_a_policy_rule_that_swallows_a_pods_packets_is_named(quickstart: Running) -> None:
    pod = next(pod for pod in quickstart.pods().values() if pod.node == "n1")
    quickstart.exec("n2", "ip", "rule", "add", "to", f"{pod.address}/32", "prohibit")
    try:
        code, found = check(quickstart)
        assert code == 1
        assert [(it["invariant"], it["node"]) for it in found] == [("pod-reachable", "n2")]
        assert found[0]["proof"] == "from n2: dropped by a route at n2"
    finally:
        quickstart.exec("n2", "ip", "rule", "del", "to", f"{pod.address}/32", "prohibit")
    until(lambda: check(quickstart) == (0, []))
