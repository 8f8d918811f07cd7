"""What a node is like besides its routing: who else works on it, which limits it has. Plain records. Pure."""

import msgspec

from felixpy.model.status import Record


class ProcessFact(Record, frozen=True):
    """A program that matters here: ours, another router, another manager of routes."""

    pid: int
    name: str
    capabilities: int = 0  # CapEff, a bit mask
    open_files: int | None = None  # None: not allowed to look
    open_files_limit: int | None = None


class ListenerFact(Record, frozen=True):
    """Who listens on a TCP port that BGP uses."""

    address: str
    port: int
    holder: str  # `bird (pid 7)`; "" when it could not be seen


class BaseChainFact(Record, frozen=True):
    """A chain of nftables (iptables-nft too) that packets pass."""

    family: str  # ip | ip6 | inet
    table: str
    name: str
    hook: str  # forward | prerouting | ...
    policy: str  # accept | drop


class SystemFacts(Record, frozen=True):
    """One node besides its routing; a number is None when the kernel does not tell."""

    node: str
    taken: float  # Unix seconds, by the node's own clock
    kernel: str
    processes: tuple[ProcessFact, ...] = ()
    listeners: tuple[ListenerFact, ...] = ()
    chains: tuple[BaseChainFact, ...] | None = None  # None: nft is not there or does not answer
    cni_files: tuple[str, ...] = ()  # in the order in which a runtime looks at them
    networkd: dict[str, str] = msgspec.field(default_factory=dict)  # settings of systemd-networkd, by name
    counters: dict[str, int] = msgspec.field(default_factory=dict)  # TcpExt of /proc/net/netstat: TCPMD5*
    limits: dict[str, int] = msgspec.field(default_factory=dict)  # conntrack, inotify, neighbours: used and most
    state_free_bytes: int | None = None
    state_size_bytes: int | None = None
