"""Calls by hand, as cnitool makes them: our configuration with the distribution's portmap and bandwidth after us."""

import contextlib
import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.runtimes.host import UPLINK, Host, until

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]

CONFLIST = "/etc/cni/net.d/05-felixpy.conflist"
WANTED = {
    "portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}],
    "bandwidth": {
        "ingressRate": 8_000_000,
        "ingressBurst": 1_000_000,
        "egressRate": 8_000_000,
        "egressBurst": 1_000_000,
    },
}


@dataclass
class Chain:
    """The plugins of a configuration, called in order (DEL: in reverse) as libcni does; its cache is `result`."""

    machine: Host
    container: str
    result: dict[str, Any] = field(default_factory=dict)

    @property
    def netns(self) -> str:
        return f"/run/netns/{self.container}"

    def call(self, command: str) -> dict[str, Any]:
        document = json.loads(self.machine.run("cat", CONFLIST))
        plugins = document["plugins"] if command != "DEL" else list(reversed(document["plugins"]))
        if command == "CHECK":  # Debian's portmap 1.1.1 finds no IPv6 chain for a pod without IPv6, and complains
            plugins = [plugin for plugin in plugins if plugin["type"] != "portmap"]
        for plugin in plugins:
            self.one(command, document, plugin)
        return self.result

    def one(self, command: str, document: Mapping[str, Any], plugin: Mapping[str, Any]) -> None:
        asked = {name: WANTED[name] for name in plugin.get("capabilities", {})}
        config = {**plugin, "cniVersion": document["cniVersion"], "name": document["name"], "runtimeConfig": asked}
        if self.result:
            config["prevResult"] = self.result
        env = {
            "CNI_COMMAND": command, "CNI_CONTAINERID": self.container, "CNI_NETNS": self.netns,
            "CNI_IFNAME": "eth0", "CNI_PATH": "/opt/cni/bin",
        }  # fmt: skip
        words = [f"{name}={value}" for name, value in env.items()]
        said = self.machine.run("env", *words, f"/opt/cni/bin/{plugin['type']}", given=json.dumps(config))
        if command == "ADD":
            self.result = json.loads(said)


@contextlib.contextmanager
def page(machine: Host, container: str) -> Iterator[None]:
    """An HTTP server in the container's namespace."""
    machine.run("mkdir", "-p", "/run/www")
    machine.write("/run/www/index.html", "hello\n")
    server = subprocess.Popen(
        machine.command("ip", "netns", "exec", container, "busybox", "httpd", "-f", "-p", "80", "-h", "/run/www")
    )
    try:
        yield
    finally:
        machine.kill("busybox")
        server.wait(10)


def fetched(machine: Host) -> str:
    return machine.client("curl", "-s", "--max-time", "2", f"http://{UPLINK}:8080/").stdout


def limits(machine: Host) -> list[str]:
    """The token buckets of the bandwidth plugin: one for each direction."""
    shown = machine.run("tc", "qdisc", "show").splitlines()
    return [line for line in shown if line.startswith("qdisc tbf")]


def test_portmap_and_bandwidth_work_after_us_and_go_with_the_pod(machine: Host) -> None:
    machine.run("ip", "netns", "add", "c1")
    chain = Chain(machine, "c1")
    result = chain.call("ADD")
    assert result["ips"][0]["address"].startswith("10.65.0.")
    with page(machine, "c1"):
        assert until(lambda: fetched(machine)) == "hello\n"
    device = result["interfaces"][0]["name"]
    assert len(limits(machine)) == 2 and any(f"dev {device} " in line for line in limits(machine))
    chain.call("CHECK")
    chain.call("DEL")
    until(lambda: not limits(machine))  # ours goes with the interface, a tenth of a second after DEL
    assert "8080" not in machine.run("iptables", "-t", "nat", "-S")
    chain.call("DEL")
    machine.run("ip", "netns", "delete", "c1")
    until(lambda: not machine.left())


def test_the_namespace_may_be_gone_before_del(machine: Host) -> None:
    machine.run("ip", "netns", "add", "c2")
    chain = Chain(machine, "c2")
    chain.call("ADD")
    assert machine.left()["addresses"] == 1
    machine.run("ip", "netns", "delete", "c2")
    chain.call("DEL")
    until(lambda: not machine.left())


def test_uninstalling_waits_for_the_last_pod_and_takes_both_files(machine: Host) -> None:
    machine.run("ip", "netns", "add", "c3")
    chain = Chain(machine, "c3")
    chain.call("ADD")
    refused = machine.try_run("felixpy", "cni", "uninstall")
    assert refused.returncode == 1 and "1 pods are attached" in refused.stderr
    chain.call("DEL")
    machine.run("ip", "netns", "delete", "c3")
    until(lambda: not machine.left())
    assert machine.run("felixpy", "cni", "uninstall").splitlines() == [
        f"removed: {CONFLIST}",
        "removed: /opt/cni/bin/felixpy",
    ]
    assert machine.run("sh", "-c", "ls /etc/cni/net.d; ls /opt/cni/bin").split() == [
        "bandwidth",
        "loopback",
        "portmap",
    ]
    machine.run("felixpy", "cni", "install")
