"""FRR's bgpd as a neighbour: its routes are `network` lines."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from tests.interop.parts import CLUSTER, COMMUNITIES, Link, Part, View, address, of
from tests.speakers import Frr


def config(part: Part) -> str:
    """bgpd.conf."""
    families = [line for family in part.families for line in routes(part, family)]
    return "\n".join([*marking(part), *speaker(part), *families]) + "\n"


def speaker(part: Part) -> Iterator[str]:
    yield f"router bgp {part.asn}"
    yield f"bgp router-id {part.router_id}"
    yield from ("no bgp ebgp-requires-policy", "no bgp network import-check", "no bgp default ipv4-unicast")
    yield f"bgp cluster-id {CLUSTER}"
    if part.graceful:
        yield from ("bgp graceful-restart", "bgp graceful-restart preserve-fw-state")
    for family in part.families:
        for link in part.links:
            yield from neighbor(part, link, family)


def neighbor(part: Part, link: Link, family: str) -> Iterator[str]:
    peer = f"neighbor {address(family, link.number)}"
    yield f"{peer} remote-as {link.asn}"
    yield f"{peer} timers connect 1"
    yield f"{peer} update-source {address(family, part.number)}"
    if link.asn != part.asn:
        yield f"{peer} ttl-security hops 1" if link.near else f"{peer} ebgp-multihop 2"
    if link.password:
        yield f"{peer} password {link.password}"
    if link.port != 179:
        yield f"{peer} port {link.port}"
    if link.passive:
        yield f"{peer} passive"


def routes(part: Part, family: str) -> Iterator[str]:
    yield f"address-family ipv{family} unicast"
    for link in part.links:
        peer = f"neighbor {address(family, link.number)}"
        yield f"{peer} activate"
        if link.client:
            yield f"{peer} route-reflector-client"
        if part.marked:
            yield f"{peer} route-map marked out"
    yield from (f"network {prefix}" for prefix in part.of_family(family))
    yield "exit-address-family"


def marking(part: Part) -> Iterator[str]:
    if part.marked:
        values = {kind: ":".join(map(str, (part.asn, *numbers))) for kind, numbers in COMMUNITIES.items()}
        yield "route-map marked permit 10"
        yield f"set community {values['plain']}"
        yield f"set large-community {values['large']}"
        yield f"set extcommunity rt {values['extended']}"
        yield "exit"


@dataclass(frozen=True, slots=True)
class OfFrr:
    """One that runs."""

    it: Frr
    part: Part

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        return self.it.process

    def up(self, address: str) -> bool:
        return self.it.is_up(address)

    def announce(self, *prefixes: str) -> None:
        self._network("", prefixes)

    def withdraw(self, *prefixes: str) -> None:
        self._network("no ", prefixes)

    def _network(self, no: str, prefixes: tuple[str, ...]) -> None:
        for prefix in prefixes:
            family = f"address-family ipv{of(prefix)} unicast"
            self.it.ask("configure terminal", f"router bgp {self.part.asn}", family, f"{no}network {prefix}")

    def view(self, prefix: str) -> View | None:
        for path in self.it.route(prefix):
            if path.get("peer", {}).get("peerId", "") in ("", "0.0.0.0", "::"):
                continue
            text = path.get("aspath", {}).get("string", "")
            as_path = tuple(int(word) for word in text.split() if word.isdigit())
            hops = [hop["ip"] for hop in path["nexthops"] if hop.get("scope", "global") == "global"]
            clusters = tuple(path.get("clusterList", {}).get("list", ()))
            return View(as_path, hops[0], path.get("originatorId", ""), clusters)
        return None

    def heard(self, address: str) -> int:
        known = self.it.json(f"show bgp neighbors {address} json")
        return int(known[address]["messageStats"]["updatesRecv"])

    def ask_again(self, address: str) -> None:
        self.it.ask(f"clear bgp ipv{of(address)} unicast {address} in")

    def restart(self, address: str) -> None:
        self.it.ask(f"clear bgp ipv{of(address)} {address}")
