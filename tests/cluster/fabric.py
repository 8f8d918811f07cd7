"""The wires of a cluster: a lab of plain nodes around a FRR switch, and an outside host behind it.

    out 198.51.100.10
     |
    tor  AS 65000          172.20.0.1, one bridge for the rack
     |
cp  n1  n2  n3  (n4)       172.20.0.10, .11, ...; cp: control plane; the last node is spare
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from felixpy.lab import registry
from felixpy.lab.registry import Lab

V4, V6 = "172.20.0.", "2001:db8:20::"
CONTROL = "172.20.0.10"
OUTSIDE = {4: "198.51.100.10", 6: "2001:db8:51::10"}
TOR = """frr defaults datacenter
hostname tor
ip forwarding
ipv6 forwarding
interface rack
 ip address 172.20.0.1/24
 ipv6 address 2001:db8:20::1/64
exit
interface eth1
 ip address 198.51.100.1/24
 ipv6 address 2001:db8:51::1/64
exit
router bgp 65000
 bgp router-id 172.20.0.1
 no bgp ebgp-requires-policy
 bgp graceful-restart
 bgp bestpath as-path multipath-relax
 neighbor V4 peer-group
 neighbor V4 remote-as 64512
 neighbor V6 peer-group
 neighbor V6 remote-as 64512
 bgp listen range 172.20.0.0/24 peer-group V4
 bgp listen range 2001:db8:20::/64 peer-group V6
 address-family ipv4 unicast
  network 198.51.100.0/24
  no neighbor V6 activate
 exit-address-family
 address-family ipv6 unicast
  network 2001:db8:51::/64
  neighbor V6 activate
 exit-address-family
exit
"""
PRIVATE = ("opt/cni", "etc/cni", "var/lib/felixpy")  # a machine of its own has its own
DAEMONS = 'bgpd=yes\nzebra_options="-A 127.0.0.1"\nbgpd_options="-A 127.0.0.1"\n'


@dataclass(frozen=True, slots=True)
class Fabric:
    """What the wires connect; `folder` is bound into every node under its own path."""

    name: str
    folder: Path
    nodes: tuple[str, ...]

    def address(self, node: str, family: int = 4) -> str:
        """A node's address on the rack's network."""
        return f"{V4 if family == 4 else V6}{11 + self.nodes.index(node)}"

    @property
    def labs(self) -> Path:
        """The registry that this lab is in, and no other."""
        return self.folder / "labs"

    def deploy(self) -> Lab:
        """Make namespaces, links and the switch."""
        (self.folder / "frr").mkdir(parents=True)
        (self.folder / "frr" / "daemons").write_text(DAEMONS)
        (self.folder / "frr" / "frr.conf").write_text(TOR)
        return self._make("deploy")

    def change(self) -> Lab:
        """Make the running lab as `nodes` says: new ones are wired, those that are gone are removed wholly."""
        return self._make("apply")

    def _make(self, how: str) -> Lab:
        file = self.folder / "cluster.clab.yml"
        file.write_text(yaml.safe_dump(self._topology()))
        done = self._lab(how, "-t", str(file))
        assert done.returncode == 0 and "exit" not in done.stderr, done.stderr
        return registry.read(self.labs / self.name)

    def destroy(self) -> None:
        """Remove every node: the kernel ends all that runs in it, and drops its mounts and interfaces."""
        done = self._lab("destroy", "--all")
        assert done.returncode == 0, done.stderr

    def _lab(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("FELIXPY_", "BIRDPY_"))}
        return subprocess.run(
            [sys.executable, "-m", "felixpy", "lab", *arguments], env=kept | {"FELIXPY_LABS_DIR": str(self.labs)},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def _topology(self) -> dict[str, object]:
        hosts = {"cp": ("172.20.0.10", "2001:db8:20::10")}
        hosts |= {name: (self.address(name), self.address(name, 6)) for name in self.nodes}
        nodes = {name: self._host(name, *addresses) for name, addresses in hosts.items()}
        ports = [f"eth{number}" for number in range(2, len(hosts) + 2)]
        nodes["tor"] = {
            "kind": "linux", "image": "frr", "sysctls": {"net.ipv6.conf.all.forwarding": 1},
            "binds": [f"{self.folder}/frr/{name}:/etc/frr/{name}" for name in ("daemons", "frr.conf")],
            "exec": ["ip link add rack type bridge forward_delay 0",
                     *(f"ip link set {port} master rack" for port in ports), "ip link set rack up"],
        }  # fmt: skip
        nodes["out"] = _plain([
            f"ip address add {OUTSIDE[4]}/24 dev eth1", f"ip address add {OUTSIDE[6]}/64 dev eth1 nodad",
            "ip route replace default via 198.51.100.1", "ip -6 route replace default via 2001:db8:51::1",
        ])  # fmt: skip
        links = [(f"tor:{port}", f"{name}:eth1") for port, name in zip(ports, hosts, strict=True)]
        links.append(("tor:eth1", "out:eth1"))
        wired = [{"endpoints": list(ends), "mtu": 1500} for ends in links]
        return {"name": self.name, "topology": {"nodes": nodes, "links": wired}}

    def _host(self, name: str, v4: str, v6: str) -> dict[str, object]:
        own = {self.folder / name / folder.replace("/", "-"): f"/{folder}" for folder in PRIVATE}
        for place in own:
            place.mkdir(parents=True, exist_ok=True)
        lines = [
            f"ip address add {v4}/24 dev eth1", f"ip address add {v6}/64 dev eth1 nodad",
            "ip route replace default via 172.20.0.1", "ip -6 route replace default via 2001:db8:20::1",
        ]  # fmt: skip
        return _plain(lines) | {
            "binds": [f"{self.folder}:{self.folder}", *(f"{place}:{target}" for place, target in own.items())]
        }


def _plain(lines: list[str]) -> dict[str, object]:
    return {"kind": "linux", "image": "debian", "exec": lines}
