"""A pod that lies to its node: in ARP, in neighbour discovery, as a router, and by numbers.

Each lie is also told to a node whose protection was taken away: there it is believed.
"""

import json
import signal
import socket
import struct
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.namespaces import Namespace
from tests.netns.agent_process import ip, node, until
from tests.netns.cni_plugin import Answer, Runtime, apply, document, pings

GATEWAY4, GATEWAY6 = "169.254.1.1", "fe80::ecee:eeff:feee:eeee"
LIAR = "02:00:00:00:00:66"
ARP, IPV6 = 0x0806, 0x86DD
REQUEST, REPLY = 1, 2
RA, NS, NA = 134, 135, 136  # ICMPv6 types, RFC 4861


@pytest.fixture
def runtime(netns: Namespace, tmp_path: Path) -> Iterator[Runtime]:
    """A node with its agent, pools of both families, and an uplink whose other end nobody holds."""
    with node(tmp_path) as made:
        netns.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "tor")
        for command in ("link set eth0 up", "link set tor up", "address add 10.0.0.1/24 dev eth0"):
            netns.run("ip", *command.split())
        netns.run("ip", "neigh", "add", "10.0.0.9", "lladdr", "02:00:00:00:00:09", "dev", "eth0", "nud", "reachable")
        apply(
            made,
            document("Node", "n1"),
            document("IPPool", "four", cidr="10.65.0.0/24", blockSize=28),
            document("IPPool", "six", cidr="fd00:65::/112"),
        )
        made.start()
        yield Runtime(made)


def pod(runtime: Runtime, netns: Namespace, name: str) -> tuple[Namespace, Answer]:
    """An attached pod; the source check of IPv6, which comes with the first one, is in force."""
    inside = netns.another()
    attached = runtime.add(name, inside)
    until(lambda: runtime.node.lines("source check written"))
    until(lambda: ip("-6", "address", "show", "dev", attached.device, "tentative") == "")
    return inside, attached


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def arp(operation: int, sender: str, target: str) -> bytes:
    """A broadcast frame: `sender` is at LIAR (RFC 826). A reply nobody asked for is a gratuitous one."""
    head = struct.pack("!6s6sH", b"\xff" * 6, mac(LIAR), ARP)
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
    return head + body + mac(LIAR) + ip_address(sender).packed + bytes(6) + ip_address(target).packed


def discovery(kind: int, source: str, target: str, body: bytes) -> bytes:
    """A frame with one message of neighbour discovery, hop limit 255."""
    packet = struct.pack("!BBH", kind, 0, 0) + body
    pseudo = ip_address(source).packed + ip_address(target).packed + struct.pack("!II", len(packet), 58)
    total = sum(struct.unpack(f"!{len(pseudo + packet) // 2}H", pseudo + packet))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    packet = packet[:2] + struct.pack("!H", ~total & 0xFFFF) + packet[4:]
    head = struct.pack("!IHBB", 6 << 28, len(packet), 58, 255)
    addresses = ip_address(source).packed + ip_address(target).packed
    return struct.pack("!6s6sH", mac("33:33:00:00:00:01"), mac(LIAR), IPV6) + head + addresses + packet


def advertised(address: str) -> bytes:
    """An unsolicited advertisement with override: `address` is at LIAR."""
    body = struct.pack("!I", 0x20000000) + ip_address(address).packed + b"\x02\x01" + mac(LIAR)
    return discovery(NA, address, "ff02::1", body)


def solicited(source: str) -> bytes:
    """A question for the gateway, whose asker is `source` at LIAR."""
    return discovery(NS, source, "ff02::1", bytes(4) + ip_address(GATEWAY6).packed + b"\x01\x01" + mac(LIAR))


def router(source: str) -> bytes:
    """An advertisement of a default router, for half an hour."""
    return discovery(RA, source, "ff02::1", struct.pack("!BBHII", 64, 0, 1800, 0, 0) + b"\x01\x01" + mac(LIAR))


def tell(inside: Namespace, *frames: bytes) -> None:
    """Send these frames from the pod's interface as they are."""

    def opened() -> socket.socket:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        sock.bind(("eth0", 0))
        return sock

    with inside.inside(opened) as sock:
        for frame in frames:
            sock.send(frame)


def neighbours(device: str) -> dict[str, str]:
    """What the node's kernel believes on an interface: address -> MAC."""
    rows = json.loads(ip("-j", "neigh", "show", "dev", device))
    return {row["dst"]: row["lladdr"] for row in rows if "lladdr" in row}


def test_a_pods_lies_about_others_addresses_change_nobodys_neighbours(runtime: Runtime, netns: Namespace) -> None:
    (liar, its), (other, others) = pod(runtime, netns, "one"), pod(runtime, netns, "other")
    four, six = others.addresses
    before = {name: neighbours(name) for name in ("eth0", its.device, others.device)}
    inside = other.run("ip", "neigh", "show")
    assert before["eth0"] == {"10.0.0.9": "02:00:00:00:00:09"} and {four, six} <= before[others.device].keys()
    for claimed in (GATEWAY4, four, "10.0.0.9", "10.0.0.1", *its.addresses[:1]):
        tell(liar, arp(REPLY, claimed, claimed), arp(REQUEST, claimed, claimed), arp(REQUEST, claimed, GATEWAY4))
    tell(liar, *map(advertised, (GATEWAY6, six, its.addresses[1])))
    assert pings(other, "10.0.0.1")
    assert {name: neighbours(name) for name in before} == before
    assert other.run("ip", "neigh", "show") == inside
    assert f"{GATEWAY6} dev eth0 lladdr ee:ee:ee:ee:ee:ee PERMANENT" in inside
    assert ip("-6", "address", "show", "dev", its.device, "dadfailed") == ""
    # The negative control: the same words change an entry that is not permanent.
    runtime.node.end(signal.SIGKILL)
    netns.run("ip", "neigh", "replace", its.addresses[0], "lladdr", "02:00:00:00:00:77", "dev", its.device,
              "nud", "stale")  # fmt: skip
    tell(liar, arp(REQUEST, its.addresses[0], its.addresses[0]))
    until(lambda: neighbours(its.device)[its.addresses[0]] == LIAR)


def test_an_advertised_router_in_a_pod_gives_the_node_no_default_route(runtime: Runtime, netns: Namespace) -> None:
    liar, attached = pod(runtime, netns, "one")
    device = attached.device
    tell(liar, router("fe80::66"))
    assert pings(liar, "10.0.0.1")  # what was sent before has been seen
    assert ip("-6", "route", "show", "default") == ""
    runtime.node.end(signal.SIGKILL)  # the negative control
    netns.run("sysctl", "-qw", f"net.ipv6.conf.{device}.accept_ra=2")
    tell(liar, router("fe80::66"))
    until(lambda: f"default via fe80::66 dev {device}" in ip("-6", "route", "show", "default"))


FORGED = 40  # few: the kernel counts the neighbours of all namespaces of a machine together


@pytest.mark.parametrize(
    ("lie", "unprotect"),
    [
        (lambda n: arp(REQUEST, f"10.99.0.{n}", "10.0.0.1"), "sysctl -qw net.ipv4.conf.{}.rp_filter=0"),
        (lambda n: solicited(f"fd99::{n:x}"), "nft delete table ip6 felixpy_guard"),
    ],
    ids=["arp", "neighbour discovery"],
)
def test_askers_that_do_not_exist_fill_no_table_and_the_agent_serves_on(
    runtime: Runtime, netns: Namespace, lie: Callable[[int], bytes], unprotect: str
) -> None:
    liar, attached = pod(runtime, netns, "one")
    before = neighbours(attached.device)
    tell(liar, *map(lie, range(1, FORGED + 1)))
    other, _ = pod(runtime, netns, "other")
    assert pings(other, "10.0.0.1") and pings(liar, "10.0.0.1")
    assert neighbours(attached.device) == before
    runtime.node.end(signal.SIGKILL)  # the negative control
    netns.run(*unprotect.format(attached.device).split())
    tell(liar, *map(lie, range(1, FORGED + 1)))
    until(lambda: len(neighbours(attached.device)) > len(before) + FORGED // 2)


def test_a_pod_finds_no_socket_of_the_agent(runtime: Runtime, netns: Namespace) -> None:
    inside, _ = pod(runtime, netns, "one")
    name = "felixpy.routes.80"
    assert f"@{name}" in Path("/proc/thread-self/net/unix").read_text(), "the negative control: on the node it is"
    assert "felixpy" not in inside.inside(lambda: Path("/proc/thread-self/net/unix").read_text())
    listening = [line for line in netns.run("ss", "-Hltunp").splitlines() if "python" in line]
    assert listening == [], "and no port at all"
