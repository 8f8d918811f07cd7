"""Uninstalling is a step of its own: every node gives up the network, says so, is as before; then it comes back."""

import pytest

from tests.cluster import install
from tests.cluster.ground import Ground
from tests.cluster.places import until

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.timeout(900)]
LEFT = """
ip route show proto 80; ip route show proto bird; ip -6 route show proto 80; ip -6 route show proto bird
ip neigh show nud permanent | grep -v lladdr.33:33 || true
nft list tables | grep felix || true
ls /etc/cni/net.d /run/felixpy /var/lib/felixpy
ls /opt/cni/bin | grep -v loopback || true
"""
UNINSTALL = "app.kubernetes.io/name=felixpy-uninstall"


def left(ground: Ground, node: str) -> list[str]:
    """What is still there of ours on a node."""
    lines = ground.cluster.host(node).run(["sh", "-c", LEFT]).splitlines()
    return [line for line in lines if line and not line.endswith(":")]


def told(ground: Ground) -> str:
    """What the nodes have reported so far."""
    try:
        return ground.kubectl("-n", "felixpy", "logs", "-l", UNINSTALL, "-c", "leave", "--tail=-1")
    except AssertionError:  # a container is not started yet
        return ""


def test_uninstall_waits_for_pods_then_leaves_nothing_and_a_new_installation_works(ground: Ground) -> None:
    assert left(ground, "n1"), "the look itself works"
    ground.kubectl("apply", "-k", str(install.write(ground.cluster, "uninstall", configured=False)))
    until(lambda: told(ground).count("attached pods: delete or move them") == 3, "every node says why it waits", 180)
    assert ground.fetch("out", ground.on("n1").address(), port=8080) == "198.51.100.10", (
        "pods that are there still talk"
    )

    ground.kubectl("delete", "deployment/web", "deployment/one", "daemonset/everywhere", timeout=120)
    ground.rolled_out("daemonset/felixpy-uninstall")
    report = told(ground)
    for node in ("n1", "n2", "n3"):
        assert f"{node}: done: nothing of felixpy is left here" in report, report
        assert left(ground, node) == []
    held = ground.cluster.host("tor").run(["ip", "route"])
    assert not [node for node in ("n1", "n2", "n3") if f"via {ground.cluster.fabric.address(node)} " in held], held
    daemons = ("-n", "felixpy", "pods", "-l", "app.kubernetes.io/name in (felixpy, birdpy)")
    until(lambda: not ground.cluster.control.get(*daemons)["items"], "their pods are gone", 180)

    ground.kubectl("delete", "-k", str(install.write(ground.cluster, "uninstall", configured=False)), timeout=120)
    ground.kubectl("label", "node", "--all", "felixpy.io/uninstall-")
    install.install(ground.cluster, more=ground.settings)
    ground.fill()
    assert ground.fetch("out", ground.on("n2").address(), port=8080) == "198.51.100.10"
