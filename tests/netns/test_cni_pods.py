"""What an attached pod may send, and what becomes of it when others lay hands on its link or its route."""

import json
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.namespaces import Namespace
from tests.netns.agent_process import ip, node, until
from tests.netns.cni_plugin import Answer, Runtime, apply, document, pings

PORT = 7777
SEND = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
sock = socket.socket(family, socket.SOCK_DGRAM)
sock.bind((sys.argv[1], 0))
sock.sendto(sys.argv[3].encode(), (sys.argv[2], 7777))
"""


@pytest.fixture
def runtime(netns: Namespace, tmp_path: Path) -> Iterator[Runtime]:
    with node(tmp_path) as made:
        netns.run("ip", "address", "add", "10.0.0.1/32", "dev", "lo")
        apply(
            made,
            document("Node", "n1"),
            document("IPPool", "four", cidr="10.65.0.0/24", blockSize=28),
            document("IPPool", "six", cidr="fd00:65::/112"),
            document("IPAMConfig", "default", strictAffinity=True),
        )
        made.start()
        yield Runtime(made)


def listener(inside: Namespace, address: str) -> socket.socket:
    def bound() -> socket.socket:
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((address, PORT))
        sock.settimeout(0.5)
        return sock

    return inside.inside(bound)


def send(inside: Namespace, source: str, to: str, word: str) -> None:
    inside.run("python3", "-I", "-S", "-c", SEND, source, to, word)


def heard(sock: socket.socket) -> str:
    try:
        return sock.recv(100).decode()
    except TimeoutError:
        return ""


def two_pods(runtime: Runtime, netns: Namespace) -> tuple[Namespace, Answer, Namespace, Answer]:
    one, other = netns.another(), netns.another()
    return one, runtime.add("one", one), other, runtime.add("other", other)


@pytest.mark.parametrize(("family", "forged"), [(4, "10.65.0.200"), (6, "fd00:65::c8"), (4, "198.51.100.1")])
def test_a_forged_source_reaches_nobody(runtime: Runtime, netns: Namespace, family: int, forged: str) -> None:
    one, attached, other, its = two_pods(runtime, netns)
    (own,) = (it for it in attached.addresses if (":" in it) == (family == 6))
    (to,) = (it for it in its.addresses if (":" in it) == (family == 6))
    one.run("ip", "address", "add", forged, "dev", "lo", *(["nodad"] if family == 6 else []))
    until(lambda: family == 4 or runtime.node.lines("source check written"))
    with listener(other, to) as sock:
        send(one, own, to, "mine")
        assert heard(sock) == "mine"
        send(one, forged, to, "forged")
        assert heard(sock) == ""
        # The negative control: what the agent set up is what stopped it.
        runtime.node.end(signal.SIGKILL)
        if family == 4:
            netns.run(
                "sysctl", "-qw", f"net.ipv4.conf.{attached.device}.rp_filter=0", "net.ipv4.conf.all.rp_filter=0"
            )
        else:
            netns.run("nft", "delete", "table", "ip6", "felixpy_guard")
        send(one, forged, to, "forged")
        assert heard(sock) == "forged"


def test_a_pod_does_not_reach_what_listens_on_the_nodes_loopback(runtime: Runtime, netns: Namespace) -> None:
    inside = netns.another()
    attached = runtime.add("web", inside)
    four = next(it for it in attached.addresses if ":" not in it)
    for command in (
        "sysctl -qw net.ipv4.conf.all.route_localnet=1",  # what a pod with CAP_NET_ADMIN may do to itself
        "ip route del local 127.0.0.1 dev lo table local",
        "ip route del local 127.0.0.0/8 dev lo table local",
        "ip route add 127.0.0.1/32 via 169.254.1.1 dev eth0",
    ):
        inside.run(*command.split())
    with listener(netns, "127.0.0.1") as sock:
        send(inside, four, "127.0.0.1", "let me in")
        assert heard(sock) == ""
        runtime.node.end(signal.SIGKILL)  # the negative control
        netns.run("sysctl", "-qw", f"net.ipv4.conf.{attached.device}.route_localnet=1")
        send(inside, four, "127.0.0.1", "let me in")
        assert heard(sock) == "let me in"


def test_a_link_that_flaps_and_one_that_is_renamed_get_their_routes_back(runtime: Runtime, netns: Namespace) -> None:
    inside = netns.another()
    attached = runtime.add("web", inside)
    device = attached.device
    netns.run("ip", "link", "set", device, "down")
    netns.run("ip", "link", "set", device, "up")
    until(lambda: all(f"{it} dev {device}" in ip("route") + ip("-6", "route") for it in attached.addresses))
    until(lambda: pings(inside, "10.0.0.1"))
    netns.run("ip", "link", "set", device, "down")
    netns.run("ip", "link", "set", device, "name", "elsewhere")
    netns.run("ip", "link", "set", "elsewhere", "up")
    until(lambda: runtime.call("CHECK", "web", inside).code == 1)
    netns.run("ip", "link", "set", "elsewhere", "down")
    netns.run("ip", "link", "set", "elsewhere", "name", device)
    netns.run("ip", "link", "set", device, "up")
    until(lambda: runtime.call("CHECK", "web", inside).code == 0)
    assert pings(inside, "10.0.0.1")


def test_after_a_reboot_a_pod_of_the_same_name_is_attached_at_once(runtime: Runtime, netns: Namespace) -> None:
    """The store still shows the endpoint, whose device is gone: the new device does not suffer from that."""
    device = runtime.add("web", netns.another(), "before").device
    runtime.node.end(signal.SIGKILL)
    netns.run("ip", "link", "delete", device)
    runtime.node.start()
    until(lambda: "mac refused" in runtime.node.log.read_text())
    inside = netns.another()
    assert runtime.add("web", inside, "after").device == device
    assert pings(inside, "10.0.0.1")


def test_foreign_routes_on_our_interface_stay_and_a_foreign_holder_is_named(
    runtime: Runtime, netns: Namespace
) -> None:
    inside = netns.another()
    attached = runtime.add("web", inside)
    foreign = f"192.0.2.7 dev {attached.device} proto static scope link"
    netns.run("ip", "route", "add", *foreign.split())
    four = next(it for it in attached.addresses if ":" not in it)
    netns.run("ip", "route", "replace", f"{four}/32", "dev", "lo", "proto", "static")
    time.sleep(0.5)
    shown = [line.strip() for line in ip("route").splitlines()]
    assert foreign in shown and f"{four} dev lo proto static scope link" in shown
    checked = runtime.call("CHECK", "web", inside)
    assert checked.code == 1 and "static" in checked.json["details"]
    netns.run("ip", "route", "del", f"{four}/32", "dev", "lo", "proto", "static")
    until(lambda: pings(inside, "10.0.0.1"))
    assert runtime.call("CHECK", "web", inside).code == 0


def test_tcp_between_pods_arrives_whole_with_the_offloads_of_the_kernel(runtime: Runtime, netns: Namespace) -> None:
    one, _, other, its = two_pods(runtime, netns)
    to = next(it for it in its.addresses if ":" not in it)
    take = "import socket; s = socket.create_server(('', 7777)); print(flush=True); c, _ = s.accept(); n = 0\n"
    take += "while d := c.recv(1 << 20): n += len(d)\nprint(n)"
    give = f"import socket; s = socket.create_connection(('{to}', 7777)); s.sendall(bytes(20_000_000)); s.close()"
    server = other.start("python3", "-c", take)
    assert server.stdout is not None and server.stdout.readline() == "\n"
    one.run("python3", "-c", give)
    assert server.communicate(timeout=20)[0].strip() == "20000000"
    counted = json.loads(other.run("nstat", "-aszj"))["kernel"]
    assert counted["TcpInCsumErrors"] == 0 and counted["TcpInSegs"] < 5_000  # 65 KB each, and nobody added them up


def test_connections_of_an_address_are_forgotten_before_it_is_free_again(runtime: Runtime, netns: Namespace) -> None:
    netns.run("nft", "add", "table", "ip", "t")
    netns.run("nft", "add", "chain", "ip", "t", "c", "{ type filter hook prerouting priority 0; }")
    netns.run("nft", "add", "rule", "ip", "t", "c", "ct", "state", "new")  # without a rule nothing is tracked
    one, _, _, its = two_pods(runtime, netns)
    to = next(it for it in its.addresses if ":" not in it)
    assert pings(one, to)
    table = Path("/proc/thread-self/net/nf_conntrack")
    if not table.exists():
        pytest.skip("this kernel does not show its connections in /proc")
    assert to in table.read_text()
    assert runtime.call("DEL", "other").code == 0
    assert to not in table.read_text()  # at the moment of the answer
