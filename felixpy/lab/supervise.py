"""What process 1 of a node does: keep programs running, reap, answer on the control socket. Standard library only.

One JSON line in, one JSON line out: {"do": "list"}, {"do": "start"|"stop"|"restart", "names": [...]} (no names: all).
"""

import contextlib
import json
import os
import select
import signal
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BACK_OFF = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # seconds before the next start
STEADY = 10.0  # seconds of running after which a program counts as well again
LOOK = 0.02  # seconds between two looks for a file that a start waits for
PATIENCE = 15.0  # seconds to wait for such a file


@dataclass(slots=True)
class Running:
    """One program: its description, and what is known of it now."""

    name: str
    argv: list[str]
    env: dict[str, str]
    then: list[str]  # run once after each start, when the file `until` is there
    until: str
    wanted: bool = False
    pid: int = 0
    starts: int = 0
    fails: int = 0
    since: float = 0.0
    due: float = 0.0  # when to start next; 0: not waiting
    then_before: float = 0.0  # when to give up waiting for `until`; 0: not waiting
    last: str = ""


@dataclass(slots=True)
class Supervisor:
    """The programs of one node."""

    described: list[dict[str, Any]]
    env: dict[str, str]
    control: socket.socket
    logs: int  # descriptor of the log folder, opened before the node left the host's file system
    programs: dict[str, Running] = field(default_factory=dict)

    def run(self) -> None:
        """Serve for ever."""
        for one in self.described:
            then, until = one.get("then", []), one.get("until", "")
            self.programs[one["name"]] = Running(one["name"], one["argv"], one.get("env", {}), then, until)
        wake, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(waker)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # process 1 gone: the kernel ends the whole node
        while True:
            ready, _, _ = select.select([wake, self.control.fileno()], [], [], self._pause())
            if wake in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(wake, 4096)
            self._reap()
            if self.control.fileno() in ready:
                with contextlib.suppress(OSError):
                    self._serve()
            self._tick(time.monotonic())

    def _pause(self) -> float | None:
        """Seconds until something is due; None: nothing is."""
        now = time.monotonic()
        dues = [max(0.0, one.due - now) for one in self.programs.values() if one.due]
        if any(one.then_before for one in self.programs.values()):
            dues.append(LOOK)
        return min(dues, default=None)

    def _tick(self, now: float) -> None:
        for one in self.programs.values():
            if one.due and one.due <= now:
                one.due = 0.0
                self._start(one, now)
            if one.then_before and (Path(one.until).exists() or one.then_before <= now):
                one.then_before = 0.0
                if one.pid:
                    self._spawn(one.then, one)

    def _start(self, one: Running, now: float) -> None:
        if one.until:
            with contextlib.suppress(OSError):  # what a killed program left would look like a ready one
                Path(one.until).unlink()
        one.pid = self._spawn(one.argv, one)
        one.starts += 1
        one.since = now
        one.then_before = now + PATIENCE if one.then else 0.0

    def _spawn(self, argv: list[str], one: Running) -> int:
        pid = os.fork()
        if pid:
            return pid
        try:
            os.setsid()
            log = os.open(f"{one.name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644, dir_fd=self.logs)
            os.dup2(log, 1)
            os.dup2(log, 2)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.execvpe(argv[0], argv, {**self.env, **one.env})  # noqa: S606 - an argument list, no shell
        except OSError as error:
            os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
        finally:
            os._exit(127)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for one in self.programs.values():
                if one.pid == pid:
                    self._ended(one, status, time.monotonic())

    def _ended(self, one: Running, status: int, now: float) -> None:
        code = os.waitstatus_to_exitcode(status)
        one.pid, one.then_before = 0, 0.0
        one.last = f"exit {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
        if one.wanted:
            one.fails = 0 if now - one.since > STEADY else one.fails + 1
            one.due = now + BACK_OFF[min(one.fails, len(BACK_OFF) - 1)]

    def _serve(self) -> None:
        connection, _ = self.control.accept()
        with connection:
            connection.settimeout(1.0)
            try:
                request = json.loads(connection.makefile().readline(65536))
                answer = self._do(str(request["do"]), list(request.get("names") or self.programs))
            except (ValueError, TypeError, KeyError) as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            connection.sendall(json.dumps(answer).encode() + b"\n")

    def _do(self, what: str, names: list[str]) -> dict[str, Any]:
        now = time.monotonic()
        for one in (self.programs[name] for name in names):
            if what in ("stop", "restart") and one.pid:
                os.kill(one.pid, signal.SIGTERM)
            if what in ("start", "restart"):
                one.wanted = True
                one.due = 0.0 if one.pid else now
            elif what == "stop":
                one.wanted, one.due = False, 0.0
        return {"programs": [_shown(one, now) for one in self.programs.values()]}


def _shown(one: Running, now: float) -> dict[str, Any]:
    state = "running" if one.pid else "waiting" if one.due else "stopped"
    return {
        "name": one.name, "state": state, "pid": one.pid, "restarts": max(0, one.starts - 1),
        "seconds": round(now - one.since, 1) if one.pid else 0.0, "last": one.last,
    }  # fmt: skip
