"""A pod and the node's BGP port: whoever is no configured peer gets a refusal, and nobody speaks for another.

The port is open to pods on purpose (a pod may be a peer of its node); what protects it is that a pod cannot send from
an address that is not its own.
"""

import os
from pathlib import Path

import pytest

from felixpy.model.addresses import Asn
from felixpy.model.resources import BGPPeer
from tests.namespaces import Namespace
from tests.netns.fabric import Fabric, Machine, eventually
from tests.speakers import bird, needs

pytestmark = [pytest.mark.root, needs("bird")]

PEER = """
router id 172.20.0.9;
protocol device {}
protocol static { ipv4; route 203.0.113.0/24 blackhole; }
protocol bgp n1 { local as 65009; neighbor 172.20.0.1 as 64512; source address 172.20.0.9; multihop;
  ipv4 { import all; export all; next hop self; }; }
"""
POD, NODE, THEIRS, SILENT = "10.65.1.5", "172.20.0.1", "172.20.0.9", "172.20.0.8"
OPEN, NOTIFICATION = 1, 3  # types of BGP messages, RFC 4271 section 4.1
DIAL = """
import socket, sys
sock = socket.create_connection((sys.argv[2], 179), timeout=5, source_address=(sys.argv[1], 0))
said = b""
try:
    while chunk := sock.recv(4096):
        said += chunk
        if sys.argv[3:] and len(said) > 18:
            break
except OSError:
    pass
print(said.hex())
"""
FLOOD = """
import socket, sys
held = [socket.create_connection((sys.argv[1], 179), timeout=5) for _ in range(100)]
for sock in held:
    sock.close()
print(len(held))
"""


def wired(fabric: Fabric, node: Machine) -> Namespace:
    """A pod of `node` as felixpy wires one (that the agent does so: tests/netns/test_cni_pods.py)."""
    made, here = fabric.ground.another(), node.namespace
    here.run("ip", "link", "add", "calipod", "type", "veth", "peer", "name", "eth0")
    here.run("ip", "link", "set", "eth0", "netns", f"/proc/{os.getpid()}/fd/{made.fd}")
    here.run("ip", "link", "set", "calipod", "address", "ee:ee:ee:ee:ee:ee", "up")
    here.run("sysctl", "-qw", "net.ipv4.conf.calipod.rp_filter=1", "net.ipv4.conf.calipod.proxy_arp=1")
    made.run("ip", "link", "set", "eth0", "up")
    made.run("ip", "address", "add", f"{POD}/32", "dev", "eth0")
    made.run("ip", "neigh", "add", "169.254.1.1", "lladdr", "ee:ee:ee:ee:ee:ee", "dev", "eth0")
    made.run("ip", "route", "add", "default", "via", "169.254.1.1", "dev", "eth0", "onlink")
    here.run("ip", "route", "add", POD, "dev", "calipod", "proto", "80")
    return made


def dial(inside: Namespace, source: str, *more: str) -> bytes:
    """What the node's BGP port says to one who dials from `source`."""
    said = inside.run("python3", "-I", "-S", "-c", DIAL, source, NODE, *more, check=False).strip()
    return bytes.fromhex(said)


def up_since(node: Machine) -> float:
    """Since when the session with the real peer has been up."""
    (peer,) = (it for it in node.ask("peers")["peers"] if it["address"] == THEIRS)
    assert peer["state"] == "established"
    return float(peer["since"])


def test_a_pod_gets_no_session_and_costs_no_other_one(fabric: Fabric, tmp_path: Path) -> None:
    n1 = fabric.node("n1", 1)
    fabric.put(
        bird=BGPPeer(node="n1", peer_ip=THEIRS, as_number=Asn(65009)),
        silent=BGPPeer(node="n1", peer_ip=SILENT, as_number=Asn(65009)),
    )
    inside = wired(fabric, n1)
    with fabric.beside(9), bird(tmp_path / "bird", PEER):
        n1.start()
        eventually(lambda: n1.up(THEIRS), 60)
        since = up_since(n1)
        said = dial(inside, POD)
        assert said[18] == NOTIFICATION and tuple(said[19:21]) == (6, 3), "no session configured (RFC 4486)"
        # Of a peer that is configured and silent: its answers would go to the peer, its questions are dropped.
        inside.run("ip", "address", "add", f"{SILENT}/32", "dev", "lo")
        assert dial(inside, SILENT) == b""
        inside.run("python3", "-I", "-S", "-c", FLOOD, NODE)
        assert dial(inside, POD)[18] == NOTIFICATION
        assert abs(up_since(n1) - since) < 0.1, "the session is the one from before"
        assert n1.routes()["203.0.113.0/24"] == f"via {THEIRS} dev eth1 proto bird"
        # The negative control: without the source check, and with a way back, the pod is the silent peer.
        n1.namespace.run("sysctl", "-qw", "net.ipv4.conf.calipod.rp_filter=0")
        n1.namespace.run("ip", "route", "add", SILENT, "dev", "calipod")
        assert dial(inside, SILENT, "one message is enough")[18] == OPEN
