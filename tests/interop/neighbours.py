"""What the cases of this folder share: a BIRD with any options at 172.20.0.N, patience, what n1 says of it."""

import json
from collections.abc import Callable
from typing import Any, TypeVar

from felixpy.model.addresses import Asn
from felixpy.model.resources import BGPPeer, Metadata, Resource
from tests.interop.parts import Link, Part
from tests.netns.fabric import Fabric, Machine, eventually

T = TypeVar("T")
PATIENCE_S = 60.0
PREFIX = "203.0.113.0/24"
BIRD = """
router id 172.20.0.{number};
log stderr all;
protocol device {{}}
protocol static s4 {{ ipv4; {routes} }}
protocol bgp n1 {{
  local {address} as {asn}; neighbor {neighbor}; {options}
  connect delay time 1; connect retry time 1; error wait time 1, 2;
  ipv4 {{ import all; {export} next hop self; }};
}}
"""


def switch(number: int = 9, options: str = "multihop; graceful restart on;", **changes: str) -> str:
    """The configuration of a BIRD at 172.20.0.N, AS 65000 + N, that announces `PREFIX` to n1."""
    usual = {
        "address": f"172.20.0.{number}",
        "asn": str(65000 + number),
        "neighbor": "172.20.0.1 as 64512",
        "routes": f"route {PREFIX} blackhole;",
        "export": "export all;",
    }
    return BIRD.format(number=number, options=options, **usual | changes)


def tor(number: int = 9, *, link: Link | None = None, **changes: Any) -> Part:
    """The same as a part for any daemon: IPv4 alone, with `PREFIX` from its start."""
    link = link or Link(1, 64512)
    usual: dict[str, Any] = {"asn": 65000 + number, "links": (link,), "families": "4", "routes": (PREFIX,)}
    return Part(**usual | {"number": number} | changes)


def peer(number: int = 9, **fields: Any) -> BGPPeer:
    """The BGPPeer by which n1 speaks with that BIRD."""
    usual: dict[str, Any] = {"node": "n1", "peer_ip": f"172.20.0.{number}", "as_number": Asn(65000 + number)}
    return BGPPeer(**usual | fields)


def limited(limit: int) -> "Resource[BGPPeer]":
    """The same with a limit on its prefixes."""
    return Resource(Metadata(name="switch", annotations={"felixpy.io/max-prefix": str(limit)}), peer())


def soon(claim: Callable[[], T]) -> T:
    """Wait until it is so; what was found."""
    return eventually(claim, PATIENCE_S)


def two(fabric: Fabric) -> tuple[Machine, Machine]:
    """n1 and n2, in a mesh with each other, up."""
    n1, n2 = fabric.node("n1", 1), fabric.node("n2", 2)
    n1.start()
    n2.start()
    soon(lambda: n1.up("172.20.0.2") and n1.up("fd20::2"))
    return n1, n2


def said_of(machine: Machine, address: str = "172.20.0.9") -> Any:
    """What `birdpy peers` says of one peer."""
    known = machine.ask("peers") or {"peers": []}
    return next((each for each in known["peers"] if each["address"] == address), None)


def counter(machine: Machine, name: str) -> int:
    """One of the kernel's TCP counters in a node's namespace, such as `TCPMD5Failure`."""
    lines = machine.namespace.run("nstat", "-asz", f"TcpExt{name}").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"TcpExt{name}"))


def dropped(machine: Machine) -> set[str]:
    """The sessions that its log has seen go down."""
    return {json.loads(line)["session"] for line in machine.log().splitlines() if '"session down"' in line}


def connections(machine: Machine, number: int = 9) -> list[tuple[str, str]]:
    """Its established TCP connections with 172.20.0.N: both ends as `address:port`."""
    said = machine.namespace.run("ss", "-Htn", "state", "established", "dst", f"172.20.0.{number}")
    return [(line.split()[2], line.split()[3]) for line in said.splitlines()]
