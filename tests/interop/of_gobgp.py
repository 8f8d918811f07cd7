"""GoBGP as a neighbour: its routes are added to its table, for they have no place in its configuration."""

import socket
import struct
import subprocess
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from tests.interop.parts import CLUSTER, COMMUNITIES, Link, Part, View, address, of
from tests.speakers import GoBgp, attribute

FEW = 20  # routes that are added one by one; more come as a dump of a table
CONFIG = """
[global.config]
  as = {asn}
  router-id = "{router_id}"
  port = {port}
  local-address-list = [{addresses}]
"""
SESSION = """
[[neighbors]]
  [neighbors.config]
    neighbor-address = "{peer}"
    peer-as = {peer_asn}
    {password}
  [neighbors.transport.config]
    local-address = "{own}"
    remote-port = {peer_port}
    passive-mode = {passive}
  [neighbors.timers.config]
    connect-retry = 1
    idle-hold-time-after-reset = 1
  {more}
  [neighbors.graceful-restart.config]
    enabled = {graceful}
    restart-time = 120
    deferral-time = 5
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv{family}-unicast"
    [neighbors.afi-safis.mp-graceful-restart.config]
      enabled = {graceful}
"""
MULTIHOP = """[neighbors.ebgp-multihop.config]
    enabled = true
    multihop-ttl = 2"""
NEAR = """[neighbors.ttl-security.config]
    enabled = true
    ttl-min = 255"""
CLIENT = f"""[neighbors.route-reflector.config]
    route-reflector-client = true
    route-reflector-cluster-id = "{CLUSTER}\""""


def config(part: Part) -> str:
    """gobgpd.toml."""
    addresses = ", ".join(f'"{address(family, part.number)}"' for family in part.families)
    speaker = CONFIG.format(asn=part.asn, router_id=part.router_id, port=part.port, addresses=addresses)
    return speaker + "".join(session(part, link, family) for link in part.links for family in part.families)


def session(part: Part, link: Link, family: str) -> str:
    far = "" if link.asn == part.asn else MULTIHOP
    return SESSION.format(
        peer=address(family, link.number), peer_asn=link.asn, own=address(family, part.number), peer_port=link.port,
        passive=str(link.passive).lower(), more=CLIENT if link.client else NEAR if link.near else far,
        graceful=str(part.graceful).lower(), family=family,
        password=f'auth-password = "{link.password}"' if link.password else "",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class OfGoBgp:
    """One that runs."""

    it: GoBgp
    part: Part
    folder: Path

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        return self.it.process

    def up(self, address: str) -> bool:
        return self.it.is_up(address)

    def announce(self, *prefixes: str) -> None:
        if len(prefixes) > FEW:
            (self.folder / "table.mrt").write_bytes(dump(self.part, prefixes))
            self.it.ask("mrt", "inject", "global", str(self.folder / "table.mrt"))
            return
        for prefix in prefixes:
            self._rib(
                "add", prefix, "origin", "igp", "nexthop", address(of(prefix), self.part.number), *self._marks()
            )

    def _marks(self) -> list[str]:
        if not self.part.marked:
            return []
        values = {kind: ":".join(map(str, (self.part.asn, *numbers))) for kind, numbers in COMMUNITIES.items()}
        return ["community", values["plain"], "large-community", values["large"], "rt", values["extended"]]

    def withdraw(self, *prefixes: str) -> None:
        for prefix in prefixes:
            self._rib("del", prefix)

    def _rib(self, what: str, prefix: str, *words: str) -> None:
        said = self.it.ask("global", "rib", "-a", f"ipv{of(prefix)}", what, prefix, *words)
        assert not said.strip(), said

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

    def heard(self, address: str) -> int:
        known: list[dict[str, Any]] = self.it.json("neighbor") or []
        state = next(each["state"] for each in known if each["state"].get("neighbor_address") == address)
        return int(state["messages"]["received"].get("update", 0))

    def ask_again(self, address: str) -> None:
        raise NotImplementedError("it has no command for that: softresetin judges again what it has")

    def restart(self, address: str) -> None:
        self.it.ask("neighbor", address, "disable")  # a reset would keep it idle for half a minute
        self.it.ask("neighbor", address, "enable")


def dump(part: Part, prefixes: tuple[str, ...]) -> bytes:
    """IPv4 routes as an MRT file (RFC 6396 §4.3, TABLE_DUMP_V2): the one way into GoBGP for thousands."""
    own = socket.inet_aton(address("4", part.number))
    index = own + struct.pack("!HHB", 0, 1, 2) + own + own + struct.pack("!I", part.asn)  # one peer: itself
    records = [record(1, index)]
    told = attribute(1, b"\x00") + attribute(2, b"") + attribute(3, own)
    for number, prefix in enumerate(map(ip_network, prefixes)):
        nlri = bytes([prefix.prefixlen]) + prefix.network_address.packed[: (prefix.prefixlen + 7) // 8]
        entry = struct.pack("!HIH", 0, 0, len(told)) + told
        records.append(record(2, struct.pack("!I", number) + nlri + struct.pack("!H", 1) + entry))
    return b"".join(records)


def record(subtype: int, body: bytes) -> bytes:
    return struct.pack("!IHHI", 0, 13, subtype, len(body)) + body
