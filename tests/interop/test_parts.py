"""BIRD, FRR and GoBGP in each part that a neighbour can play: what each side has is read from its own mouth.

Every case: both families come up; routes go both ways; both sides take theirs back; one kernel and the daemon's
own show command are what is asserted, never what we believe to have sent.
"""

from functools import partial
from ipaddress import ip_address
from pathlib import Path

import pytest

from felixpy.model.addresses import Asn
from felixpy.model.resources import (
    BGPConfiguration,
    BGPPeer,
    BlockAffinity,
    Metadata,
    Node,
    NodeBGP,
    Resource,
)
from tests.interop.daemons import Daemon, Link, Part, View, daemon, each_daemon
from tests.interop.neighbours import soon
from tests.netns.fabric import Fabric, Machine

pytestmark = [pytest.mark.root, pytest.mark.interop]


def blocks(number: int) -> tuple[str, str]:
    """The blocks of node `number`, IPv4 first."""
    return f"10.65.{number}.0/26", f"fd65::{number}00/122"


def ways(prefixes: tuple[str, str], number: int) -> dict[str, str]:
    """Routes of the kernel to `prefixes` by way of 172.20.0.N and fd20::N."""
    hops = f"172.20.0.{number}", f"fd20::{number}"
    return {prefix: f"via {hop} dev eth1 proto bird" for prefix, hop in zip(prefixes, hops, strict=True)}


def release(fabric: Fabric, name: str, number: int) -> None:
    """A node gives its blocks back."""
    for block in blocks(number):
        fabric.remove(BlockAffinity, f"{name}-{block.replace('.', '-').replace(':', '-').replace('/', '-')}")


def up_with(theirs: Daemon, *numbers: int) -> None:
    """Both families' sessions are up, as the daemon says itself."""
    addresses = [a for n in numbers for a in (f"172.20.0.{n}", f"fd20::{n}")]
    soon(lambda: all(theirs.up(each) for each in addresses))


def theirs_come_and_go(theirs: Daemon, prefixes: tuple[str, str], *machines: Machine) -> None:
    """What the daemon announces is in every kernel by way of 9, and gone when it takes it back, family by family."""
    theirs.announce(*prefixes)
    soon(lambda: all(ways(prefixes, 9).items() <= machine.routes().items() for machine in machines))
    first, second = prefixes
    theirs.withdraw(first)
    soon(lambda: all(first not in machine.routes() for machine in machines))
    assert all(second in machine.routes() for machine in machines)
    theirs.withdraw(second)
    soon(lambda: all(second not in machine.routes() for machine in machines))


def ours_come_and_go(fabric: Fabric, theirs: Daemon, wanted: tuple[View, View]) -> None:
    """What n1 announces is in the daemon's table as `wanted`, and gone when n1 releases it."""
    for block, view in zip(blocks(1), wanted, strict=True):
        soon(partial(theirs.view, block))
        assert theirs.view(block) == view
    release(fabric, "n1", 1)
    soon(lambda: not any(theirs.view(block) for block in blocks(1)))


def a_node_that_runs_it(fabric: Fabric) -> None:
    """n9: a node of the cluster whose router is not ours."""
    spec = NodeBGP(ipv4_address="172.20.0.9/24", ipv6_address="fd20::9/64")
    fabric.write([Resource(Metadata(name="n9"), Node(bgp=spec))])


@each_daemon
def test_a_node_of_the_mesh_may_run_it(fabric: Fabric, tmp_path: Path, kind: str) -> None:
    a_node_that_runs_it(fabric)
    n1, n2 = fabric.node("n1", 1), fabric.node("n2", 2)
    n1.start()
    n2.start()
    part = Part(64512, (Link(1, 64512), Link(2, 64512)))
    with fabric.beside(9), daemon(tmp_path / kind, kind, part) as theirs:
        up_with(theirs, 1, 2)
        theirs_come_and_go(theirs, blocks(9), n1, n2)
        ours_come_and_go(fabric, theirs, (View((), "172.20.0.1"), View((), "fd20::1")))
        assert {peer["type"] for peer in n1.ask("peers")["peers"]} == {"mesh"}


@each_daemon
def test_it_may_be_the_switch_of_the_rack(fabric: Fabric, tmp_path: Path, kind: str) -> None:
    n1 = fabric.node("n1", 1)
    for name, address in (("tor4", "172.20.0.9"), ("tor6", "fd20::9")):
        fabric.put(**{name: BGPPeer(peer_ip=address, as_number=Asn(65009))})
    n1.start()
    with fabric.beside(9), daemon(tmp_path / kind, kind, Part(65009, (Link(1, 64512),))) as theirs:
        up_with(theirs, 1)
        theirs_come_and_go(theirs, ("203.0.113.0/24", "2001:db8:1::/48"), n1)
        ours_come_and_go(fabric, theirs, (View((64512,), "172.20.0.1"), View((64512,), "fd20::1")))


@each_daemon
def test_it_may_be_the_reflector_of_our_nodes(fabric: Fabric, tmp_path: Path, kind: str) -> None:
    """The next hop stays the node's own, and a node takes none of its own routes back from the reflector."""
    fabric.remove(BGPConfiguration, "default")
    fabric.put(default=BGPConfiguration(node_to_node_mesh_enabled=False))
    for name, address in (("rr4", "172.20.0.9"), ("rr6", "fd20::9")):
        fabric.put(**{name: BGPPeer(peer_ip=address, as_number=Asn(64512))})
    n1, n2 = fabric.node("n1", 1), fabric.node("n2", 2)
    n1.start()
    n2.start()
    part = Part(64512, (Link(1, 64512, client=True), Link(2, 64512, client=True)))
    with fabric.beside(9), daemon(tmp_path / kind, kind, part) as theirs:
        up_with(theirs, 1, 2)
        soon(lambda: ways(blocks(1), 1).items() <= n2.routes().items())
        soon(lambda: ways(blocks(2), 2).items() <= n1.routes().items())
        theirs_come_and_go(theirs, ("203.0.113.0/24", "2001:db8:1::/48"), n1, n2)
        ours_come_and_go(fabric, theirs, (View((), "172.20.0.1"), View((), "fd20::1")))
        soon(lambda: not set(blocks(1)) & n2.routes().keys())
        assert ways(blocks(2), 2).items() <= n1.routes().items()


@each_daemon
def test_it_may_be_a_client_of_our_reflector(fabric: Fabric, tmp_path: Path, kind: str) -> None:
    """It sees ORIGINATOR_ID and CLUSTER_LIST as RFC 4456 wants them, and the next hop of the node itself."""
    fabric.remove(BGPConfiguration, "default")
    fabric.put(
        default=BGPConfiguration(node_to_node_mesh_enabled=False),
        reflectors=BGPPeer(peer_selector="role == 'reflector'"),
    )
    a_node_that_runs_it(fabric)
    n1, n5 = fabric.node("n1", 1), fabric.machine("n5")
    fabric.plug(5, n5.namespace)
    cluster = ip_address("224.0.0.5")
    spec = NodeBGP(ipv4_address="172.20.0.5/24", ipv6_address="fd20::5/64", route_reflector_cluster_id=cluster)
    fabric.write([Resource(Metadata(name="n5", labels={"role": "reflector"}), Node(bgp=spec))])
    n1.start()
    n5.start()
    with fabric.beside(9), daemon(tmp_path / kind, kind, Part(64512, (Link(5, 64512),))) as theirs:
        up_with(theirs, 5)
        theirs_come_and_go(theirs, blocks(9), n1, n5)
        reflected = "172.20.0.1", (str(cluster),)
        ours_come_and_go(fabric, theirs, (View((), "172.20.0.1", *reflected), View((), "fd20::1", *reflected)))
