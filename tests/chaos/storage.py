"""Faults of the store: files cut off or replaced by garbage, a disk full or read-only; and clocks. Nothing goes."""

import contextlib
from pathlib import Path
from random import Random

from tests.chaos.strike import Fault, Strike
from tests.chaos.world import CLOCKED, DISK, NODES, World

HOUR_S = 3600
BALLAST = "ballast"


def victim(world: World, chance: Random) -> Path:
    """Some object of the store."""
    return chance.choice(sorted(path for path in world.disk.rglob("*.yaml") if not path.name.startswith(".")))


def truncated(world: World, chance: Random) -> Strike:
    """Cut off, as by a crash without fsync: JSON anywhere; YAML wholly: its first lines are another valid text."""
    path = victim(world, chance)
    before = path.read_bytes()
    path.write_bytes(before[: chance.randrange(len(before))] if before.startswith(b"{") else b"")
    return restored(world, path, before, chance, "is cut off")


def garbage(world: World, chance: Random) -> Strike:
    """Other bytes."""
    path = victim(world, chance)
    before = path.read_bytes()
    path.write_bytes(chance.randbytes(chance.randrange(1, 2000)))
    return restored(world, path, before, chance, "is garbage")


def restored(world: World, path: Path, before: bytes, chance: Random, what: str) -> Strike:
    """Afterwards what was in it, unless somebody has written it since."""
    spoilt = path.read_bytes()

    def heal() -> None:
        with contextlib.suppress(FileNotFoundError):
            if path.read_bytes() == spoilt:
                path.write_bytes(before)

    return Strike(f"{path.relative_to(world.disk)} {what}", hold_s=chance.uniform(1, 3), heal=heal)


def full(world: World, chance: Random) -> Strike:
    """No byte left on the disk of the store."""
    ballast = world.disk / BALLAST
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return Strike("the store's disk is full", hold_s=chance.uniform(2, 4), heal=ballast.unlink)


def read_only(world: World, chance: Random) -> Strike:
    """Nobody can write to the store, as after an error of the file system: files that are open stay so."""
    nodes = (*NODES, "rr")
    for node in nodes:
        world.run(node, "sh", "-ec", f"mount --bind {DISK} {DISK}; mount -o remount,bind,ro none {DISK}")

    def heal() -> None:
        for node in nodes:
            world.run(node, "umount", DISK)

    return Strike("the store is read-only", hold_s=chance.uniform(2, 4), heal=heal)


def clock(world: World, chance: Random) -> Strike:
    """An hour forth or back, and later at once right again; sessions may go, routes not."""
    step = chance.choice((-HOUR_S, HOUR_S))
    set_clock(world, step)
    return Strike(
        f"the clock of {CLOCKED} steps by {step} s and back", hold_s=chance.uniform(2, 4),
        heal=lambda: set_clock(world, 0),
    )  # fmt: skip


def set_clock(world: World, seconds: int) -> None:
    """What the processes of one node take the time for, off by so much from now on."""
    with (world.folder / "c" / "dual-tor" / "clock").open("r+b", buffering=0) as file:
        file.write(seconds.to_bytes(8, "little", signed=True))


FAULTS = (
    Fault("truncate", truncated), Fault("garbage", garbage), Fault("disk full", full), Fault("read-only", read_only),
    Fault("clock", clock),
)  # fmt: skip
