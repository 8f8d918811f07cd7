"""`python -m tests.chaos.soak [--minutes 30]`: everyday work for long; memory and descriptors stay as they were.

Pods come and go, configuration changes and is taken back, everybody pings everybody. Of every daemon the memory (PSS)
and the open descriptors are noted again and again; the first third of the run, its beginning left out, is compared
with the last one. Exit 1 when a daemon grew by more than is allowed, or a ping was lost.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from tests.chaos import people
from tests.chaos.__main__ import say
from tests.chaos.run import Guard, Run
from tests.chaos.witnesses import TICK_S, Witnesses
from tests.chaos.world import NODES, World, hide_mounts

EVERY_S = 10.0
WARM = 0.1  # of the run: until caches are filled
GROWTH_KB, GROWTH_FDS = 3000, 3

Figures = dict[tuple[str, str], list[tuple[int, int]]]  # node and daemon -> PSS in kB and descriptors, by time


def look(world: World, figures: Figures) -> None:
    """Note every daemon once."""
    for node in (*NODES, "rr"):
        proc = Path(f"/proc/{world.lab.node(node).pid}/root/proc")
        speaker = world.exabgp(node)
        for one in (*world.programs(node), *([speaker] if speaker else [])):
            try:
                rollup = (proc / str(one.pid) / "smaps_rollup").read_text()
                descriptors = len(list((proc / str(one.pid) / "fd").iterdir()))
            except OSError:
                continue
            pss = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
            figures.setdefault((node, one.name), []).append((pss, descriptors))


def work(world: World, chance: Random) -> None:
    """A little of what happens every day."""
    node = chance.choice(NODES)
    if chance.random() < 0.5:
        world.run(node, "felixpy", "pod", "add", "visitor")
        world.run(node, "felixpy", "pod", "delete", "visitor")
    else:
        strike = people.change(world, chance)
        time.sleep(1)
        strike.heal()


def rows(figures: Figures) -> Iterator[tuple[str, ...]]:
    """Daemon, node, memory and descriptors then and now, and whether that is too much."""
    for (node, name), seen in sorted(figures.items(), key=lambda it: (it[0][1], it[0][0])):
        kept = seen[int(len(seen) * WARM) :]
        third = max(1, len(kept) // 3)
        memory = [statistics.median(pss for pss, _ in part) for part in (kept[:third], kept[-third:])]
        descriptors = [statistics.median(count for _, count in part) for part in (kept[:third], kept[-third:])]
        grew = memory[1] - memory[0] > GROWTH_KB or descriptors[1] - descriptors[0] > GROWTH_FDS
        yield (
            name, node, f"{memory[0]:.0f}", f"{memory[1]:.0f}", f"{descriptors[0]:.0f}", f"{descriptors[1]:.0f}",
            "GREW" if grew else "",
        )  # fmt: skip


def table(figures: Figures) -> tuple[str, bool]:
    """All of it as text, and whether everything stayed as it was."""
    head = ("DAEMON", "NODE", "KB THEN", "KB NOW", "FDS THEN", "FDS NOW", "")
    told = [head, *rows(figures)]
    widths = [max(len(row[at]) for row in told) for at in range(len(head))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in told]
    return "\n".join(lines), not any(row[-1] for row in told)


def soak(world: World, minutes: float) -> int:
    """Deploy, work, look; 0 when nothing grew and nothing was lost."""
    witnesses = Witnesses()
    run = Run(world, witnesses, Guard(world))
    figures: Figures = {}
    chance = Random(1)
    try:
        world.make()
        run.begin()
        first, end = witnesses.now(), time.monotonic() + minutes * 60
        while time.monotonic() < end:
            work(world, chance)
            look(world, figures)
            time.sleep(min(EVERY_S, max(0.0, end - time.monotonic())))
        time.sleep(1)
        lost = witnesses.lost(first, witnesses.now() - 100)
    finally:
        run.guard.stop()
        witnesses.close()
    told, flat = table(figures)
    worst = max(lost.values(), default=0) * TICK_S * 1000
    print(told)
    wrong = len(run.guard.wrong)
    print(
        f"{minutes:g} minutes, {len(lost)} pairs with losses, the worst {worst:.0f} ms; {wrong} invariants violated"
    )
    return int(not flat or bool(lost) or bool(wrong))


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    chosen = parser.parse_args(words)
    if os.geteuid() != 0:
        say("needs root: makes network namespaces")
        return 2
    folder = Path(tempfile.mkdtemp(prefix="fx-"))
    hide_mounts(folder)
    world = World(folder, f"soak{os.getpid()}", say)
    try:
        return soak(world, chosen.minutes)
    finally:
        world.destroy()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
