"""A node added to the running lab and a node removed: the others follow, and no other session goes down."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.conftest import Running, deployed, until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

MORE_NODES = """    n4:
      group: node
      exec:
        - ip address add 172.20.0.14/24 dev eth1
        - felixpy apply -f /etc/felixpy/resources.yaml
        - felixpy pod add e
    out:
"""
MORE_LINKS = """    - endpoints: ["tor:eth5", "n4:eth1"]
      mtu: 1500
"""
MORE_RESOURCES = """---
apiVersion: projectcalico.org/v3
kind: Node
metadata:
  name: n4
spec:
  bgp:
    ipv4Address: 172.20.0.14/24
"""


@pytest.fixture
def lab() -> Iterator[Running]:
    yield from deployed("quickstart")


def ups(lab: Running, node: str) -> dict[str, float]:
    """Since when each session of a node is established."""
    peers = lab.ask("birdpy", "peers", node=node)["peers"]
    return {peer["address"]: peer["since"] for peer in peers if peer["state"] == "established"}


def same(since: dict[str, float], seconds: float = 0.1) -> Any:
    """Equal up-times: both sides work them out from another clock, FRR from one that ticks once a second."""
    return pytest.approx(since, abs=seconds)


def tor_ups(lab: Running) -> dict[str, float]:
    """Since when (seconds since the epoch) the switch has each session, and how often it went down."""
    summary: dict[str, Any] = lab.vtysh("tor", "show bgp neighbors")
    key = "bgpTimerUpEstablishedEpoch"  # absent while a session is not established
    return {peer: told[key] for peer, told in summary.items() if peer.startswith("172.") and key in told}


def edit(lab: Running) -> None:
    """What an administrator types into the three places: topology, switch port, resources."""
    text = lab.file.read_text()
    text = text.replace("    out:\n", MORE_NODES, 1) + MORE_LINKS
    text = text.replace("master rack\n        - ip link set rack up", "master rack\n        - ip link set rack up\n"
                        "        - ip link set eth5 master rack")  # fmt: skip
    lab.file.write_text(text)
    resources = lab.file.parent / "quickstart" / "resources.yaml"
    resources.write_text(resources.read_text() + MORE_RESOURCES)


def test_others_follow_a_node_that_comes_and_goes_without_a_session_going_down(lab: Running) -> None:
    original = lab.file.read_text()
    nodes = ("n1", "n2", "n3")
    until(lambda: all(len(ups(lab, node)) == 3 for node in nodes))
    before, before_tor = {node: ups(lab, node) for node in nodes}, tor_ups(lab)

    edit(lab)
    done = lab.labs.felixpy("lab", "apply", "-t", str(lab.file))
    assert done.returncode == 0, done.stderr
    e = lab.pods()["e"]
    assert e.node == "n4"
    for where in ("n1/a", "n3/d", "out"):
        until(lambda where=where: lab.reaches(where, e.address))  # type: ignore[misc]
    for node in nodes:
        until(lambda node=node: len(ups(lab, node)) == 4)  # type: ignore[misc]
        after = ups(lab, node)
        assert {peer: after[peer] for peer in before[node]} == same(before[node])
    assert {peer: since for peer, since in tor_ups(lab).items() if peer in before_tor} == same(before_tor, 1.5)

    lab.labs.felixpy("pod", "delete", "e", "--node", "n4", "--lab", lab.name)
    assert lab.labs.felixpy("delete", "node", "n4", "--lab", lab.name).returncode == 0
    lab.file.write_text(original)
    done = lab.labs.felixpy("lab", "apply", "-t", str(lab.file))
    assert done.returncode == 0, done.stderr
    assert "node n4 is removed" in done.stderr
    for node in nodes:
        until(lambda node=node: ups(lab, node) == same(before[node]))  # type: ignore[misc]
    assert {peer: since for peer, since in tor_ups(lab).items() if peer in before_tor} == same(before_tor, 1.5)


def test_a_session_that_went_down_would_be_seen(lab: Running) -> None:
    """The negative control: its up-time is another one afterwards."""
    until(lambda: len(ups(lab, "n1")) == 3)
    before, before_tor = ups(lab, "n1"), tor_ups(lab)
    until(lambda: time.time() > max(before_tor.values()) + 3)  # FRR's clock ticks once a second
    lab.exec("tor", "vtysh", "-c", "clear bgp 172.20.0.11")
    until(lambda: len(ups(lab, "n1")) == 3 and ups(lab, "n1") != same(before))
    until(lambda: tor_ups(lab) != same(before_tor, 1.5))


def test_applying_the_same_file_changes_nothing(lab: Running) -> None:
    done = lab.labs.felixpy("lab", "apply", "-t", str(lab.file))
    assert (done.returncode, done.stderr.strip().endswith("says already")) == (0, True)


def test_a_lab_that_does_not_run_is_not_changed(lab: Running) -> None:
    lab.labs.felixpy("lab", "destroy", "--all")
    done = lab.labs.felixpy("lab", "apply", "-t", str(lab.file))
    assert done.returncode == 1
    assert "does not run" in done.stderr
