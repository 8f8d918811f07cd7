"""Our own end in these tests: a real ExaBGP under its supervisor, and what it told."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TypeVar

from msgspec import structs

from birdpy.exabgp.process import Place
from birdpy.exabgp.supervisor import ExaBGP
from birdpy.policy.session import Session, Speaker
from birdpy.rib.advertisement import Advertisement, AdvertisementKey
from birdpy.rib.events import Down, Event, Up, Update
from birdpy.rib.path import Attributes, OriginCode
from felixpy.model.addresses import Address, Asn, Prefix
from felixpy.model.errors import Refused
from felixpy.reconcile.plan import Plan

T = TypeVar("T")
OURS, OURS_6 = "10.0.0.1", "fd00::1"
ADDRESSES = ("10.0.0.1/32", "10.0.0.2/32", "10.0.0.3/32", "10.0.0.4/32", "fd00::1/128", "fd00::2/128")


def session(peer: str = "10.0.0.2", **changes: object) -> Session:
    """An eBGP session of AS 65001 with AS 65002 at `peer`, carrying its own family."""
    six = ":" in peer
    plain = Session(
        name=f"Global_{peer.replace('.', '_').replace(':', '_')}",
        address=ip_address(peer),
        port=179,
        local_as=Asn(65001),
        peer_as=Asn(65002),
        source_address=ip_address(OURS_6 if six else OURS),
        families=frozenset({6 if six else 4}),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def speaker(*sessions: Session) -> Speaker:
    """Our node with `sessions`, listening on its two addresses."""
    listening = (ip_address(OURS), ip_address(OURS_6))
    return Speaker("n1", ip_address(OURS), Asn(65001), 179, listening, sessions)


def route(prefix: str, peer: str = "10.0.0.2", **changes: object) -> Advertisement:
    """`prefix` as our own block, for `peer`."""
    network = ip_network(prefix)
    attributes = Attributes(OriginCode.IGP, as_path=(Asn(65001),))
    hop = ip_address(OURS if network.version == 4 else OURS_6)
    key = AdvertisementKey(ip_address(peer), network)
    return Advertisement(key, hop, structs.replace(attributes, **changes))


def bird_config(session4: str = "", session6: str = "") -> str:
    """BIRD at 10.0.0.2 and fd00::2, AS 65002, with one route of each family; the arguments go into its sessions."""
    return f"""
router id 10.0.0.2;
log stderr all;
protocol device {{}}
protocol static s4 {{ ipv4; route 203.0.113.0/24 blackhole; }}
protocol static s6 {{ ipv6; route 2001:db8:1::/48 blackhole; }}
protocol bgp p4 {{
  local 10.0.0.2 as 65002; neighbor 10.0.0.1 as 65001; multihop; strict bind yes; graceful restart on;
  connect delay time 1; connect retry time 1; error wait time 1, 2;
  ipv4 {{ import all; export all; next hop self; }};
  {session4}
}}
protocol bgp p6 {{
  local fd00::2 as 65002; neighbor fd00::1 as 65001; multihop; strict bind yes; graceful restart on;
  connect delay time 1; connect retry time 1; error wait time 1, 2;
  ipv6 {{ import all; export all; next hop self; }};
  {session6}
}}
"""


class Node:
    """The supervisor with a task that collects its events."""

    def __init__(self, exabgp: ExaBGP) -> None:
        self.exabgp = exabgp
        self.events: list[Event] = []
        self.awake = asyncio.Event()  # cleared: events are not taken
        self.awake.set()

    async def follow(self) -> None:
        """Collect events until the supervisor is closed."""
        async for batch in self.exabgp.events():
            self.events += batch
            await self.awake.wait()

    async def configure(self, *sessions: Session) -> Mapping[str, str]:
        """Bring ExaBGP to `sessions`."""
        return await self.exabgp.configure(speaker(*sessions))

    async def tell(self, *routes: Advertisement) -> Mapping[AdvertisementKey, Refused]:
        """Announce `routes`."""
        return await self.exabgp.advertised.apply(Plan({each.key: each for each in routes}))

    async def untell(self, *routes: Advertisement) -> Mapping[AdvertisementKey, Refused]:
        """Withdraw `routes`."""
        return await self.exabgp.advertised.apply(Plan({}, frozenset(each.key for each in routes)))

    async def finish(self) -> frozenset[Address]:
        """End-of-RIB to all that are up."""
        return await self.exabgp.advertised.end_of_rib(self.exabgp.advertised.sessions())

    async def up(self, *peers: str, within_s: float = 10.0) -> None:
        """Wait until the sessions with `peers` are up."""
        wanted = {ip_address(peer) for peer in peers or ("10.0.0.2",)}
        await until(lambda: wanted <= set(self.exabgp.advertised.sessions()), within_s)

    async def down(self, peer: str = "10.0.0.2", within_s: float = 10.0) -> None:
        """Wait until the session with `peer` is down."""
        await until(lambda: ip_address(peer) not in self.exabgp.advertised.sessions(), within_s)

    def count(self, kind: type[Up] | type[Down], peer: str = "10.0.0.2") -> int:
        """How often `peer` went up or down."""
        return sum(isinstance(each, kind) and each.peer == ip_address(peer) for each in self.events)

    def learned(self, peer: str = "10.0.0.2") -> dict[Prefix, Update]:
        """What `peer` has announced and not withdrawn, over all events."""
        found: dict[Prefix, Update] = {}
        for each in self.events:
            if isinstance(each, Update) and each.peer == ip_address(peer):
                for gone in each.withdrawn:
                    found.pop(gone.prefix, None)
                found.update({reach.prefix: each for reach in each.announced})
        return found


async def until(claim: Callable[[], T | None], within_s: float = 30.0) -> T:
    """The first true value of `claim`, asked every 20 ms while the loop goes on."""
    for _ in range(int(within_s / 0.02)):
        if value := claim():
            return value
        await asyncio.sleep(0.02)
    value = claim()
    assert value, f"still {value!r} after {within_s} s"
    return value


@contextlib.asynccontextmanager
async def node(folder: Path, *sessions: Session) -> AsyncIterator[Node]:
    """A node with `sessions`, ended at the end."""
    ours = Node(ExaBGP(Place(folder / "exabgp")))
    ours.exabgp.warm()
    await ours.configure(*sessions)
    task = asyncio.create_task(ours.follow())
    try:
        yield ours
    finally:
        ours.exabgp.close()
        await asyncio.wait_for(task, 10)


def children(pid: int) -> list[int]:
    """The processes that `pid` has started."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid: int) -> bool:
    """Whether `pid` runs, and is not merely waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def run(body: Callable[[], Awaitable[None]], within_s: float = 60.0) -> None:
    """Run a test's async body."""

    async def limited() -> None:
        await asyncio.wait_for(body(), within_s)

    asyncio.run(limited())


def is_tmpfs(path: Path) -> bool:
    """Whether `path` is on a tmpfs."""
    return os.statvfs(path).f_fsid == 0
