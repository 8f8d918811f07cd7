"""Veth pairs made into another namespace, and the pod's side of them, configured through a lent socket."""

import asyncio
import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from felixpy.kernel.links import Links
from felixpy.kernel.netlink import Netlink
from felixpy.kernel.pod_side import PodSide, configure, link_local
from felixpy.kernel.veth import LinkChange, Veth, change, create, delete
from felixpy.model.errors import Refused
from felixpy.model.routes import Device
from tests.namespaces import Namespace

MAC = "ee:ee:ee:ee:ee:ee"
CALI, ETH0 = Device("cali0"), Device("eth0")
FOUR, SIX = ip_address("10.65.0.2"), ip_address("fd65::2")


@contextmanager
def lent(pod: Namespace) -> Iterator[Netlink]:
    with pod.socket() as sock:
        yield Netlink(sock)


def veth(pod: Namespace, name: Device = CALI, mac: str = MAC) -> Veth:
    return Veth(name, mac, 1440, ETH0, pod.fd, "02:00:00:00:00:05", up=False)


def shown(namespace: Namespace, *what: str) -> Any:
    return json.loads(namespace.run("ip", "-j", *what))


def answers(netns: Namespace, address: str) -> bool:
    return "1 received" in netns.run("ping", "-c1", "-W1", address, check=False)


def node(netns: Namespace, mac: str = MAC) -> Namespace:
    """A pod wired to this node, as the agent would; its namespace."""
    pod = netns.another()
    create(Netlink(), veth(pod, mac=mac))
    Path(f"/proc/sys/net/ipv6/conf/{CALI}/accept_dad").write_text("0")
    change(Netlink(), CALI, LinkChange(up=True))
    with lent(pod) as inside:
        configure(inside, PodSide(ETH0, (FOUR, SIX), MAC))
    netns.run("ip", "addr", "add", "10.0.0.1/32", "dev", "lo")
    netns.run("ip", "route", "add", f"{FOUR}/32", "dev", CALI, "scope", "link")
    netns.run("ip", "-6", "route", "add", f"{SIX}/128", "dev", CALI)
    return pod


def test_a_pair_has_its_macs_its_mtu_and_its_node_end_up_from_the_first_moment(netns: Namespace) -> None:
    pod = netns.another()
    create(Netlink(), replace(veth(pod), up=True))
    link = Links().by_name[CALI]
    assert (link.mac, link.mtu, link.up, link.kind) == (MAC, 1440, True, "veth")
    (inside,) = shown(pod, "link", "show", ETH0)
    assert (inside["address"], inside["mtu"]) == ("02:00:00:00:00:05", 1440)
    assert [name for name in Links().by_name if name != "lo"] == [CALI], "the peer never was on the node"


def test_a_taken_name_is_refused_and_says_so(netns: Namespace) -> None:
    pod = netns.another()
    create(Netlink(), veth(pod))
    with pytest.raises(Refused, match="cali0") as refused:
        create(Netlink(), veth(pod))
    assert refused.value.code == errno.EEXIST
    with pytest.raises(Refused) as refused:
        create(Netlink(), veth(pod, Device("cali1")))  # eth0 is taken inside
    assert refused.value.code == errno.EEXIST
    assert Device("cali1") not in Links().by_name


def test_the_pod_has_host_addresses_default_routes_and_permanent_neighbours(netns: Namespace) -> None:
    pod = node(netns)
    addresses = {(a["local"], a["prefixlen"]) for a in shown(pod, "addr", "show", ETH0)[0]["addr_info"]}
    assert {(str(FOUR), 32), (str(SIX), 128)} <= addresses
    routes = {(r["dst"], r.get("gateway")) for r in shown(pod, "route") + shown(pod, "-6", "route")}
    assert {("169.254.1.1", None), ("default", "169.254.1.1"), ("default", "fe80::ecee:eeff:feee:eeee")} <= routes
    neighbours = {(n["dst"], n["lladdr"], n["state"][0]) for n in shown(pod, "neigh")}
    assert neighbours == {
        ("169.254.1.1", MAC, "PERMANENT"),
        (str(link_local(MAC)), MAC, "PERMANENT"),
    }
    assert answers(netns, str(FOUR)) and answers(netns, str(SIX))


def test_with_another_mac_on_the_node_the_pod_is_silent(netns: Namespace) -> None:
    node(netns, mac="ee:ee:ee:ee:ee:01")
    assert not answers(netns, str(FOUR)), "the negative control: the permanent entry points at nobody"
    change(Netlink(), CALI, LinkChange(mac=MAC))
    assert answers(netns, str(FOUR))


def test_configuring_twice_is_the_same_as_once(netns: Namespace) -> None:
    pod = node(netns)
    with lent(pod) as inside:
        assert configure(inside, PodSide(ETH0, (FOUR, SIX), MAC)) == "02:00:00:00:00:05"
    assert answers(netns, str(FOUR))


def test_what_the_pod_refuses_names_the_step(netns: Namespace) -> None:
    pod = netns.another()
    create(Netlink(), veth(pod))
    pod.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
    with lent(pod) as inside, pytest.raises(Refused, match=f"eth0: address {SIX}: .*IPv6 is disabled"):
        configure(inside, PodSide(ETH0, (SIX,), MAC))
    with lent(pod) as inside, pytest.raises(Refused, match="no such device"):
        configure(inside, PodSide(Device("eth9"), (FOUR,), MAC))


def test_links_are_changed_and_a_missing_one_is_named(netns: Namespace) -> None:
    netns.run("ip", "link", "add", "one", "type", "veth", "peer", "name", "two")
    change(Netlink(), Device("one"), LinkChange(mtu=1400, name=Device("new")))
    change(Netlink(), Device("new"), LinkChange(up=True))
    link = Links().by_name[Device("new")]
    assert (link.mtu, link.up) == (1400, True)
    change(Netlink(), Device("new"), LinkChange(up=False))
    assert not Links().by_name[Device("new")].up
    with pytest.raises(Refused, match="no such device") as refused:
        change(Netlink(), Device("one"), LinkChange(up=True))
    assert refused.value.code == errno.ENODEV


def test_many_links_are_deleted_at_once_and_no_others(netns: Namespace) -> None:
    netlink, pods = Netlink(), [netns.another() for _ in range(4)]
    for number, pod in enumerate(pods):
        create(netlink, veth(pod, Device(f"cali{number}")))
    asyncio.run(delete([Device("cali0"), Device("cali1"), Device("cali2"), Device("gone")]))
    assert sorted(Links().by_name) == ["cali3", "lo"]
    asyncio.run(delete([Device("cali3")]))
    asyncio.run(delete([Device("cali3")]))
    asyncio.run(delete([]))
    assert sorted(Links().by_name) == ["lo"]
    assert shown(pods[0], "link", "show")[-1]["ifname"] == "lo"


def test_the_pods_descriptor_stays_the_callers(netns: Namespace) -> None:
    pod = netns.another()
    with pod.socket() as sock:
        Netlink(sock).close()
        assert sock.fileno() >= 0
    os.fstat(pod.fd)


def test_a_mac_gives_its_link_local_address() -> None:
    assert str(link_local(MAC)) == "fe80::ecee:eeff:feee:eeee"
