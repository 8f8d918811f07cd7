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

from tests.chaos import daemons, fabric, people, report, storage
from tests.chaos.run import Guard, Outcome, Run
from tests.chaos.strike import Fault
from tests.chaos.witnesses import Witnesses
from tests.chaos.world import World, hide_mounts

FAULTS = {fault.name: fault for fault in (*daemons.FAULTS, *fabric.FAULTS, *storage.FAULTS, *people.FAULTS)}


def plan(seed: str, faults: Sequence[Fault]) -> Iterator[tuple[Fault, Random]]:
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
    parser.add_argument(
        "--seed", default=str(int(time.time())), help="the same gives the same faults; a,b: one after the other"
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--faults", default="", help=f"only these, separated by commas: {', '.join(FAULTS)}")
    parser.add_argument(
        "--lenient", type=float, default=1.0, metavar="FACTOR", help="multiply all limits but those of 0"
    )
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


def spend(run: Run, faults: Iterator[tuple[Fault, Random]], seconds: float) -> None:
    """One fault after the other for so long; one that cannot even be made or mended ends the run."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        fault, chance = next(faults)
        try:
            say(report.line(run.strike(fault, chance)))
        except Exception as error:
            run.outcomes.append(Outcome(fault.name, f"{fault.name} could not be done", troubles=[str(error)]))
            say(report.line(run.outcomes[-1]))
            return


def drive(world: World, chosen: argparse.Namespace, faults: Sequence[Fault]) -> int:
    """Make the lab, and let the faults come."""
    witnesses = Witnesses()
    run = Run(world, witnesses, Guard(world), chosen.lenient)
    failed = True
    try:
        world.make()
        say(f"the lab is whole {run.begin():.1f} s after its deployment")
        seeds = chosen.seed.split(",")
        for seed in seeds:
            spend(run, plan(seed, faults), chosen.minutes * 60 / len(seeds))
        failed = any(one.troubles or one.late for one in run.outcomes)
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
