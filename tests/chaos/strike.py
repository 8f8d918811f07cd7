"""What a fault is: how it is made, how it ends, and what may be lost meanwhile."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random

from tests.chaos.world import World

Allowed = Callable[[str, str], float]  # ms that may be lost, by the node that sends and the one that receives

CONVERGENCE_S = 5.0
REBOOT_S = 20.0
OWN_CARRIER_MS, FAR_LINK_MS, FLUSH_MS, TOR_MS = 100.0, 3000.0, 1000.0, 3000.0
ENDLESS = float("inf")


def nothing() -> None:
    """What needs no mending mends itself."""


def no_loss(_source: str, _target: str) -> float:
    """Faults of the control plane."""
    return 0.0


def around(node: str, sends_ms: float, receives_ms: float) -> Allowed:
    """Only packets that `node` sends or receives may be lost."""

    def allowed(source: str, target: str) -> float:
        return max(sends_ms if source == node else 0.0, receives_ms if target == node else 0.0)

    return allowed


def anywhere(ms: float) -> Allowed:
    """What a switch takes along that everybody uses."""

    def allowed(_source: str, _target: str) -> float:
        return ms

    return allowed


@dataclass(slots=True)
class Strike:
    """One fault that was just made."""

    what: str
    allowed: Allowed = no_loss
    hold_s: float = 0.0  # how long it lasts before it is mended
    heal: Callable[[], None] = nothing
    within_s: float = CONVERGENCE_S
    linger_s: float = 0.0  # how long it may still do harm when all seems well
    gone: Iterable[str] = ()  # pods that nobody pings until it is mended


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault."""

    name: str
    make: Callable[[World, Random], Strike]
    weight: int = 1
    needs: tuple[str, ...] = field(default=())  # programs and files of the machine
