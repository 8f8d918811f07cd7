"""What a neighbour is, said once for BIRD, FRR and GoBGP alike, and how it is asked what it has.

    Part(asn=65009, links=(Link(1, 64512, password="right"),), families="4")

It is at 172.20.0.N and fd20::N of the fabric, N being `Part.number`; each of the three has a file that writes this
as its own configuration and reads its own show commands.
"""

import subprocess
from dataclasses import dataclass
from typing import Protocol

FAMILIES = {"4": "172.20.0", "6": "fd20:"}
CLUSTER = "9.9.9.9"  # the cluster id of one that reflects
COMMUNITIES = {
    "plain": (1,),
    "large": (1, 2),
    "extended": (3,),
}  # after its AS number, on all that a `marked` one tells


@dataclass(frozen=True, slots=True)
class Link:
    """Its sessions, one a family, with the router at 172.20.0.N and fd20::N."""

    number: int
    asn: int
    client: bool = False  # of its route reflection
    password: str = ""
    near: bool = False  # RFC 5082: sends TTL 255 and wants it
    port: int = 179  # that it dials
    passive: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """What it is."""

    asn: int
    links: tuple[Link, ...]
    graceful: bool = True
    routes: tuple[str, ...] = ()  # that it has from its start
    families: str = "46"
    number: int = 9
    port: int = 179  # where it listens
    marked: bool = False  # everything that it tells has communities of all three kinds
    back: bool = False  # it was here before and died: says so where it can (the R bit of RFC 4724)

    @property
    def router_id(self) -> str:
        return address("4", self.number)

    def of_family(self, family: str) -> tuple[str, ...]:
        """Its routes of one family."""
        return tuple(prefix for prefix in self.routes if of(prefix) == family)


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

    def heard(self, address: str) -> int:
        """How many UPDATEs, or routes in UPDATEs, it has had from that router in all its sessions or in this one."""
        ...

    def ask_again(self, address: str) -> None:
        """Send that router a ROUTE-REFRESH."""
        ...

    def restart(self, address: str) -> None:
        """End the session with that router and dial it anew."""
        ...


def address(family: str, number: int) -> str:
    """172.20.0.N or fd20::N."""
    return f"{FAMILIES[family]}{'.' if family == '4' else ':'}{number}"


def of(prefix: str) -> str:
    """The family of a prefix or an address."""
    return "6" if ":" in prefix else "4"
