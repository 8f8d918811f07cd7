"""Pings between all endpoints, 100 a second for every pair: one process, one raw socket in each endpoint's namespace.

The sockets see the requests that arrive as well as the answers, so that a loss belongs to one direction of a pair.
Run as a process of its own (`Witnesses` starts it) that takes a line of JSON and answers with one:
{"do": "join", "who", "netns", "address"}, {"do": "leave", "who"}, {"do": "now"}, {"do": "lost", "since", "until"}.
Time is counted in ticks of 10 ms.
"""

import contextlib
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.kernels import inside

TICK_S = 0.01
ECHO, REPLY = 8, 0
IDENTITY = 0xC4A0
MAGIC = b"chaos"
FORM = struct.Struct("!BBHHH5sxHI")  # ICMP header, magic, flow, tick
IP_HEADER = 20
SO_RCVBUFFORCE = 33
SENT, ARRIVED, ANSWERED = 1, 2, 3
PATIENCE_S = 20.0


def checksum(data: bytes) -> int:
    """RFC 1071."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def echo(flow: int, tick: int) -> bytes:
    """An ICMP echo request that says which ping of which pair it is."""
    blank = FORM.pack(ECHO, 0, 0, IDENTITY, tick & 0xFFFF, MAGIC, flow, tick)
    return blank[:2] + struct.pack("!H", checksum(blank)) + blank[4:]


@dataclass(slots=True)
class Endpoint:
    """Who pings and is pinged."""

    name: str
    address: str
    socket: socket.socket


@dataclass(slots=True)
class Flow:
    """One pair: what became of each ping, by tick."""

    source: str
    target: str
    fate: bytearray = field(default_factory=bytearray)

    def note(self, tick: int, fate: int) -> None:
        if tick >= len(self.fate):
            self.fate.extend(bytes(tick + 1 - len(self.fate)))
        self.fate[tick] = max(self.fate[tick], fate)

    def lost(self, since: int, until: int) -> tuple[int, int]:
        """How many requests were lost, and how many answers."""
        window = self.fate[since:until]
        return window.count(SENT), window.count(ARRIVED)


class Pinger:
    """All endpoints and pairs; runs until its standard input ends."""

    def __init__(self) -> None:
        self.endpoints: dict[str, Endpoint] = {}
        self.flows: list[Flow] = []
        self.began = time.monotonic()
        self.poll = select.epoll()
        self.poll.register(0, select.EPOLLIN)
        self.by_fd: dict[int, Endpoint] = {}

    def tick(self) -> int:
        return int((time.monotonic() - self.began) / TICK_S)

    def join(self, who: str, netns: str, address: str) -> None:
        self.leave(who)
        made = Endpoint(who, address, raw_socket(netns))
        self.endpoints[who] = made
        self.by_fd[made.socket.fileno()] = made
        self.poll.register(made.socket.fileno(), select.EPOLLIN)
        known = {(flow.source, flow.target) for flow in self.flows}
        for other in self.endpoints:
            pair = (min(who, other), max(who, other))
            if other != who and pair not in known:
                self.flows.append(Flow(*pair))

    def leave(self, who: str) -> None:
        old = self.endpoints.pop(who, None)
        if old is not None:
            self.poll.unregister(old.socket.fileno())
            del self.by_fd[old.socket.fileno()]
            old.socket.close()

    def send(self, tick: int) -> None:
        for number, flow in enumerate(self.flows):
            source, target = self.endpoints.get(flow.source), self.endpoints.get(flow.target)
            if source is None or target is None:
                continue
            flow.note(tick, SENT)
            with contextlib.suppress(OSError):  # no route there is a loss like any other
                source.socket.sendto(echo(number, tick), (target.address, 0))

    def receive(self, endpoint: Endpoint) -> None:
        for _ in range(200):
            try:
                data = endpoint.socket.recv(256)
            except BlockingIOError:
                return
            except OSError:
                continue
            if len(data) < IP_HEADER + FORM.size:
                continue
            kind, _, _, identity, _, magic, number, tick = FORM.unpack_from(data, IP_HEADER)
            if identity != IDENTITY or magic != MAGIC or number >= len(self.flows):
                continue
            flow = self.flows[number]
            if kind == ECHO and endpoint.name == flow.target:
                flow.note(tick, ARRIVED)
            elif kind == REPLY and endpoint.name == flow.source:
                flow.note(tick, ANSWERED)

    def answer(self, line: str) -> Any:
        told = json.loads(line)
        match told.pop("do"):
            case "join":
                self.join(**told)
            case "leave":
                self.leave(**told)
            case "lost":
                return [(f.source, f.target, *f.lost(told["since"], told["until"])) for f in self.flows]
        return self.tick()

    def run(self) -> None:
        last, rest = self.tick(), b""
        while True:
            pause = max(0.0, self.began + (last + 1) * TICK_S - time.monotonic())
            for fd, _ in self.poll.poll(pause):
                if fd in self.by_fd:
                    self.receive(self.by_fd[fd])
                elif fd == 0:
                    chunk = os.read(0, 65536)
                    if not chunk:
                        return
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        print(json.dumps(self.answer(line.decode())), flush=True)
            now = self.tick()
            if now > last:  # a tick that was missed on a busy machine is not made up for
                last = now
                self.send(now)


def raw_socket(netns: str) -> socket.socket:
    """An ICMP socket opened inside a namespace, which the calling thread does not enter."""
    kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK
    made = inside(netns, lambda: socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP))
    made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    return made


class Witnesses:
    """The process that pings, as its starter sees it."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.witnesses"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        )  # fmt: skip

    def ask(self, what: str, **told: Any) -> Any:
        """One order, and its answer; RuntimeError when the process is gone or says nothing."""
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps({"do": what, **told}) + "\n")
        stdin.flush()
        ready, _, _ = select.select([stdout], [], [], PATIENCE_S)
        line = stdout.readline() if ready else ""
        if not line:
            raise RuntimeError("the pinging process does not answer")
        return json.loads(line)

    def now(self) -> int:
        """The present tick."""
        return int(self.ask("now"))

    def lost(self, since: int, until: int) -> dict[tuple[str, str], int]:
        """Packets lost, by the endpoint that sent and the one that should have had them; only where some were."""
        found: dict[tuple[str, str], int] = {}
        for source, target, forth, back in self.ask("lost", since=since, until=until):
            found |= {(source, target): forth} if forth else {}
            found |= {(target, source): back} if back else {}
        return found

    def close(self) -> None:
        """End it."""
        if self.process.stdin:
            self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


if __name__ == "__main__":
    Pinger().run()
