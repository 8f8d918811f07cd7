"""What a node has to say and do on a cluster and nowhere else. A datastore that is one cluster's offers it."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Said:
    """Something for people to see: `reason` is a constant in CamelCase, as Kubernetes wants it."""

    reason: str
    message: str


@runtime_checkable
class Duties(Protocol):
    """Beside the seam: other stores have nobody who asks for this."""

    async def network_up(self, node: str) -> bool:
        """Clear the Node's condition NetworkUnavailable; whether it had to be. Pods are scheduled to it then."""
        ...

    async def stamp_own(self, node: str) -> tuple[str, ...]:
        """Put the labels by which a node finds its own blocks on those that an older Calico left without; which."""
        ...


@runtime_checkable
class EventLog(Protocol):
    """Where people look for what happened: Kubernetes' Events. A files store has none; its people read the log."""

    async def say(self, node: str, said: Said) -> None:
        """Write a warning Event about our DaemonSet, seen by that node."""
        ...
