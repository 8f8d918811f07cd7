"""`python -m tests.chaos [--seed N] [--minutes M] [--faults a,b]`: faults at random, and a table at the end."""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from tests.chaos import daemons, fabric, report
from tests.chaos.run import Guard, Run
from tests.chaos.strike import Fault
from tests.chaos.witnesses import Witnesses
from tests.chaos.world import World, hide_mounts

FAULTS = {fault.name: fault for fault in (*daemons.FAULTS, *fabric.FAULTS)}


def plan(seed: int, faults: Sequence[Fault]) -> Iterator[tuple[Fault, Random]]:
    """Which faults, in which order, with which chances of their own: the same for the same seed.

    Each round holds every fault as often as it weighs, shuffled, so that a short run sees many of them.
    """
    chance = Random(seed)
    number = 0
    while True:
        turn = [fault for fault in faults for _ in range(fault.weight)]
        chance.shuffle(turn)
        for fault in turn:
            number += 1
            yield fault, Random(f"{seed} {number}")


def arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="the same seed gives the same faults")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--faults", default="", help=f"only these, separated by commas: {', '.join(FAULTS)}")
    parser.add_argument("--lenient", type=float, default=1.0, metavar="FACTOR", help="multiply the limits of time")
    parser.add_argument("--logs", type=Path, default=Path("chaos-logs"), help="where the lab's logs go on a failure")
    chosen = parser.parse_args(words)
    unknown = [name for name in chosen.faults.split(",") if name and name not in FAULTS]
    if unknown:
        parser.error(f"no such faults: {', '.join(unknown)}; there are {', '.join(FAULTS)}")
    return chosen


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def main(words: Sequence[str]) -> int:
    """0: nothing was lost that must not be; 1: something was."""
    chosen = arguments(words)
    if os.geteuid() != 0:
        say("needs root: makes network namespaces")
        return 2
    faults = [fault for name, fault in FAULTS.items() if not chosen.faults or name in chosen.faults.split(",")]
    say(f"seed {chosen.seed}")
    folder = Path(tempfile.mkdtemp(prefix="fx-"))
    hide_mounts(folder)
    world = World(folder, f"chaos{os.getpid()}", say)
    try:
        return drive(world, chosen, faults)
    finally:
        world.destroy()
        shutil.rmtree(folder, ignore_errors=True)


def drive(world: World, chosen: argparse.Namespace, faults: Sequence[Fault]) -> int:
    """Make the lab, and let the faults come."""
    witnesses = Witnesses()
    run = Run(world, witnesses, Guard(world), say)
    failed = True
    try:
        world.make()
        run.begin()
        end = time.monotonic() + chosen.minutes * 60
        for fault, chance in plan(chosen.seed, faults):
            if time.monotonic() > end:
                break
            outcome = run.strike(fault, chance)
            say(report.line(outcome))
        failed = report.failed(run.outcomes, chosen.lenient)
    finally:
        run.guard.stop()
        witnesses.close()
        if failed:
            world.keep_logs(chosen.logs)
            say(f"seed {chosen.seed}: failed; the lab's logs are in {chosen.logs}")
    print(report.table(run.outcomes, chosen.seed, run.guard.looks))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
