"""One job of the cluster that one process at a time may do, such as collecting leaked addresses.

Every store has its own way: the files store a lock that the kernel drops with the process (it serves one machine),
Kubernetes a coordination.k8s.io/v1 Lease. Whoever works under a lease still writes by compare-and-swap: a holder that
was stopped for longer than HOLD_S may wake and believe for a moment that the job is its own.
"""

from typing import Protocol

HOLD_S = 15.0  # as client-go's LeaseDuration: who has not asked again for that long has lost it


class Lease(Protocol):
    """One named lease, as one process sees it. Not shared between tasks."""

    async def hold(self) -> bool:
        """Take it, or keep it: True when it is ours for the next HOLD_S seconds, False when another has it.

        Unreachable when the store does not answer: whose it is is not known then, so it counts as another's.
        """
        ...

    async def holder(self) -> str:
        """Who has it now, for people; "" when nobody has, or the store does not say. Unreachable as above."""
        ...

    async def let_go(self) -> None:
        """Give it up if it is ours, so that the next one need not wait. Never raises."""
        ...
