"""BIRD, FRR and GoBGP as one and the same neighbour at 172.20.0.9 and fd20::9, whatever part it plays.

with fabric.beside(9), daemon(folder, "frr", Part(asn=65009, links=(Link(1, 64512),))) as theirs:
    theirs.announce("203.0.113.0/24")
    theirs.view("10.65.1.0/26")      # what its own show command says of it, in one form for all three
"""

import contextlib
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.speakers import Bird, Frr, GoBgp, bird, frr, gobgp

DAEMONS = {"bird": ("bird",), "frr": ("bgpd", "vtysh"), "gobgp": ("gobgpd", "gobgp")}
FAMILIES = {"4": "172.20.0", "6": "fd20:"}


@dataclass(frozen=True, slots=True)
class Link:
    """Its sessions, one a family, with the router at 172.20.0.N and fd20::N."""

    number: int
    asn: int
    client: bool = False  # of its route reflection


@dataclass(frozen=True, slots=True)
class Part:
    """What it is."""

    asn: int
    links: tuple[Link, ...]
    graceful: bool = True
    routes: tuple[str, ...] = ()  # that it has from its start; not GoBGP, whose routes are not in its configuration


@dataclass(frozen=True, slots=True)
class View:
    """A path as the daemon shows it."""

    as_path: tuple[int, ...]
    next_hop: str
    originator: str = ""
    clusters: tuple[str, ...] = ()


class Daemon(Protocol):
    """What all three can be asked; `announce` and `withdraw` take its own routes."""

    @property
    def process(self) -> "subprocess.Popen[bytes]": ...

    def up(self, address: str) -> bool: ...

    def announce(self, *prefixes: str) -> None: ...

    def withdraw(self, *prefixes: str) -> None: ...

    def view(self, prefix: str) -> View | None:
        """The first path to `prefix` that it was given by BGP."""
        ...


def address(family: str, number: int) -> str:
    """172.20.0.N or fd20::N."""
    return f"{FAMILIES[family]}{'.' if family == '4' else ':'}{number}"


def of(prefix: str) -> str:
    """The family of a prefix or an address."""
    return "6" if ":" in prefix else "4"


BIRD = """
router id 172.20.0.9;
log stderr all;
protocol device {{}}
{static}
template bgp ours {{
  local as {asn}; multihop; graceful restart {graceful};
  connect delay time 1; connect retry time 1; error wait time 1, 2;
}}
{sessions}
"""
BIRD_SESSION = """
protocol bgp n{number}v{family} from ours {{
  neighbor {peer} as {peer_asn}; source address {own}; {client}
  ipv{family} {{ import all; export all; {hop} }};
}}
"""


@dataclass(frozen=True, slots=True)
class OfBird:
    """BIRD: its routes are static ones in a file that is read again."""

    it: Bird
    part: Part

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        return self.it.process

    @staticmethod
    def config(part: Part, prefixes: frozenset[str]) -> str:
        routes = {f: "".join(f"route {p} blackhole; " for p in sorted(prefixes) if of(p) == f) for f in FAMILIES}
        sessions = "".join(
            BIRD_SESSION.format(
                number=link.number, family=family, peer=address(family, link.number), peer_asn=link.asn,
                own=address(family, 9), client="rr client; rr cluster id 9.9.9.9;" if link.client else "",
                hop="next hop self;" if link.asn != part.asn else "",
            )
            for link in part.links for family in FAMILIES
        )  # fmt: skip
        static = "".join(f"protocol static s{f} {{ ipv{f}; {routes[f]} }}\n" for f in FAMILIES)
        graceful = "on" if part.graceful else "off"
        return BIRD.format(static=static, asn=part.asn, graceful=graceful, sessions=sessions)

    def up(self, address: str) -> bool:
        number = re.split(r"[.:]", address)[-1]
        return self.it.is_up(f"n{number}v{of(address)}")

    def announce(self, *prefixes: str) -> None:
        self._have(self._held() | set(prefixes))

    def withdraw(self, *prefixes: str) -> None:
        self._have(self._held() - set(prefixes))

    def _held(self) -> frozenset[str]:
        return frozenset(re.findall(r"route (\S+) blackhole", (self.it.folder / "bird.conf").read_text()))

    def _have(self, prefixes: frozenset[str]) -> None:
        (self.it.folder / "bird.conf").write_text(self.config(self.part, prefixes))
        said = self.it.ask("configure")
        assert "econfigur" in said, said

    def view(self, prefix: str) -> View | None:
        text = self.it.route(prefix)
        if not text:
            return None
        said = {name: value.strip() for name, value in re.findall(r"BGP\.(\w+):(.*)", text)}
        as_path = tuple(map(int, said.get("as_path", "").split()))
        clusters = tuple(said.get("cluster_list", "").split())
        return View(as_path, said["next_hop"].split()[0], said.get("originator_id", ""), clusters)


@dataclass(frozen=True, slots=True)
class OfFrr:
    """FRR: its routes are `network` lines."""

    it: Frr
    part: Part

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        return self.it.process

    @staticmethod
    def config(part: Part) -> str:
        lines = [
            f"router bgp {part.asn}", "bgp router-id 172.20.0.9", "no bgp ebgp-requires-policy",
            "no bgp network import-check", "no bgp default ipv4-unicast", "bgp cluster-id 9.9.9.9",
        ]  # fmt: skip
        if part.graceful:
            lines += ["bgp graceful-restart", "bgp graceful-restart preserve-fw-state"]
        for family in FAMILIES:
            for link in part.links:
                peer = f"neighbor {address(family, link.number)}"
                lines += [f"{peer} remote-as {link.asn}", f"{peer} timers connect 1"]
                lines += [f"{peer} update-source {address(family, 9)}"]
                lines += [f"{peer} ebgp-multihop 2"] if link.asn != part.asn else []
        for family in FAMILIES:
            lines.append(f"address-family ipv{family} unicast")
            for link in part.links:
                peer = f"neighbor {address(family, link.number)}"
                lines += [f"{peer} activate"] + ([f"{peer} route-reflector-client"] if link.client else [])
            lines += [f"network {prefix}" for prefix in part.routes if of(prefix) == family]
            lines.append("exit-address-family")
        return "\n".join(lines) + "\n"

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


GOBGP = """
[global.config]
  as = {asn}
  router-id = "172.20.0.9"
  local-address-list = ["172.20.0.9", "fd20::9"]
"""
GOBGP_SESSION = """
[[neighbors]]
  [neighbors.config]
    neighbor-address = "{peer}"
    peer-as = {peer_asn}
  [neighbors.transport.config]
    local-address = "{own}"
  [neighbors.timers.config]
    connect-retry = 1
    idle-hold-time-after-reset = 1
  {more}
  [neighbors.graceful-restart.config]
    enabled = {graceful}
    restart-time = 120
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv{family}-unicast"
    [neighbors.afi-safis.mp-graceful-restart.config]
      enabled = {graceful}
"""
GOBGP_MULTIHOP = """[neighbors.ebgp-multihop.config]
    enabled = true
    multihop-ttl = 2"""
GOBGP_CLIENT = """[neighbors.route-reflector.config]
    route-reflector-client = true
    route-reflector-cluster-id = "9.9.9.9\""""


@dataclass(frozen=True, slots=True)
class OfGoBgp:
    """GoBGP: its routes are added to its table."""

    it: GoBgp
    part: Part

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        return self.it.process

    @staticmethod
    def config(part: Part) -> str:
        sessions = ""
        for link in part.links:
            more = GOBGP_CLIENT if link.client else "" if link.asn == part.asn else GOBGP_MULTIHOP
            for family in FAMILIES:
                sessions += GOBGP_SESSION.format(
                    peer=address(family, link.number), peer_asn=link.asn, own=address(family, 9), more=more,
                    graceful=str(part.graceful).lower(), family=family,
                )  # fmt: skip
        return GOBGP.format(asn=part.asn) + sessions

    def up(self, address: str) -> bool:
        return self.it.is_up(address)

    def announce(self, *prefixes: str) -> None:
        for prefix in prefixes:
            family = of(prefix)
            self.it.ask("global", "rib", "-a", f"ipv{family}", "add", prefix, "nexthop", address(family, 9))

    def withdraw(self, *prefixes: str) -> None:
        for prefix in prefixes:
            self.it.ask("global", "rib", "-a", f"ipv{of(prefix)}", "del", prefix)

    def view(self, prefix: str) -> View | None:
        for path in self.it.route(prefix):
            if path.get("source-id") in (None, "", "<nil>", "0.0.0.0"):
                continue
            attributes = {each["type"]: each for each in path["attrs"]}
            segments = attributes.get(2, {}).get("as_paths", [])
            as_path = tuple(asn for segment in segments for asn in segment["asns"])
            hop = (attributes.get(3) or attributes[14])["nexthop"]
            return View(
                as_path, hop, attributes.get(9, {}).get("value", ""), tuple(attributes.get(10, {}).get("value", ()))
            )
        return None


@contextlib.contextmanager
def daemon(folder: Path, kind: str, part: Part) -> Iterator[Daemon]:
    """The daemon `kind` playing `part`, started from this thread's namespace, which is at number 9."""
    if kind == "bird":
        with bird(folder, OfBird.config(part, frozenset(part.routes))) as birds:
            yield OfBird(birds, part)
    elif kind == "frr":
        with frr(folder, OfFrr.config(part), "172.20.0.9") as frrs:
            yield OfFrr(frrs, part)
    else:
        with gobgp(folder, OfGoBgp.config(part)) as gobgps:
            yield OfGoBgp(gobgps, part)
