"""BIRD as a neighbour: its routes are static ones in a file that is read again."""

import re
import subprocess
from dataclasses import dataclass

from tests.interop.parts import CLUSTER, COMMUNITIES, Link, Part, View, address, of
from tests.speakers import Bird

CONFIG = """
router id {router_id};
log stderr all;
protocol device {{}}
{static}
{filter}
template bgp ours {{
  local as {asn}; {graceful}
  connect delay time 1; connect retry time 1; error wait time 1, 2;
}}
{sessions}
"""
SESSION = """
protocol bgp n{number}v{family} from ours {{
  local {own} port {port}; neighbor {peer} port {peer_port} as {peer_asn}; {options}
  ipv{family} {{ import all; export {export}; {hop} }};
}}
"""
MARK = """
filter marked {{
  bgp_community.add(({asn}, {plain})); bgp_large_community.add(({asn}, {large}));
  bgp_ext_community.add((rt, {asn}, {extended})); accept;
}}
"""


def config(part: Part, prefixes: frozenset[str]) -> str:
    """bird.conf of one that has these routes of its own."""
    routes = {f: "".join(f"route {p} blackhole; " for p in sorted(prefixes) if of(p) == f) for f in part.families}
    values = {kind: ", ".join(map(str, numbers)) for kind, numbers in COMMUNITIES.items()}
    return CONFIG.format(
        router_id=part.router_id,
        static="".join(f"protocol static s{f} {{ ipv{f}; {routes[f]} }}\n" for f in part.families),
        filter=MARK.format(asn=part.asn, **values) if part.marked else "",
        asn=part.asn,
        graceful="graceful restart on;" if part.graceful else "graceful restart off;",
        sessions="".join(session(part, link, family) for link in part.links for family in part.families),
    )


def session(part: Part, link: Link, family: str) -> str:
    return SESSION.format(
        number=link.number, family=family, own=address(family, part.number), port=part.port,
        peer=address(family, link.number), peer_port=link.port, peer_asn=link.asn, options=options(link),
        export="filter marked" if part.marked else "all", hop="next hop self;" if link.asn != part.asn else "",
    )  # fmt: skip


def options(link: Link) -> str:
    chosen = ["direct; ttl security on;" if link.near else "multihop;"]
    chosen += [f"rr client; rr cluster id {CLUSTER};"] if link.client else []
    chosen += [f'password "{link.password}";'] if link.password else []
    chosen += ["passive on;"] if link.passive else []
    return " ".join(chosen)


@dataclass(frozen=True, slots=True)
class OfBird:
    """One that runs."""

    it: Bird
    part: Part

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        return self.it.process

    def up(self, address: str) -> bool:
        return self.it.is_up(named(address))

    def announce(self, *prefixes: str) -> None:
        self._have(self._held() | set(prefixes))

    def withdraw(self, *prefixes: str) -> None:
        self._have(self._held() - set(prefixes))

    def _held(self) -> frozenset[str]:
        return frozenset(re.findall(r"route (\S+) blackhole", (self.it.folder / "bird.conf").read_text()))

    def _have(self, prefixes: frozenset[str]) -> None:
        (self.it.folder / "bird.conf").write_text(config(self.part, prefixes))
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

    def heard(self, address: str) -> int:
        lines = self.it.ask("show", "protocols", "all", named(address)).splitlines()
        return sum(int(line.split()[2]) for line in lines if "Import updates:" in line)

    def ask_again(self, address: str) -> None:
        self.it.ask("reload", "in", named(address))

    def restart(self, address: str) -> None:
        self.it.ask("restart", named(address))


def named(address: str) -> str:
    """Its name for the session with that router."""
    return f"n{re.split(r'[.:]', address)[-1]}v{of(address)}"
