"""Which address is the node's, by each of Calico's methods, and how it gets into the Node resource."""

import asyncio
from ipaddress import ip_address, ip_interface

import pytest

from felixpy.datastore.memory import MemoryDatastore
from felixpy.model.addresses import Address
from felixpy.model.errors import Trouble, Usage
from felixpy.model.links import AssignedAddress, Link
from felixpy.model.resources import Metadata, Node, NodeBGP, Resource
from felixpy.model.routes import Device
from felixpy.node import Machine, node_address, write_addresses

ADDRESSES = (
    ("lo", "127.0.0.1/8"), ("lo", "10.255.0.9/32"), ("docker0", "172.17.0.1/16"), ("cali0123", "10.65.0.1/32"),
    ("eth0", "192.0.2.100/32"), ("eth0", "192.0.2.7/24"), ("eth1", "198.51.100.7/26"), ("down0", "203.0.113.1/24"),
    ("eth0", "fe80::1/64"), ("eth0", "2001:db8::7/64"), ("docker0", "169.254.3.3/16"),
)  # fmt: skip


def reach(address: Address) -> Address | None:
    return ip_address("198.51.100.7") if address == ip_address("9.9.9.9") else None


def machine(*rows: tuple[str, str]) -> Machine:
    assigned = [
        AssignedAddress(Device(device), ip_interface(text).ip, ip_interface(text).network, secondary=device == "vip0")
        for device, text in rows or ADDRESSES
    ]
    names = dict.fromkeys(it.device for it in assigned)
    links = {
        name: Link(i, name, up=name != "down0", carrier=True, kind="bridge" if name == "br0" else "")
        for i, name in enumerate(names, 1)
    }
    return Machine(links, assigned, reach, [ip_address("198.51.100.7"), ip_address("192.0.2.9")])


@pytest.mark.parametrize(
    ("method", "found"),
    [
        ("first-found", "192.0.2.7/24"),
        ("interface=eth1", "198.51.100.7/26"),
        ("interface=nothing,docker.*", "172.17.0.1/16"),
        ("skip-interface=eth0", "198.51.100.7/26"),
        ("cidr=10.0.0.0/8,198.51.100.0/24", "198.51.100.7/26"),
        ("can-reach=9.9.9.9", "198.51.100.7/26"),
    ],
)
def test_each_method_finds_its_address(method: str, found: str) -> None:
    assert node_address("auto", method, 4, machine()) == found


def test_ipv6_never_takes_a_link_local_address() -> None:
    assert node_address("auto", "first-found", 6, machine()) == "2001:db8::7/64"


@pytest.mark.parametrize(
    ("row", "method", "reason"),
    [
        (("eth0", "192.0.2.100/32"), "first-found", "a /32"),
        (("eth0", "192.0.2.100/32"), "interface=eth0", "a /32"),
        (("br0", "192.0.2.7/24"), "first-found", "on a bridge"),
        (("vip0", "192.0.2.9/24"), "kubernetes-internal-ip", "a second address of its subnet"),
    ],
)
def test_what_is_not_the_nodes_own_is_refused_and_the_candidates_are_listed(
    row: tuple[str, str], method: str, reason: str
) -> None:
    with pytest.raises(Trouble) as caught:
        node_address("auto", method, 4, machine(row))
    assert f"{row[1]} on {row[0]} ({reason}" in str(caught.value) and "give --ip ADDRESS/LENGTH" in str(caught.value)


def test_what_is_named_may_be_on_a_bridge() -> None:
    assert node_address("auto", "interface=br0", 4, machine(("br0", "192.0.2.7/24"))) == "192.0.2.7/24"
    assert node_address("192.0.2.100/32", "", 4, machine(("eth0", "192.0.2.100/32"))) == "192.0.2.100/32"


def test_the_kubelets_address_is_looked_for_on_this_machine() -> None:
    assert node_address("auto", "kubernetes-internal-ip", 4, machine()) == "198.51.100.7/26"
    with pytest.raises(Trouble, match="there is: 10\\.0\\.0\\.1 on eth0"):
        node_address("auto", "kubernetes-internal-ip", 4, machine(("eth0", "10.0.0.1/24")))


def test_writing_an_address_leaves_the_rest_of_the_node_alone() -> None:
    async def body() -> Node:
        before = Node(vxlan_tunnel_mac_addr="02:00:00:00:00:01", bgp=NodeBGP(ipv4_ipip_tunnel_addr="10.1.1.1"))
        store = MemoryDatastore([Resource(Metadata("n1"), before)])
        assert await write_addresses(store, "n1", "10.0.0.1/24", "")
        found = await store.get(Node, "n1")
        assert found is not None
        return found.spec

    after = asyncio.run(body())
    assert after.vxlan_tunnel_mac_addr == "02:00:00:00:00:01"
    assert after.bgp == NodeBGP(ipv4_address="10.0.0.1/24", ipv4_ipip_tunnel_addr="10.1.1.1")


@pytest.mark.parametrize("method", ["cidr=203.0.113.0/24", "can-reach=8.8.8.8", "interface=down0"])
def test_nothing_found_says_what_there_was(method: str) -> None:
    with pytest.raises(Trouble, match=r"is found by .*; there is: .*192\.0\.2\.7 on eth0"):
        node_address("auto", method, 4, machine())


@pytest.mark.parametrize("method", ["", "interface=", "interface=(", "cidr=1", "can-reach=x", "internal-ip"])
def test_a_method_that_is_none_is_wrong_usage(method: str) -> None:
    with pytest.raises(Usage, match="autodetection method"):
        node_address("auto", method, 4, machine())


def test_an_address_may_be_given_and_must_be_of_its_family() -> None:
    assert node_address("10.0.0.1/24", "first-found", 4, machine()) == "10.0.0.1/24"
    assert node_address("none", "first-found", 4, machine()) == ""
    for text in ("10.0.0.1/33", "fd00::1/64", "here"):
        with pytest.raises(Usage, match="--ip "):
            node_address(text, "first-found", 4, machine())


def test_the_node_resource_is_made_then_changed_then_left_alone() -> None:
    async def story() -> list[object]:
        store = MemoryDatastore([Resource(Metadata("other"), Node())])
        told: list[object] = [
            await write_addresses(store, "n1", "10.0.0.1/24", ""),
            await write_addresses(store, "n1", "10.0.0.2/24", "fd00::1/64"),
            await write_addresses(store, "n1", "10.0.0.2/24", ""),
        ]
        node = await store.get(Node, "n1")
        assert node is not None
        return [*told, node.spec]

    expected = Node(bgp=NodeBGP(ipv4_address="10.0.0.2/24", ipv6_address="fd00::1/64"))
    assert asyncio.run(story()) == [True, True, False, expected]
