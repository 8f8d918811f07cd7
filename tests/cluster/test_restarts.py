"""Everything that a cluster is made of is restarted under a ping between pods of two nodes: none goes unanswered."""

import time

import pytest

from tests.cluster.ground import Ground, lost
from tests.cluster.places import until

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.timeout(600)]
AWAY_S = 60.0


@pytest.mark.parametrize("daemon", ["felixpy", "birdpy"])
def test_a_rolling_restart_of_a_daemonset_loses_no_packet(ground: Ground, daemon: str) -> None:
    with ground.unbroken(ground.on("n1"), ground.on("n2")):
        ground.kubectl("-n", "felixpy", "rollout", "restart", f"daemonset/{daemon}")
        ground.rolled_out(f"daemonset/{daemon}")


def test_a_restart_of_containerd_loses_no_packet(ground: Ground) -> None:
    with ground.unbroken(ground.on("n1"), ground.on("n2")):
        for machine in ground.cluster.machines.values():
            machine.end("containerd")
            machine.start_containerd()


@pytest.mark.parametrize("part", ["kube-apiserver", "etcd"])
def test_a_restart_of_the_control_plane_loses_no_packet_and_pods_are_made_again(ground: Ground, part: str) -> None:
    with ground.unbroken(ground.on("n1"), ground.on("n2")):
        ground.cluster.control.restart(part)
        until(ground.cluster.control.answers, "the API server is back", 60)
        time.sleep(2)
    name = ground.pods("app=one")[0].name
    ground.kubectl("delete", "pod", name)
    ground.ready("app=one", 1)


def test_a_minute_without_api_server_and_restarts_of_our_daemons_in_it_lose_nothing(ground: Ground) -> None:
    control = ground.cluster.control
    source, target = ground.on("n1"), ground.on("n2")
    with ground.unbroken(source, target):
        control.running.pop("kube-apiserver").end()
        began = time.monotonic()
        for machine in ground.cluster.machines.values():
            for name in ("felixpy", "birdpy"):
                machine.kill(name)
        time.sleep(max(0.0, AWAY_S - (time.monotonic() - began)))
        control.start_api()
        until(control.answers, "the API server is back", 60)
        for name in ("felixpy", "birdpy"):
            until(lambda name=name: ready(ground, name) == 3, f"{name} is ready everywhere", 240)  # type: ignore[misc]


def ready(ground: Ground, daemon: str) -> int:
    """How many pods of a DaemonSet are ready."""
    return int(ground.cluster.control.get("-n", "felixpy", "daemonset", daemon)["status"].get("numberReady", 0))


def test_a_lost_ping_would_be_seen() -> None:
    answered = [f"64 bytes from 10.65.0.2: icmp_seq={number} ttl=62" for number in range(1, 30) if number != 17]
    assert lost("\n".join(answered)) == [17]
