"""Faults of the control plane: processes that are killed or stopped. Nothing may be lost.

But for FRR's own death: it sweeps what its last life left in the kernel as soon as the first of its peers have said
their End-of-RIB, whoever is still to come (seen in 8.4). Those are given what a link far away is given.
"""

import signal
from collections.abc import Callable, Iterable
from random import Random

from tests.chaos.strike import FAR_LINK_MS, Fault, Strike, anywhere, no_loss
from tests.chaos.world import FRR, NODES, Program, World

ROUTERS = (*NODES, "rr")
STOPPED_S = 3.0
FRR_LINGERS_S = 7.0  # zebra sweeps after 5 s (containerlab/dual-tor/daemons), also what a link brought anew meanwhile
Find = Callable[[World, Random], list[Program]]


def daemon(name: str, where: Iterable[str]) -> Find:
    """A program by name, on a node that chance chooses."""
    nodes = tuple(where)

    def find(world: World, chance: Random) -> list[Program]:
        node = chance.choice(nodes)
        return [one for one in world.programs(node) if one.name == name]

    return find


def exabgp(world: World, chance: Random) -> list[Program]:
    """The ExaBGP of some node."""
    found = world.exabgp(chance.choice(ROUTERS))
    return [found] if found else []


VICTIMS: dict[str, Find] = {
    "felixpy": daemon("felixpy", ROUTERS), "birdpy": daemon("birdpy", ROUTERS), "exabgp": exabgp,
    "bgpd": daemon("bgpd", FRR), "zebra": daemon("zebra", FRR),
}  # fmt: skip


def killed(name: str) -> Fault:
    """kill -9."""

    def make(world: World, chance: Random) -> Strike:
        victims = VICTIMS[name](world, chance)
        world.signal(victims, signal.SIGKILL)
        theirs = name in ("bgpd", "zebra")
        allowed = anywhere(FAR_LINK_MS) if theirs else no_loss
        return Strike(f"kill -9 {told(victims)}", allowed, linger_s=FRR_LINGERS_S if theirs else 0.0)

    return Fault(f"kill {name}", make)


def stopped(name: str) -> Fault:
    """SIGSTOP, and SIGCONT after a while."""

    def make(world: World, chance: Random) -> Strike:
        victims = VICTIMS[name](world, chance)
        world.signal(victims, signal.SIGSTOP)
        return Strike(
            f"SIGSTOP {told(victims)}", hold_s=STOPPED_S, heal=lambda: world.signal(victims, signal.SIGCONT)
        )

    return Fault(f"stop {name}", make)


def told(victims: list[Program]) -> str:
    """Who it was."""
    return ", ".join(f"{one.name} of {one.node}" for one in victims) or "nobody"


FAULTS = (*(killed(name) for name in VICTIMS), *(stopped(name) for name in VICTIMS))
