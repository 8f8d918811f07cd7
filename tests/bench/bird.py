"""BIRD 2 as the measure of writing routes: it holds static routes and is told to put them into the kernel.

When it is done is seen from its own processor time standing still, never by looking at the kernel's table: reading
that table takes the same lock and would slow BIRD down.
"""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.namespaces import Namespace

QUIET_S = 0.1  # this long without a microsecond of processor time means done
LOOK_S = 0.002
CONFIGURATION = """\
router id 192.0.2.1;
log "{folder}/bird.log" all;
protocol device {{ scan time 3600; }}
protocol kernel fib {{
    disabled;
    scan time 3600;
    ipv4 {{ import none; export all; }};
}}
include "{folder}/routes.conf";
"""
ROUTES = "protocol static pods {{\n    ipv4;\n{routes}}}\n"


class Took(NamedTuple):
    """Seconds by the clock, and of the processor: the second hardly depends on what else the machine does."""

    wall: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Bird:
    """A running BIRD and its control socket."""

    pid: int
    control: Path

    def ask(self, command: str) -> str:
        """Send one command; the answer up to its last line."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(30)
            sock.connect(str(self.control))
            text = sock.recv(4096).decode()
            sock.sendall(f"{command}\n".encode())
            text = ""
            while not any(line[:4].isdigit() and line[4:5] == " " for line in text.splitlines()):
                text += sock.recv(1 << 16).decode()
        return text

    def busy_ns(self) -> int:
        """Processor time so far."""
        return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[0])

    def settle(self, began: float) -> float:
        """Seconds from `began` until it last did anything."""
        last, busy = time.perf_counter(), self.busy_ns()
        while time.perf_counter() - last < QUIET_S:
            time.sleep(LOOK_S)
            now = self.busy_ns()
            if now != busy:
                last, busy = time.perf_counter(), now
        return last - began

    def timed(self, command: str) -> Took:
        """What a command and all that follows from it take."""
        began, worked = time.perf_counter(), self.busy_ns()
        self.ask(command)
        wall = self.settle(began)
        return Took(wall, (self.busy_ns() - worked) * 1e-9)


@contextmanager
def running(namespace: Namespace, folder: Path, routes: list[str]) -> Iterator[Bird]:
    """A BIRD with these lines of static routes, its kernel protocol disabled; ended at the end.

    In a namespace of its own: even so it listens to every change of a route, and would slow others down.
    """
    (folder / "bird.conf").write_text(CONFIGURATION.format(folder=folder))
    (folder / "routes.conf").write_text(ROUTES.format(routes="".join(f"    {line}\n" for line in routes)))
    control = folder / "bird.ctl"
    process = namespace.start("bird", "-f", "-c", str(folder / "bird.conf"), "-s", str(control))
    try:
        deadline = time.monotonic() + 60
        while not control.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"bird did not start: {(folder / 'bird.log').read_text()}")
            time.sleep(0.05)
        bird = Bird(process.pid, control)
        bird.settle(time.perf_counter())
        yield bird
    finally:
        process.kill()
        process.communicate()


def configuration() -> str:
    """What BIRD was told, for the table."""
    route = ROUTES.format(routes='    route 10.128.0.0/32 via "v0";\n    ... and so on\n')
    return CONFIGURATION.format(folder="FOLDER") + "# routes.conf\n" + route
