"""A hostile top-of-rack switch announces what would kill a node. Nothing changes in any kernel, and each is named."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.lab.conftest import Running, until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


def own_block(lab: Running, node: str) -> str:
    (hole,) = [r["dst"] for r in lab.routes(node) if r.get("type") == "blackhole" and r.get("protocol") == "bird"]
    return str(hole)


@contextmanager
def announcing(lab: Running, prefixes: list[str]) -> Iterator[None]:
    """The switch announces these prefixes, and a default route, to every node."""
    enter = ["-c", "configure terminal", "-c", "router bgp 65000", "-c", "no bgp network import-check"]
    enter += ["-c", "address-family ipv4 unicast"]
    told = ["neighbor NODES default-originate", *(f"network {prefix}" for prefix in prefixes)]
    lab.exec("tor", "vtysh", *enter, *(part for line in told for part in ("-c", line)))
    try:
        yield
    finally:
        lab.exec("tor", "vtysh", *enter, *(part for line in told for part in ("-c", f"no {line}")))


def refusals(lab: Running, node: str) -> dict[str, str]:
    """What the switch said and birdpy refused: prefix -> reason."""
    entries = lab.ask("birdpy", "rib", node=node)["entries"]
    return {
        entry["prefix"]: str(path["reason"])
        for entry in entries
        for path in entry["paths"]
        if path["peer"] == "172.20.0.1" and path["as_path"] == [65000] and not path["accepted"]
    }


def test_nothing_that_kills_a_node_is_believed(quickstart: Running) -> None:
    nodes = ("n1", "n2", "n3")
    before = {node: quickstart.routes(node) for node in nodes}
    block = own_block(quickstart, "n1")
    with announcing(quickstart, ["172.20.0.0/24", "172.20.0.1/32", "172.20.0.12/32", block]):
        wanted = {"0.0.0.0/0", "172.20.0.0/24", "172.20.0.1/32", "172.20.0.12/32"}
        until(lambda: set(refusals(quickstart, "n1")) >= {*wanted, block})
        until(lambda: set(refusals(quickstart, "n2")) >= wanted)
        reasons = refusals(quickstart, "n1")
        assert "default route" in reasons["0.0.0.0/0"]
        assert "connected subnet" in reasons["172.20.0.0/24"]
        assert "own block" in reasons[block]
        assert {node: quickstart.routes(node) for node in nodes} == before
    until(lambda: not refusals(quickstart, "n1"))


def test_what_harms_nobody_is_believed(quickstart: Running) -> None:
    """The negative control: the switch is heard, the same way, and the kernel does change."""
    before = quickstart.routes("n1")
    enter = ["-c", "configure terminal", "-c", "router bgp 65000", "-c", "no bgp network import-check"]
    enter += ["-c", "address-family ipv4 unicast"]
    quickstart.exec("tor", "vtysh", *enter, "-c", "network 203.0.113.0/24")
    try:
        until(lambda: "203.0.113.0/24" in {route["dst"] for route in quickstart.routes("n1")})
    finally:
        quickstart.exec("tor", "vtysh", *enter, "-c", "no network 203.0.113.0/24")
    until(lambda: quickstart.routes("n1") == before)
