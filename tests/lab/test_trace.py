"""`felixpy trace` on a real network: a ping proves what is well; each planted fault is the first that fails."""

import json
from typing import Any

import pytest

from tests.lab.conftest import Pod, Running, until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


def trace(lab: Running, *argv: str) -> tuple[int, dict[str, Any]]:
    done = lab.labs.felixpy("trace", "--lab", lab.name, "-o", "json", *argv)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def two(lab: Running) -> tuple[Pod, Pod]:
    pods = lab.pods().values()
    one, other = (next(pod for pod in pods if pod.node == node) for node in ("n1", "n2"))
    until(lambda: lab.reaches(one.where, other.address))
    return one, other


def test_between_two_pods_every_hop_is_named_and_a_ping_of_full_size_proves_it(quickstart: Running) -> None:
    one, other = two(quickstart)
    code, answer = trace(quickstart, one.name, other.name)
    assert code == 0, answer["first_failure"]
    hops = [(it["node"], it["what"]) for it in answer["there"]["stations"]]
    assert hops == [
        ("n1", "pod"), ("n1", "route"), ("n1", "link"), ("n1", "next hop"),
        ("n2", "route"), ("n2", "link"), ("n2", "delivery"),
    ]  # fmt: skip
    assert answer["probe"]["answered"]
    assert (answer["full_size"]["size"], answer["full_size"]["answered"]) == (1500, True)


def test_to_a_host_outside_the_way_leads_through_the_switch_and_back(quickstart: Running) -> None:
    one, _ = two(quickstart)
    code, answer = trace(quickstart, f"default/{one.name}", "198.51.100.10")
    assert code == 0, answer["first_failure"]
    assert [it["node"] for it in answer["back"]["stations"] if it["what"] == "route"] == ["out", "tor", "n1"]


def test_a_loop_is_the_first_failure_and_the_ping_hears_it_too(quickstart: Running) -> None:
    one, other = two(quickstart)
    wrong = {"n1": "172.20.0.13", "n3": "172.20.0.11"}
    for node, via in wrong.items():
        quickstart.exec(node, "ip", "route", "add", f"{other.address}/32", "via", via)
    try:
        code, answer = trace(quickstart, one.name, other.name)
        assert code == 1
        assert (answer["first_failure"]["node"], answer["first_failure"]["what"]) == ("n3", "route")
        assert answer["probe"]["text"] == "TTL exceeded: a loop"
    finally:
        for node, via in wrong.items():
            quickstart.exec(node, "ip", "route", "del", f"{other.address}/32", "via", via)


def test_a_firewall_that_no_table_shows_is_found_by_the_ping(quickstart: Running) -> None:
    one, other = two(quickstart)
    quickstart.exec(
        "n2", "nft", "add table ip wall; add chain ip wall f { type filter hook forward priority 0; policy drop; }"
    )
    try:
        code, answer = trace(quickstart, one.name, other.name)
        assert code == 1
        assert answer["there"]["arrives"], "the tables are right: only the ping can know"
        assert answer["first_failure"]["what"] == "probe"
    finally:
        quickstart.exec("n2", "nft", "delete table ip wall")


def test_a_link_that_takes_less_than_it_says_fails_at_full_size_only(quickstart: Running) -> None:
    one, other = two(quickstart)
    quickstart.exec("n2", "ip", "link", "set", "eth1", "mtu", "1400")
    try:
        code, answer = trace(quickstart, one.name, other.name)
        assert (code, answer["probe"]["answered"]) == (1, True)
        assert answer["first_failure"]["what"] == "path MTU"
    finally:
        quickstart.exec("n2", "ip", "link", "set", "eth1", "mtu", "1500")


def test_a_name_that_is_nobodys_is_a_wrong_argument(quickstart: Running) -> None:
    done = quickstart.labs.felixpy("trace", "--lab", quickstart.name, "nobody", "10.65.0.1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "'nobody' is no address and no pod" in done.stderr
