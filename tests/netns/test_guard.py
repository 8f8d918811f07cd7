"""The IPv6 source check on real packets: a pod's own address passes, another's does not."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

import pytest

from felixpy.kernel import guard
from felixpy.kernel.guard import Guard
from felixpy.kernel.netlink import Netlink
from felixpy.kernel.pod_side import PodSide, configure
from felixpy.kernel.veth import LinkChange, Veth, change, create
from felixpy.model.addresses import parse_address
from felixpy.model.errors import Unreachable
from felixpy.model.routes import Device
from tests.namespaces import Namespace

MAC = "ee:ee:ee:ee:ee:ee"
CALI = Device("cali0")
OWN, STOLEN, OUTSIDE = "fd65::2", "fd65::3", "fd10::1"
T = TypeVar("T")


def run(work: Coroutine[None, None, T]) -> T:
    return asyncio.run(work)


def pod(netns: Namespace) -> Namespace:
    """A pod that holds OWN, and has given itself STOLEN; OUTSIDE is behind the node and routes both to it."""
    made, outside = netns.another(), netns.another()
    create(Netlink(), Veth(CALI, MAC, 1500, Device("eth0"), made.fd, up=False))
    create(Netlink(), Veth(Device("up0"), "02:00:00:00:00:01", 1500, Device("eth0"), outside.fd, up=False))
    for device in (CALI, "up0"):
        Path(f"/proc/sys/net/ipv6/conf/{device}/accept_dad").write_text("0")
        change(Netlink(), Device(device), LinkChange(up=True))
    with made.socket() as sock:
        configure(Netlink(sock), PodSide(Device("eth0"), (parse_address(OWN),), MAC))
    made.run("ip", "addr", "add", f"{STOLEN}/128", "dev", "eth0", "nodad")
    Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1")
    netns.run("ip", "-6", "addr", "add", "fd10::ffff/64", "dev", "up0", "nodad")
    netns.run("ip", "-6", "route", "add", f"{OWN}/128", "dev", CALI)
    outside.run("ip", "link", "set", "eth0", "up")
    outside.run("ip", "addr", "add", f"{OUTSIDE}/64", "dev", "eth0", "nodad")
    outside.run("nft", "-f", "-", given="table ip6 t {\n chain i {\n type filter hook input priority 0\n }\n}\n")
    for source in (OWN, STOLEN):
        outside.run("nft", "add", "rule", "ip6", "t", "i", "ip6", "saddr", source, "icmpv6", "type", "echo-request",
                    "counter")  # fmt: skip
    return made


def arrivals(netns: Namespace, made: Namespace, source: str) -> int:
    """How many of three echo requests from `source` reach the outside host."""
    outside = netns.others[1]
    before = counted(outside, source)
    made.run("ping", "-c3", "-i0.05", "-W0.3", "-I", source, OUTSIDE, check=False)
    return counted(outside, source) - before


def counted(outside: Namespace, source: str) -> int:
    (line,) = (
        row for row in outside.run("nft", "list", "table", "ip6", "t").splitlines() if f"saddr {source}" in row
    )
    return int(line.split("packets ")[1].split()[0])


def test_a_pod_sends_from_its_own_address_and_from_no_other(netns: Namespace) -> None:
    made = pod(netns)
    assert arrivals(netns, made, OWN) == 3
    assert arrivals(netns, made, STOLEN) == 3, "the negative control: without the guard the lie gets out"
    run(guard.write(Guard()))
    assert arrivals(netns, made, OWN) == 3
    assert arrivals(netns, made, STOLEN) == 0
    run(guard.write(Guard(exempt=frozenset([CALI]))))
    assert arrivals(netns, made, STOLEN) == 3, "allowedSourcePrefixes"


def test_the_guard_reads_back_as_written_twice_or_once(netns: Namespace) -> None:
    assert run(guard.read()) is None
    for wanted in (Guard(), Guard(("veth", "tap"), frozenset([Device("veth0"), Device("veth1.7")])), Guard()):
        run(guard.write(wanted))
        run(guard.write(wanted))
        assert run(guard.read()) == wanted
    run(guard.remove())
    assert run(guard.read()) is None
    run(guard.remove())


def test_a_guard_that_someone_took_apart_is_none(netns: Namespace) -> None:
    run(guard.write(Guard()))
    netns.run("nft", "flush", "chain", "ip6", guard.TABLE, "source")
    assert run(guard.read()) is None


def test_other_peoples_tables_stay(netns: Namespace) -> None:
    netns.run("nft", "add", "table", "ip6", "theirs")
    run(guard.write(Guard()))
    run(guard.remove())
    assert netns.run("nft", "list", "tables").strip() == "table ip6 theirs"


@pytest.mark.parametrize("name", ["", 'a"; flush ruleset; #', "sixteencharacter", "a b", "cali{"])
def test_a_name_that_could_be_a_command_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="interface name"):
        guard.script(Guard(exempt=frozenset([Device(name)])))
    with pytest.raises(ValueError, match="interface name"):
        guard.script(Guard((name,)))


def test_without_nft_it_says_what_is_missing(netns: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Unreachable, match="package nftables"):
        run(guard.read())
