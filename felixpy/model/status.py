"""What the daemons answer on their status sockets, and what `-o json` prints. Pure.

Addresses and prefixes are text here: these records cross a socket and end on a screen or in a script.
Times are Unix seconds, 0 when not known.
"""

import msgspec


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The base of every answer: names as in Python, nothing left out, so that scripts find every key."""


class PeerStatus(Record, frozen=True):
    """One BGP session as birdpy sees it."""

    name: str  # the session's name: Mesh_10_0_0_2
    address: str
    type: str  # mesh | global | node | local
    asn: int  # the peer's
    local_as: int
    state: str  # established | connecting | held down
    since: float  # when the session last came up, or went down
    families: tuple[str, ...] = ()  # ipv4, ipv6
    graceful_restart: str = ""  # "120 s", "not offered", "" before the first OPEN
    received: int = 0  # prefixes
    accepted: int = 0
    advertised: int = 0
    stale: int = 0  # paths kept for a restarting peer
    router_id: str = ""
    hold_time: int = 0  # seconds, as agreed
    last_error: str = ""
    held_down: str = ""  # why the session is kept out of the configuration


class Peers(Record, frozen=True):
    """`birdpy peers`."""

    node: str
    local_as: int
    router_id: str
    peers: tuple[PeerStatus, ...] = ()
    exabgp: str = ""  # running | restarting, with the reason


class PathStatus(Record, frozen=True):
    """One path of the RIB, accepted or not."""

    prefix: str
    source: str  # bgp | local | static | kernel
    session: str  # "" for our own
    peer: str
    next_hop: str
    as_path: tuple[int, ...] = ()
    origin: str = ""
    local_pref: int | None = None
    med: int | None = None
    communities: tuple[str, ...] = ()
    originator_id: str = ""
    cluster_list: tuple[str, ...] = ()
    since: float = 0.0
    stale: bool = False
    accepted: bool = True
    best: bool = False
    decided_by: str = ""  # the round that chose the best path, on the best path
    in_kernel: bool = False
    reason: str = ""  # why it was refused, or why it is not in the kernel
    rule: str = ""  # the filter rule that accepted or refused it


class Rib(Record, frozen=True):
    """`birdpy rib`."""

    node: str
    paths: tuple[PathStatus, ...] = ()


class Step(Record, frozen=True):
    """One station on the way from source to kernel. `ok` False: here it stopped."""

    station: str
    ok: bool
    text: str


class Explanation(Record, frozen=True):
    """`birdpy explain`: the steps, in order; the last one says how it ended."""

    node: str
    prefix: str
    steps: tuple[Step, ...]
    installed: bool
    verdict: str
