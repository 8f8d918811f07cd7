"""One row in a process of its own, so that no crash, no hang and no leftover of one row reaches another.

`python -m tests.bench.apart ROW SCRATCH [--quick]` measures and leaves the row in SCRATCH/row; `measured` runs that
and reads it. A row that is ended early leaves what it had kept. Whatever it started and did not end is killed: the
caller has called `become_reaper`.
"""

import argparse
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from tests.bench.rows import measured_by
from tests.bench.table import Bench, Row

PR_SET_CHILD_SUBREAPER = 36
FAREWELL_S = 45.0  # for a row to take down what it built


def kept(file: Path) -> Row | None:
    """What a row left: msgpack, because JSON knows no infinity."""
    return msgspec.msgpack.decode(file.read_bytes(), type=Row) if file.exists() else None


def keep(file: Path, row: Row) -> None:
    """Leave it, whole or not at all."""
    fresh = file.with_suffix(".new")
    fresh.write_bytes(msgspec.msgpack.encode(row))
    fresh.rename(file)


def measured(name: str, scratch: Path, *, quick: bool, limit_s: float) -> Row:
    """The row; void with the reason when it crashed or took longer than `limit_s`. KeyboardInterrupt passes."""
    others = frozenset(descendants(os.getpid()))
    command = [sys.executable, "-m", "tests.bench.apart", name, str(scratch), *(["--quick"] if quick else [])]
    process = subprocess.Popen(command, start_new_session=True)
    try:
        process.wait(limit_s)
        why = f"ended with {process.returncode}, see standard error" if process.returncode else ""
    except subprocess.TimeoutExpired:
        why = f"ended after {limit_s:.0f} s; what it had found by then is shown"
    finally:
        ended(process, others)
    row = kept(scratch / "row") or Row(name, [])
    return replace(row, void=why) if why else row


def become_reaper() -> None:
    """Orphans of what this process starts become its own children; and SIGINT reaches them.

    A shell starts background jobs with SIGINT ignored, which programs inherit; one that is caught they do not.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def ended(process: "subprocess.Popen[Any]", others: frozenset[int] = frozenset()) -> None:
    """Ask it to clean up, wait, then end it and everything else below this process that is not of `others`."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(FAREWELL_S)
    process.kill()
    process.wait()
    for _ in range(50):
        if not (left := [pid for pid in descendants(os.getpid()) if pid not in others]):
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.1)


def descendants(pid: int) -> list[int]:
    """All processes below this one, those that are being ended too."""
    found: list[int] = []
    todo = [pid]
    while todo:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for task in Path(f"/proc/{todo.pop()}/task").iterdir():
                below = [int(child) for child in (task / "children").read_text().split()]
                found += below
                todo += below
    return found


def main() -> int:
    """Measure one row."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts background jobs with SIGINT ignored
    parser = argparse.ArgumentParser(prog="python -m tests.bench.apart")
    parser.add_argument("name")
    parser.add_argument("scratch", type=Path)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    file: Path = given.scratch / "row"
    work = given.scratch / "work"
    work.mkdir()
    keep(file, measured_by(given.name)(Bench(given.quick, work, lambda row: keep(file, row))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
