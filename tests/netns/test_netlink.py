"""The request socket on a real kernel: rights, churn, and what becomes of it when something breaks."""

import os
import subprocess
import sys
import threading

import pytest

from felixpy.kernel.links import Links
from felixpy.kernel.netlink import Failure, Netlink
from felixpy.kernel.rtnetlink import LINK, RTM_GETLINK, RTM_NEWLINK, message, text
from felixpy.model.errors import Unreachable
from tests.namespaces import Namespace

POWERLESS = """\
import asyncio, os
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
from ipaddress import ip_network
from felixpy.kernel.routes import KernelRoutes
from felixpy.model.routes import Device, Route, RouteKey, RouteKind
from felixpy.reconcile.plan import Plan
keys = [RouteKey(ip_network(f"10.65.0.{n}/32")) for n in range(3)]
table = KernelRoutes(80, [0], lambda key, route: True)
assert asyncio.run(table.read()) == {}
refused = asyncio.run(table.apply(Plan({key: Route(key, RouteKind.LOCAL, Device("lo")) for key in keys})))
print(*(refused[key] for key in keys), sep="\\n")
"""


def test_without_the_right_every_key_is_refused_and_the_right_is_named(netns: Namespace) -> None:
    """Run as nobody, who may read; modules are loaded as root, for nobody may not see where they are."""
    load = "import felixpy.kernel.routes, asyncio.runners\n"
    done = subprocess.run([sys.executable, "-c", load + POWERLESS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert all("CAP_NET_ADMIN is missing" in line for line in lines)


def test_a_dump_is_whole_while_others_make_and_remove_links(netns: Namespace) -> None:
    steady = "".join(f"link add x{n} type veth peer name y{n}\n" for n in range(60))
    churn = "".join(f"link add t{n} type veth peer name u{n}\nlink del t{n}\n" for n in range(40))
    netns.run("ip", "-batch", "-", given=steady)
    expected = {f"{end}{n}" for n in range(60) for end in "xy"} | {"lo"}
    other = threading.Thread(target=lambda: netns.run("ip", "-batch", "-", given=churn))
    other.start()
    readings = 0
    while other.is_alive() or not readings:
        assert expected <= set(Links().by_name)
        readings += 1
    other.join()


def test_a_socket_that_breaks_is_replaced_and_says_so(netns: Namespace) -> None:
    netlink = Netlink()
    os.close(netlink._sock.fileno())  # as if the kernel had taken it away
    with pytest.raises(Unreachable, match="Bad file descriptor"):
        netlink.send([message(RTM_NEWLINK, 0, LINK.pack(0, 0, 1, 1, 1))])
    assert netlink.send([message(RTM_NEWLINK, 0, LINK.pack(0, 0, 1, 1, 1))]) == {}


def test_a_lent_socket_that_breaks_stays_the_lenders(netns: Namespace) -> None:
    sock = netns.another().socket()
    netlink = Netlink(sock)
    sock.close()
    for _ in range(2):
        with pytest.raises(Unreachable):
            netlink.dump(RTM_GETLINK, LINK.pack(0, 0, 0, 0, 0))


def test_of_many_requests_each_failure_has_its_place(netns: Namespace) -> None:
    good = message(RTM_NEWLINK, 0, LINK.pack(0, 0, 1, 1, 1))
    bad = message(RTM_NEWLINK, 0, LINK.pack(0, 0, 0, 0, 0) + text(3, "nothere"))
    requests = [good] * 1000
    for place in (0, 255, 256, 700, 999):
        requests[place] = bad
    failures = Netlink().send(requests)
    assert set(failures) == {0, 255, 256, 700, 999}
    assert all(isinstance(failure, Failure) and failure.code == 19 for failure in failures.values())
