"""The real agent as a process of its own, on a files store, in the namespace of the test."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from felixpy.daemon.status import ask
from felixpy.model.errors import Unreachable

T = TypeVar("T")
PATIENCE_S = 30.0
START_S = 20.0  # of an agent; a second on a machine that does nothing else


def until(claim: Callable[[], T], within_s: float = PATIENCE_S) -> T:
    """The first true answer of `claim`; AssertionError with its last answer when there is none in time."""
    end = time.monotonic() + within_s
    while True:
        answer = claim()
        if answer:
            return answer
        assert time.monotonic() < end, f"still {answer!r} after {within_s} s"
        time.sleep(0.005)


def ip(*words: str) -> str:
    """What `ip` prints."""
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True, timeout=10).stdout


def routes(prefix: str = "10.65.") -> list[str]:
    """The routes of the main table that begin so, as `ip route` shows them."""
    return [line.strip() for line in ip("route").splitlines() if line.startswith(prefix)]


def veth(name: str) -> None:
    """A pod's interface: the other end stays here, which is enough to give it a carrier."""
    other = f"x{name.removeprefix('cali')}"
    ip("link", "add", name, "type", "veth", "peer", "name", other)
    ip("link", "set", name, "address", "ee:ee:ee:ee:ee:ee", "up")
    ip("link", "set", other, "up")


@dataclass
class Node:
    """One node's folders, and its agent."""

    folder: Path
    agents: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "FELIXPY_RUN_DIR": str(self.folder / "run"),
            "FELIXPY_STATE_DIR": str(self.folder / "state"),
            "FELIXPY_DATASTORE": f"files:{self.store}",
            "FELIXPY_NODE": "n1",
        }

    def start(self, *flags: str) -> None:
        """Start the agent and wait until it has seen the whole store and passed once."""
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "felixpy", "run", *flags]
            self.agents.append(subprocess.Popen(command, env=self.environment, stderr=log))
        until(self.ready, START_S)

    def run_once(self, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
        """An agent that is expected to end by itself."""
        command = [sys.executable, "-m", "felixpy", "run"]
        return subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=10)

    def ready(self) -> bool:
        assert self.agents[-1].poll() is None, self.log.read_text()
        try:
            health = self.ask("health")
        except Unreachable:
            return False
        return bool(health["in_sync"] and health["passes"] and health["pid"] == self.agents[-1].pid)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End the agent; its exit code."""
        self.agents[-1].send_signal(number)
        return self.agents[-1].wait(PATIENCE_S)

    @property
    def log(self) -> Path:
        return self.folder / "felixpy.log"

    def lines(self, event: str) -> list[dict[str, Any]]:
        """The log lines of one event."""
        return [line for line in map(json.loads, self.log.read_text().splitlines()) if line["event"] == event]

    def ask(self, what: str, **arguments: Any) -> Any:
        return ask(self.folder / "run" / "felixpy.sock", what, **arguments)

    def routes(self) -> Any:
        """`felixpy routes -o json` on this node."""
        command = [sys.executable, "-m", "felixpy", "routes", "-o", "json"]
        done = subprocess.run(command, check=True, env=self.environment, capture_output=True, text=True, timeout=10)
        return json.loads(done.stdout)

    def put(self, pod: str, *addresses: str, mac: str = "", device: str = "") -> None:
        """Write the WorkloadEndpoint of a pod, as another process would: whole, by rename."""
        spec = {
            "node": "n1", "orchestrator": "k8s", "workload": pod, "pod": pod, "endpoint": "eth0",
            "interfaceName": device or f"cali{pod}", "ipNetworks": list(addresses),
        }  # fmt: skip
        name = f"n1-k8s-{pod}-eth0"
        metadata = {"name": name, "namespace": "default"}
        document = {"apiVersion": "projectcalico.org/v3", "kind": "WorkloadEndpoint", "metadata": metadata}
        self.write(name, json.dumps({**document, "spec": spec | ({"mac": mac} if mac else {})}))

    def write(self, name: str, text: str) -> None:
        folder = self.store / "workloadendpoints"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".new").write_text(text)
        (folder / ".new").rename(folder / f"default.{name}.yaml")

    def remove(self, pod: str) -> None:
        (self.store / "workloadendpoints" / f"default.n1-k8s-{pod}-eth0.yaml").unlink()


@contextmanager
def node(folder: Path) -> Iterator[Node]:
    """A node without an agent yet; what it started is ended."""
    made = Node(folder)
    made.store.mkdir()
    try:
        yield made
    finally:
        for agent in made.agents:
            agent.kill()
            agent.wait(PATIENCE_S)
