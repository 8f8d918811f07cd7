"""The text of the units."""

import pytest

from felixpy.host.units import BIRDPY, DAEMONS, FELIXPY, NETWORKD, Daemon, command, is_ours, unit


def settings(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))


@pytest.mark.parametrize("daemon", DAEMONS, ids=lambda daemon: daemon.name)
def test_a_unit_grants_what_it_gives_reasons_for_and_nothing_else(daemon: Daemon) -> None:
    text = unit(daemon, "/opt/felixpy/bin/python3")
    granted = settings(text)["CapabilityBoundingSet"].split()
    assert granted == [f"CAP_{name}" for name in daemon.capabilities]
    assert all(f"# CAP_{name}: {reason}." in text for name, reason in daemon.capabilities.items())
    assert is_ours(text.encode())


def test_the_capabilities_are_these() -> None:
    assert list(FELIXPY.capabilities) == ["NET_ADMIN"]
    assert list(BIRDPY.capabilities) == ["NET_ADMIN", "NET_BIND_SERVICE", "SETUID", "SETGID", "KILL"]


@pytest.mark.parametrize("daemon", DAEMONS, ids=lambda daemon: daemon.name)
def test_a_daemon_comes_back_and_only_it_is_asked_to_stop(daemon: Daemon) -> None:
    said = settings(unit(daemon, "/opt/felixpy/bin/python3"))
    assert said["ExecStart"] == f"/opt/felixpy/bin/python3 -I -m {daemon.name} run"
    assert said["ExecStart"].split() == command(daemon, "/opt/felixpy/bin/python3")
    assert (said["Restart"], said["StartLimitIntervalSec"], said["KillMode"]) == ("always", "0", "mixed")
    assert (said["RuntimeDirectoryPreserve"], said["RuntimeDirectory"]) == ("yes", "felixpy")


def test_pods_find_the_agent_before_their_runtime_starts() -> None:
    assert "containerd.service" in settings(unit(FELIXPY, "/p"))["Before"]
    assert "Before" not in settings(unit(BIRDPY, "/p"))


def test_a_store_elsewhere_can_be_written_to() -> None:
    assert settings(unit(FELIXPY, "/p", ["/srv/store"]))["ReadWritePaths"] == "/srv/store"
    assert "ReadWritePaths" not in settings(unit(FELIXPY, "/p"))


def test_networkd_is_told_to_leave_routes_and_rules_alone() -> None:
    assert settings(NETWORKD) == {"ManageForeignRoutes": "no", "ManageForeignRoutingPolicyRules": "no"}
    assert is_ours(NETWORKD.encode())
