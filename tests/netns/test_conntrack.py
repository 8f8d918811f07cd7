"""A released address leaves no connection behind; the others keep theirs."""

import re
from ipaddress import ip_address
from pathlib import Path

from felixpy.kernel.conntrack import forget
from tests.namespaces import Namespace
from tests.netns.agent_process import node
from tests.netns.cni_plugin import Runtime, apply, document

TRACKED = "table inet t {\n chain o {\n type filter hook output priority 0\n ct state new counter accept\n }\n}\n"
FIRST = re.compile(r"src=(\S+) dst=(\S+)")


def connections() -> set[tuple[str, str]]:
    """Source and destination of every tracked connection in this namespace."""
    lines = Path("/proc/net/nf_conntrack").read_text().splitlines()
    return {
        (str(ip_address(source)), str(ip_address(to))) for line in lines for source, to in FIRST.findall(line)[:1]
    }


def test_connections_from_and_to_the_address_are_forgotten_and_no_others(netns: Namespace) -> None:
    netns.run("nft", "-f", "-", given=TRACKED)
    addresses = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1", "fd00::2", "fd00::3"]
    for address in addresses:
        netns.run("ip", "addr", "add", f"{address}/{128 if ':' in address else 32}", "dev", "lo", "nodad")
    pairs = [(a, b) for a in addresses for b in addresses if a != b and (":" in a) == (":" in b)]
    for source, destination in pairs:
        netns.run("ping", "-c1", "-I", source, destination)
    assert connections() == set(pairs)
    forget(ip_address("10.0.0.1"))
    forget(ip_address("fd00::2"))
    left = {pair for pair in pairs if "10.0.0.1" not in pair and "fd00::2" not in pair}
    assert connections() == left
    forget(ip_address("192.0.2.9"))
    assert connections() == left


def test_a_pods_connections_are_gone_when_its_address_is_free(netns: Namespace, tmp_path: Path) -> None:
    netns.run("nft", "-f", "-", given=TRACKED)
    netns.run("ip", "address", "add", "10.0.0.1/32", "dev", "lo")
    with node(tmp_path) as made:
        apply(made, document("Node", "n1"), document("IPPool", "four", cidr="10.65.0.0/30", blockSize=30))
        made.start()
        runtime = Runtime(made)
        for number in range(4):
            name = f"pod{number}"
            address = runtime.add(name, inside := netns.another()).addresses[0]
            inside.run("ping", "-c1", "10.0.0.1")
            assert (address, "10.0.0.1") in connections()
            assert runtime.call("DEL", name).code == 0
            assert not [pair for pair in connections() if address in pair], "another pod may have the address by now"


def test_a_namespace_that_tracks_nothing_has_nothing_to_forget(netns: Namespace) -> None:
    forget(ip_address("10.0.0.1"))
