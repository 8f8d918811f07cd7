"""Where programs of a cluster run: right here, or in a node of a lab. A place starts them and ends them by pid."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from felixpy.lab import enter
from felixpy.lab.registry import Lab


def until(check: Callable[[], object], what: str, seconds: float = 60.0, every: float = 0.1) -> None:
    """Return as soon as `check` holds; AssertionError that names `what` when it does not in time."""
    give_up = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < give_up, f"not within {seconds:.0f} s: {what}"
        time.sleep(every)


@dataclass(slots=True)
class Running:
    """A program that was started, with all that is still in its process group."""

    name: str
    process: subprocess.Popen[str]
    log: Path

    @property
    def alive(self) -> bool:
        """Whether anything of it still runs."""
        self.process.poll()
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def end(self, number: int = signal.SIGTERM, patience: float = 5.0) -> None:
        """End it by a signal; SIGKILL when it is still there after `patience` seconds."""
        for one in (number, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, one)
            give_up = time.monotonic() + patience
            while self.alive and time.monotonic() < give_up:
                time.sleep(0.02)
            if not self.alive:
                return
        raise AssertionError(f"{self.name} (process group {self.process.pid}) does not end")

    def tail(self, lines: int = 20) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class Place(Protocol):
    """Somewhere to run programs. Files have the same paths there as here."""

    @property
    def folder(self) -> Path:
        """Where its programs' files and logs are."""
        ...

    def run(self, argv: Sequence[str], *, given: str | None = None, timeout: float = 60.0) -> str:
        """What a program printed; AssertionError with what it complained about when it failed."""
        ...

    def start(self, name: str, argv: Sequence[str]) -> Running:
        """A program left running, its output in `folder`/NAME.log."""
        ...


@dataclass(frozen=True, slots=True)
class Here:
    """This process's own namespaces."""

    folder: Path

    def run(self, argv: Sequence[str], *, given: str | None = None, timeout: float = 60.0) -> str:
        """See Place."""
        return _run(argv, dict(os.environ), given, timeout)

    def start(self, name: str, argv: Sequence[str]) -> Running:
        """See Place."""
        return _start(name, argv, dict(os.environ), self.folder)


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a lab: network, mount, UTS, IPC and PID namespaces of its own."""

    lab: Lab
    name: str
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, argv: Sequence[str], *, given: str | None = None, timeout: float = 60.0) -> str:
        """See Place."""
        return _run(enter.command(self.lab, self.name, argv), self._environment(), given, timeout)

    def start(self, name: str, argv: Sequence[str]) -> Running:
        """See Place."""
        return _start(name, enter.command(self.lab, self.name, argv), self._environment(), self.folder)

    def _environment(self) -> dict[str, str]:
        return enter.environment(self.lab, self.name) | self.environment


def _run(argv: Sequence[str], environment: dict[str, str], given: str | None, timeout: float) -> str:
    done = subprocess.run(
        list(argv), env=environment, input=given, capture_output=True, text=True, timeout=timeout, check=False,
        stdin=None if given is not None else subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, f"{' '.join(argv[-8:])}: exit {done.returncode}: {done.stderr}{done.stdout}"
    return done.stdout


def _start(name: str, argv: Sequence[str], environment: dict[str, str], folder: Path) -> Running:
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{name}.log"
    with log.open("a") as file:
        process = subprocess.Popen(
            list(argv), env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file, text=True,
            start_new_session=True,
        )  # fmt: skip
    return Running(name, process, log)
