"""A pod that speaks BGP with its own node (localWorkloadSelector): routes both ways, and nothing left afterwards."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from felixpy.model.addresses import Asn
from felixpy.model.resources import BGPConfiguration, BGPPeer, IPPool, Metadata, Resource, WorkloadEndpoint
from tests.namespaces import CLONE_NEWNET, LIBC, Namespace
from tests.netns.fabric import Fabric, Machine, eventually
from tests.speakers import bird, needs

pytestmark = [pytest.mark.root, needs("bird")]

POD4, POD6, PEERING4, PEERING6 = "10.65.1.5", "fd65::105", "169.254.64.1", "fd64::1"
BEHIND4, BEHIND6 = "198.51.100.0/24", "2001:db8:7::/48"
BIRD_IN_POD = f"""
router id {POD4};
log stderr all;
protocol device {{}}
protocol static s4 {{ ipv4; route {BEHIND4} blackhole; }}
protocol static s6 {{ ipv6; route {BEHIND6} blackhole; }}
template bgp node {{ local as 65010; multihop; connect delay time 1; connect retry time 1; error wait time 1, 2; }}
protocol bgp n4 from node {{ neighbor {PEERING4} as 64512; source address {POD4};
  ipv4 {{ import all; export all; next hop self; }}; }}
protocol bgp n6 from node {{ neighbor {PEERING6} as 64512; source address {POD6};
  ipv6 {{ import all; export all; next hop self; }}; }}
"""


@contextmanager
def pod(fabric: Fabric, node: Machine) -> Iterator[Namespace]:
    """This thread in a pod of `node`, wired as felixpy wires one: /32 and /128, a device route, a gateway."""
    made = fabric.ground.another()
    node.namespace.run("ip", "link", "add", "calipod", "type", "veth", "peer", "name", "podeth")
    node.namespace.run("ip", "link", "set", "podeth", "netns", f"/proc/{os.getpid()}/fd/{made.fd}")
    node.namespace.run("ip", "link", "set", "calipod", "address", "ee:ee:ee:ee:ee:ee", "up")
    made.run("ip", "link", "set", "podeth", "up")
    for address in (f"{POD4}/32", f"{POD6}/128"):
        made.run("ip", "address", "add", address, "dev", "podeth", "nodad")
        node.namespace.run("ip", "route", "add", address, "dev", "calipod", "proto", "80", "metric", "512")
    for family, gateway in (("-4", "169.254.1.1"), ("-6", "fe80::ecee:eeff:feee:eeee")):
        made.run("ip", family, "neigh", "add", gateway, "lladdr", "ee:ee:ee:ee:ee:ee", "dev", "podeth")
        made.run("ip", family, "route", "add", "default", "via", gateway, "dev", "podeth", "onlink")
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    assert LIBC.setns(made.fd, CLONE_NEWNET) == 0
    try:
        yield made
    finally:
        assert LIBC.setns(before, CLONE_NEWNET) == 0
        os.close(before)


def peering(node: Machine) -> str:
    """The addresses that pods dial, as the kernel has them."""
    return "".join(
        node.namespace.run("ip", family, "route", "show", "table", "local", "proto", "bird")
        for family in ("-4", "-6")
    )


def test_a_pod_and_its_node_are_peers(fabric: Fabric, tmp_path: Path) -> None:
    fabric.remove(BGPConfiguration, "default")
    configuration = BGPConfiguration(
        local_workload_peering_ipv4=ip_address(PEERING4), local_workload_peering_ipv6=ip_address(PEERING6)
    )
    fabric.put(
        default=configuration,
        behind4=IPPool(cidr=ip_network(BEHIND4), block_size=26),  # only what lies in a pool is passed on
        behind6=IPPool(cidr=ip_network(BEHIND6), block_size=122),
        pods=BGPPeer(local_workload_selector="role == 'router'", as_number=Asn(65010)),
    )
    n1, n2 = fabric.node("n1", 1), fabric.node("n2", 2)
    endpoint = WorkloadEndpoint(
        node="n1", pod="router", endpoint="eth0", orchestrator="k8s", interface_name="calipod",
        ip_networks=(ip_network(f"{POD4}/32"), ip_network(f"{POD6}/128")),
    )  # fmt: skip
    fabric.write([Resource(Metadata("n1-k8s-router-eth0", "default", labels={"role": "router"}), endpoint)])
    with pod(fabric, n1), bird(tmp_path / "bird", BIRD_IN_POD) as theirs:
        n1.start()
        n2.start()
        eventually(lambda: theirs.is_up("n4") and theirs.is_up("n6"), 30)
        types = {p["address"]: p["type"] for p in n1.ask("peers")["peers"] if p["state"] == "established"}
        assert (types[POD4], types[POD6]) == ("local", "local")
        eventually(lambda: n1.routes().get(BEHIND4) == f"via {POD4} dev calipod proto bird")
        eventually(lambda: n1.routes().get(BEHIND6) == f"via {POD6} dev calipod proto bird")
        eventually(lambda: n2.routes().get(BEHIND4) == "via 172.20.0.1 dev eth1 proto bird")
        eventually(lambda: n2.routes().get(BEHIND6) == "via fd20::1 dev eth1 proto bird")
        eventually(lambda: theirs.route("10.65.1.0/26") and theirs.route("fd65::100/122"))
        assert PEERING4 in peering(n1) and PEERING6 in peering(n1) and peering(n2) == ""
        n1.kill()
        n1.start()
        eventually(lambda: n1.up(POD4) and n1.up(POD6), 30)
        fabric.remove(BGPPeer, "pods")
        eventually(lambda: peering(n1) == "" and BEHIND4 not in n1.routes(), 60)
        assert not theirs.route("10.65.1.0/26")
