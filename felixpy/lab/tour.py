"""What `make lab` prints: the running lab, each statement as a command and what it answered. Join.

The commands are the user's own: whatever is shown here can be typed again.
"""

import asyncio
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from felixpy.lab import enter, picture, topology
from felixpy.lab.registry import Lab
from felixpy.model.errors import Trouble

Say = Callable[[str], None]
PATIENCE = 30.0  # seconds until every ping must have been answered


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod of the lab."""

    name: str
    node: str
    address: str

    @property
    def where(self) -> str:
        """As `felixpy lab exec` takes it."""
        return f"{self.node}/{self.name}"


@dataclass(frozen=True, slots=True)
class Ping:
    """One ping that must be answered: from a pod or a node, to a pod."""

    what: str
    source: str
    target: Pod

    def command(self, *options: str) -> list[str]:
        """As a user types it."""
        return ["felixpy", "lab", "exec", self.source, "--", "ping", *(options or ("-c1",)), self.target.address]


def pods(lab: Lab) -> list[Pod]:
    """The pods that the lab's store knows, by node and name."""
    from felixpy.datastore.open import open_datastore
    from felixpy.model.resources import WorkloadEndpoint

    async def read() -> list[Pod]:
        store = open_datastore(f"files:{lab.folder / 'store'}")
        try:
            listed = await store.list(WorkloadEndpoint)
        finally:
            await store.close()
        specs = [one.spec for one in listed.objects.values()]
        return [Pod(spec.pod, spec.node, str(spec.ip_networks[0].network_address)) for spec in specs]

    return sorted(asyncio.run(read()), key=lambda pod: (pod.node, pod.name))


def pings(lab: Lab, known: Sequence[Pod]) -> list[Ping]:
    """Pod to pod on one node, to every other node, and from each host outside to a pod."""
    if not known:
        return []
    first = known[0]
    found = [Ping("two pods of one node", first.where, pod) for pod in known[1:] if pod.node == first.node][:1]
    found += [Ping(f"to a pod on {pod.node}", first.where, pod) for pod in known if pod.node != first.node]
    hosts = [
        node.name for node in lab.nodes.values() if node.program == "plain" and _has_default_route(lab, node.name)
    ]
    return found + [Ping("from outside", host, pod) for host in hosts for pod in (first, known[-1])]


def _has_default_route(lab: Lab, node: str) -> bool:
    """A host that knows a router; the others are switches."""
    return bool(enter.run_in(lab, node, ["ip", "route", "show", "default"]).stdout)


def wait_for(lab: Lab, wanted: Sequence[Ping]) -> None:
    """Return when every ping was answered; Trouble naming the first that was not, in time."""
    give_up = time.monotonic() + PATIENCE
    left = list(wanted)
    while left:
        running = [(ping, _ping_once(lab, ping)) for ping in left]
        left = [ping for ping, process in running if process.wait() != 0]
        if left and time.monotonic() > give_up:
            first = left[0]
            raise Trouble(
                f"{first.source} does not reach {first.target.address} ({first.target.where}) in {PATIENCE:.0f} s; "
                f"birdpy explain {first.target.address}/32 --node {first.source.partition('/')[0]} says what stops it"
            )


def _ping_once(lab: Lab, ping: Ping) -> "subprocess.Popen[bytes]":
    node, _, pod = ping.source.partition("/")
    line = enter.command(lab, node, ["ping", "-c1", "-W1", ping.target.address], pod or None)
    return subprocess.Popen(
        line, env=enter.environment(lab, node), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


class Shown:
    """Runs commands as the user would and prints them with what they answered."""

    def __init__(self, say: Say) -> None:
        self.say = say

    def title(self, text: str) -> None:
        """A heading."""
        self.say(f"\n== {text}")

    def run(self, argv: Sequence[str], *, keep: Callable[[str], bool] = lambda line: True) -> str:
        """Print `$ command` and its output (only the lines that `keep` wants); the whole output."""
        self.say(f"$ {shlex.join(typed(argv))}")
        done = subprocess.run(actual(argv), capture_output=True, text=True, timeout=60, check=False)
        for line in (done.stdout + done.stderr).splitlines():
            if keep(line):
                self.say(line)
        return done.stdout


def typed(argv: Sequence[str]) -> list[str]:
    """The command as it works from here: with its path when the virtual environment is not active."""
    program = argv[0]
    if program in ("felixpy", "birdpy") and shutil.which(program) is None:
        place = Path(sys.executable).parent / program
        here = Path.cwd()
        return [str(place.relative_to(here) if place.is_relative_to(here) else place), *argv[1:]]
    return list(argv)


def actual(argv: Sequence[str]) -> list[str]:
    """The same command as this process can start it."""
    return [sys.executable, "-m", *argv] if argv[0] in ("felixpy", "birdpy") else list(argv)


def tour(lab: Lab, say: Say, began: float) -> None:
    """The picture, the tables, the routes, the pings; `began` is when the deployment began (time.monotonic)."""
    known = pods(lab)
    wanted = pings(lab, known)
    wait_for(lab, wanted)
    if began:
        say(f"every ping is answered {time.monotonic() - began:.1f} s after the deployment began")
    nodes = [node.name for node in lab.nodes.values() if node.program == "felixpy"]
    shown = Shown(say)
    shown.title("the topology")
    say("$ " + shlex.join(typed(["felixpy", "lab", "graph"])))
    boxes = {node: [f"pod {pod.name} {pod.address}" for pod in known if pod.node == node] for node in lab.nodes}
    say(picture.draw(topology.load(Path(lab.topology)), boxes).rstrip("\n"))
    shown.title("its nodes")
    shown.run(["felixpy", "lab", "inspect", lab.name])
    shown.title("their sessions")
    for node in nodes:
        shown.run(["birdpy", "peers", "--node", node])
    shown.title(f"what the kernel of {nodes[0]} holds, and from whom")
    shown.run(["felixpy", "routes", "--node", nodes[0]])
    shown.title("pings")
    for ping in wanted:
        say(f"# {ping.what}")
        shown.run(ping.command(), keep=lambda line: "bytes from" in line or "packet loss" in line)


def next_steps(lab: Lab, say: Say) -> None:
    """What to type next."""
    known = pods(lab)
    node = known[0].node if known else next(iter(lab.nodes))
    target = known[-1].address if known else ""
    lines = [
        (
            ["birdpy", "explain", f"{target}/32", "--node", node],
            "from the announcement to the kernel, or what stopped it",
        ),
        (["birdpy", "rib", "--node", node], "every path, and why the best is the best"),
        (["felixpy", "ipam", "show"], "who holds which addresses"),
        (["felixpy", "pod", "add", "web", "--node", node], "one more pod"),
        (["felixpy", "lab", "exec", node, "--", "ip", "route"], "any command in a node"),
        (["make", "clean-lab"], "remove all of it"),
    ]
    say("\n== what to type next")
    texts = [shlex.join(typed(argv)) for argv, _ in lines]
    for text, (_, why) in zip(texts, lines, strict=True):
        say(f"{text:<{max(map(len, texts))}}   # {why}")
