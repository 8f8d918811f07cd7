"""Ways from pod to pod, each with pods and nodes of its own, so that none is in another's way.

    pod a -- n1 -- n2 -- pod b      and a second pod c on n1

Nodes are joined by one veth, as all links are. Ours is a deployed lab with both daemons running; the others are what
the plugin of that name does by its own hand: a bridge per node with routes between nodes (host-gw), a bridge and
VXLAN (Flannel's default), a bridge whose packets leave with the node's address (masquerade), two bare namespaces.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.bench.table import Bench
from tests.namespaces import Namespace
from tests.speakers import eventually

TOPOLOGY = """\
name: NAME
topology:
  groups:
    node: {kind: linux, image: felixpy:latest, env: {FELIXPY_DATASTORE: "files:/var/lib/felixpy/store"},
      binds: ["FOLDER/store:/var/lib/felixpy/store", "FOLDER/resources.yaml:/etc/felixpy/resources.yaml:ro"]}
  nodes:
    n1: {group: node, exec: [ip address add 172.20.0.1/24 dev eth1, felixpy apply -f /etc/felixpy/resources.yaml,
      felixpy pod add a, felixpy pod add c]}
    n2: {group: node, exec: [ip address add 172.20.0.2/24 dev eth1, felixpy apply -f /etc/felixpy/resources.yaml,
      felixpy pod add b]}
  links:
    - {endpoints: ["n1:eth1", "n2:eth1"], mtu: 1500}
"""
RESOURCES = """\
{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: pods}, spec: {cidr: 10.65.0.0/16, blockSize: 26}}
---
{apiVersion: projectcalico.org/v3, kind: Node, metadata: {name: n1}, spec: {bgp: {ipv4Address: 172.20.0.1/24}}}
---
{apiVersion: projectcalico.org/v3, kind: Node, metadata: {name: n2}, spec: {bgp: {ipv4Address: 172.20.0.2/24}}}
"""
MASQUERADE = """\
table ip bench {
  chain post {
    type nat hook postrouting priority srcnat;
    ip saddr 10.0.0.0/8 oifname "eth1" masquerade
  }
}
"""
VXLAN_MTU = "1450"
MACS = {1: "02:00:00:00:00:01", 2: "02:00:00:00:00:02"}


@dataclass(frozen=True, slots=True)
class Way:
    """Three pods, the two nodes (none between bare namespaces), and the address to reach each pod at."""

    name: str
    pods: dict[str, Namespace]
    addresses: dict[str, str]
    nodes: tuple[Namespace, ...] = ()


def joined(left: tuple[Namespace, str], right: tuple[Namespace, str]) -> None:
    """A veth between two namespaces, both ends up; an end is (namespace, device)."""
    (here, near), (there, far) = left, right
    inside = f"/proc/{os.getpid()}/fd/{there.fd}"
    here.run("ip", "link", "add", near, "type", "veth", "peer", "name", far, "netns", inside)
    here.run("ip", "link", "set", near, "up")
    there.run("ip", "link", "set", far, "up")


def bare(ground: Namespace) -> Way:
    """Two namespaces on one veth: nothing can be faster."""
    a, b = ground.another(), ground.another()
    joined((a, "eth0"), (b, "eth0"))
    for number, pod in enumerate((a, b), 1):
        pod.run("ip", "address", "add", f"10.1.0.{number}/24", "dev", "eth0")
    return Way("two bare namespaces (the limit)", {"a": a, "b": b, "c": b}, {"b": "10.1.0.2", "c": "10.1.0.2"})


def bridged(ground: Namespace, name: str = "bridge per node, routed") -> Way:
    """A bridge on each node, and a route to the other node's pods."""
    nodes = (ground.another(), ground.another())
    joined((nodes[0], "eth1"), (nodes[1], "eth1"))
    pods = {}
    for number, (node, names) in enumerate(zip(nodes, ("ac", "b"), strict=True), 1):
        other = 3 - number
        node.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        node.run("ip", "address", "add", f"172.20.0.{number}/24", "dev", "eth1")
        node.run("ip", "link", "add", "cni0", "type", "bridge")
        node.run("ip", "address", "add", f"10.65.{number}.1/24", "dev", "cni0")
        node.run("ip", "link", "set", "cni0", "up")
        node.run("ip", "route", "add", f"10.65.{other}.0/24", "via", f"172.20.0.{other}")
        for last, pod in enumerate(names, 2):
            pods[pod] = ground.another()
            joined((node, f"veth{pod}"), (pods[pod], "eth0"))
            node.run("ip", "link", "set", f"veth{pod}", "master", "cni0")
            pods[pod].run("ip", "address", "add", f"10.65.{number}.{last}/24", "dev", "eth0")
            pods[pod].run("ip", "route", "add", "default", "via", f"10.65.{number}.1")
    return Way(name, pods, {"b": "10.65.2.2", "c": "10.65.1.3"}, nodes)


def overlaid(ground: Namespace) -> Way:
    """As Flannel does it: one VXLAN device per node, entries for the other node by hand, 50 bytes less for pods."""
    made = bridged(ground, "bridge and VXLAN")
    for number, node in enumerate(made.nodes, 1):
        other = 3 - number
        line = f"flannel.1 address {MACS[number]} mtu {VXLAN_MTU} type vxlan id 1 dev eth1"
        node.run("ip", "link", "add", *line.split(), "local", f"172.20.0.{number}", "dstport", "8472", "nolearning")
        node.run("ip", "address", "add", f"10.65.{number}.0/32", "dev", "flannel.1")
        node.run("ip", "link", "set", "flannel.1", "up")
        node.run("ip", "neighbour", "add", f"10.65.{other}.0", "lladdr", MACS[other], "dev", "flannel.1")
        node.run("bridge", "fdb", "add", MACS[other], "dev", "flannel.1", "dst", f"172.20.0.{other}")
        way = ("via", f"10.65.{other}.0", "dev", "flannel.1", "onlink")
        node.run("ip", "route", "replace", f"10.65.{other}.0/24", *way)
    for pod in made.pods.values():
        pod.run("ip", "link", "set", "eth0", "mtu", VXLAN_MTU)
    return made


def masqueraded(ground: Namespace) -> Way:
    """As the bridge, and whatever leaves a node has the node's address."""
    made = bridged(ground, "bridge and masquerade")
    for node in made.nodes:
        node.run("nft", "-f", "-", given=MASQUERADE)
    return made


@contextlib.contextmanager
def ours(bench: Bench) -> Iterator[Way]:
    """A lab of two nodes, deployed as users do."""
    name, folder = f"way{os.getpid()}", bench.scratch / "ours"
    (folder / "store").mkdir(parents=True)
    (folder / "resources.yaml").write_text(RESOURCES)
    file = folder / f"{name}.clab.yml"
    file.write_text(TOPOLOGY.replace("NAME", name).replace("FOLDER", str(folder)))
    env = {**os.environ, "FELIXPY_LABS_DIR": str(folder / "labs")}

    def felixpy(*words: str) -> str:
        command = [sys.executable, "-m", "felixpy", "lab", *words]
        done = subprocess.run(command, env=env, check=False, capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise RuntimeError(f"felixpy lab {words[0]}: {done.stderr}")
        return done.stdout

    with contextlib.ExitStack() as stack:
        stack.callback(felixpy, "destroy", "--all")
        felixpy("deploy", "-t", str(file))
        holders = {
            node: (folder / "labs" / name / "nodes" / node / "holder").read_text().split()[0] for node in ("n1", "n2")
        }
        nodes = tuple(_opened(stack, f"/proc/{pid}/ns/net") for pid in holders.values())
        pods = {
            pod: _opened(stack, f"/proc/{holders[node]}/root/run/netns/{pod}")
            for pod, node in {"a": "n1", "c": "n1", "b": "n2"}.items()
        }
        addresses = {pod: pods[pod].run("ip", "-o", "-4", "address", "show", "eth0").split()[3] for pod in "bc"}
        yield Way("felixpy and birdpy", pods, {pod: at.partition("/")[0] for pod, at in addresses.items()}, nodes)


def _opened(stack: contextlib.ExitStack, path: str) -> Namespace:
    opened = Namespace(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    stack.callback(opened.close)
    return opened


BY_HAND: dict[str, Callable[[Namespace], Way]] = {
    "bare": bare, "bridge": bridged, "masquerade": masqueraded, "vxlan": overlaid,
}  # fmt: skip


def reaches(way: Way, to: str) -> None:
    """Wait until pod a reaches the pod; AssertionError when it does not."""
    ping = ("ping", "-c1", "-W1", "-q", way.addresses[to])
    eventually(lambda: " 0% packet loss" in way.pods["a"].run(*ping, check=False), 60)
