"""What a check is. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from felixpy.insight.view import NetworkView, NodeView
from felixpy.model.addresses import Prefix
from felixpy.model.resources import IPPool

PREFIX = "cali"  # FelixConfiguration interfacePrefix, unless set otherwise


class Severity(Enum):
    """How bad it is."""

    ERROR = "error"  # packets are lost, or will be at the next event
    WARNING = "warning"  # a promise does not hold, or soon will not
    NOTE = "note"  # as it is by design; worth knowing


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: where, what, and what to do."""

    check: str
    severity: Severity
    node: str  # "" for the cluster
    text: str
    fix: str


Found = Iterator[tuple[str, str]]  # text and fix
Found3 = Iterator[tuple[str, str, str]]  # node, text and fix


@dataclass(frozen=True, slots=True)
class NodeCheck:
    """A check of one node. `good` says what holds when it is silent."""

    name: str
    severity: Severity
    good: str
    look: Callable[["Patient"], Found]


@dataclass(frozen=True, slots=True)
class ClusterCheck:
    """A check of the cluster as a whole."""

    name: str
    severity: Severity
    good: str
    look: Callable[[NetworkView, float], Found3]


@dataclass(frozen=True)
class Patient:
    """One node of the cluster with the whole around it."""

    view: NetworkView
    node: NodeView

    def sysctl(self, path: str) -> str | None:
        """One setting; None when it was not read or does not exist."""
        return self.node.facts.sysctls.get(path) if self.node.facts else None

    @property
    def pools(self) -> list[Prefix]:
        """The ranges that pods have addresses from."""
        return [pool.spec.cidr for pool in self.view.snapshot.of(IPPool).values()]

    def serves(self, version: int) -> bool:
        """Whether pods have addresses of this family."""
        return any(pool.version == version for pool in self.pools)

    @property
    def pod_devices(self) -> list[str]:
        """The interfaces of pods, also when felixpy does not answer: known by their names."""
        return sorted({*self.node.devices, *(name for name in self.node.links if name.startswith(PREFIX))})

    @property
    def uplinks(self) -> frozenset[str]:
        """The interfaces that lead to other machines: those that hold a routable address or a way out."""
        facts = self.node.facts
        if facts is None:
            return frozenset()
        pods = set(self.pod_devices)
        ways = {way.device for route in facts.routes if route.kind == "unicast" for way in route.ways if way.via}
        held = {it.device for it in facts.addresses if not it.address.startswith(("127.", "::1", "fe80:"))}
        return frozenset((ways | held) - pods - {"lo"})
