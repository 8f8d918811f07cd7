"""The agent killed at each step of ADD and DEL. The steps are those that strace sees, not a list kept by hand.

A step is a system call of the agent's loop that changes something: a file written, renamed or removed, a message to
the kernel, a setting, the answer to the plugin. strace kills the agent as it enters the call, so the call itself does
not happen; killing at the next one is killing after it. fsync happens in threads and changes nothing that a killed
process leaves.
"""

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.namespaces import Namespace
from tests.netns.agent_process import ip, node, until
from tests.netns.cni_plugin import (
    Answer,
    Runtime,
    apply,
    devices,
    document,
    endpoints,
    in_use,
    journal,
    path_of,
    trouble,
)

STRACE = shutil.which("strace")
CALLS = ("openat", "write", "pwrite64", "rename", "unlink", "sendto")
NOTHING = (
    "felixpy.log",  # the log
    r'sendto\(\d+<UNIX', r'"\\0", 1',  # a thread that wakes the loop
    "RTM_GET",  # questions
    r"openat\((?!.*O_CREAT)",  # reading
    "known-to-felixpy/",  # what was last known, written when there is time; read only while the datastore is away
    r"\.lock",  # the store's counter of versions: a number that is skipped
)  # fmt: skip
PATIENCE_S = 20.0
AFTER_S = 0.6  # links are deleted a tenth of a second after the answer

pytestmark = pytest.mark.skipif(STRACE is None, reason="needs strace (Debian: strace) to find and kill at each step")


@dataclass(frozen=True)
class Step:
    """The `number`th of these system calls; `what` is the same whenever it is made."""

    call: str
    number: int
    what: str


def steps(trace: str) -> Iterator[Step]:
    """What the loop did, in its order, without what changes nothing."""
    seen: dict[str, int] = {}
    for line in trace.splitlines():
        found = re.match(r"(\w+)\(", line)
        if found is None or found[1] not in CALLS:
            continue
        call = found[1]
        seen[call] = seen.get(call, 0) + 1
        if not any(re.search(pattern, line) for pattern in NOTHING) or '"exit ' in line:
            yield Step(call, seen[call], meaning(line))


def meaning(line: str) -> str:
    """A call without what differs from run to run: descriptors, folders of the test, random names."""
    line = re.sub(r"AT_FDCWD<[^>]*>|\) += .*", "", line)
    types = re.findall(r"nlmsg_type=(\w+)", line)
    paths = [re.sub(r"\.tmp-\w+", ".tmp-*", path) for path in re.findall(r'[<"](/[^>"]*)[>"]', line)]
    names = [re.sub(r".*/(store|state|proc)/", r"\1/", path) for path in paths]
    return " ".join([line.partition("(")[0], *(types or names), "answer" if '"exit ' in line else ""]).strip()


class Traced:
    """strace on the running agent, until it ends or is told to."""

    def __init__(self, runtime: Runtime, out: Path, *options: str) -> None:
        assert STRACE is not None
        pid = runtime.node.agents[-1].pid
        self.out = out
        command = [
            STRACE,
            "-y",
            "-s",
            "64",
            "-o",
            str(out),
            "-p",
            str(pid),
            "-e",
            f"trace={','.join(CALLS)}",
            *options,
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        status = Path(f"/proc/{pid}/status")
        until(lambda: "TracerPid:\t0\n" not in status.read_text(), PATIENCE_S)

    def end(self) -> str:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.process.wait(PATIENCE_S)
        return self.out.read_text()


@pytest.fixture
def runtime(netns: Namespace, tmp_path: Path) -> Iterator[Runtime]:
    with node(tmp_path) as made:
        netns.run("ip", "address", "add", "10.0.0.1/32", "dev", "lo")
        strict = document("IPAMConfig", "default", strictAffinity=True)
        apply(made, document("Node", "n1"), document("IPPool", "p", cidr="10.65.0.0/24", blockSize=28), strict)
        made.start()
        another_pod(Runtime(made), netns)  # folders and the first block: what every later pod finds
        yield Runtime(made)


def there_is(runtime: Runtime) -> dict[str, list[str]]:
    """Everything that an attachment leaves, by where it is."""
    made = runtime.node
    return {
        "endpoints": list(endpoints(made)),
        "addresses": ["one"] * in_use(made),
        "devices": devices(),
        "routes": ip("route", "show", "proto", "80").splitlines(),
        "journal": [path.name for path in journal(made)],
        "trouble": [str(problem) for problem in trouble(made)],
    }


def settled(runtime: Runtime, *counts: int, why: object = "") -> None:
    """Until there are so many whole attachments, or so many, and nothing else."""
    end = time.monotonic() + PATIENCE_S
    while True:
        now = there_is(runtime)
        of_each = [len(found) for found in now.values()]
        if any(of_each == [count] * 4 + [0, 0] for count in counts):
            return
        assert time.monotonic() < end, (why, now, runtime.node.log.read_text()[-2000:])
        time.sleep(0.02)


def killed_at(runtime: Runtime, step: Step, verb: str, pod: Namespace, out: Path) -> tuple[Answer, str]:
    """The agent, killed as it enters that step of the call; what the plugin said, and at which step it really was."""
    trace = Traced(runtime, out, "-e", f"inject={step.call}:signal=KILL:when={step.number}")
    answer = runtime.ended(runtime.start(verb, "web", path_of(pod)))
    end = time.monotonic() + AFTER_S
    while runtime.node.agents[-1].poll() is None and time.monotonic() < end:
        time.sleep(0.005)
    lines = [line for line in trace.end().splitlines() if re.match(r"\w+\(", line)]
    runtime.node.end(signal.SIGKILL)
    return answer, meaning(lines[-1])


def of_one_call(runtime: Runtime, verb: str, pod: Namespace, out: Path) -> list[Step]:
    trace = Traced(runtime, out)
    assert runtime.call(verb, "web", pod).code == 0
    settled(runtime, 1 if verb == "ADD" else 0)
    return list(steps(trace.end()))


def another_pod(runtime: Runtime, netns: Namespace) -> None:
    """One pod that comes and goes: calls that are traced are then the second ones of their agents, and all alike."""
    pod = netns.another()
    runtime.add("other", pod)
    assert runtime.call("DEL", "other", pod).code == 0
    settled(runtime, 0)


def each(wanted: list[Step], reached: set[str]) -> Iterator[Step]:
    """Every step; at the end those once more that were missed: what is written at the same time changes places."""
    yield from wanted
    for step in wanted:
        for aside in (0, 1, -1) * 4:
            if step.what not in reached and step.number + aside > 0:
                yield replace(step, number=step.number + aside)
    assert {step.what for step in wanted} <= reached


@pytest.mark.timeout(600)  # some forty agents, one after the other
def test_killed_at_each_step_of_add_nothing_is_leaked_doubled_or_half_made(
    runtime: Runtime, netns: Namespace, tmp_path: Path
) -> None:
    first = netns.another()
    wanted = of_one_call(runtime, "ADD", first, tmp_path / "trace")
    assert runtime.call("DEL", "web", first).code == 0
    settled(runtime, 0)
    assert_all_is_seen(
        wanted, ["ipamblocks", "ipamhandles", "workloadendpoints", "journal", "RTM_NEWLINK", "rp_filter"]
    )
    reached: set[str] = set()
    for number, step in enumerate(each(wanted, reached)):
        pod = netns.another()
        answer, at = killed_at(runtime, step, "ADD", pod, tmp_path / "trace")
        reached.add(at)
        assert answer.code == 0 or answer.json["code"] == 11, answer
        runtime.node.start()
        settled(runtime, 0, 1, why=(step, at))
        if number % 2:  # the runtime tries again, or gives up: both end well
            assert len(runtime.add("web", pod).addresses) == 1, step
            settled(runtime, 1, why=step)
        assert runtime.call("DEL", "web", pod).code == 0
        settled(runtime, 0, why=step)
        another_pod(runtime, netns)


@pytest.mark.timeout(300)
def test_killed_at_each_step_of_del_nothing_is_left(runtime: Runtime, netns: Namespace, tmp_path: Path) -> None:
    runtime.add("web", netns.another())
    wanted = of_one_call(runtime, "DEL", netns.another(), tmp_path / "trace")
    assert_all_is_seen(
        wanted, ["ipamblocks", "unlink store/ipamhandles", "unlink store/workloadendpoints", "RTM_DELROUTE"]
    )
    reached: set[str] = set()
    for step in each(wanted, reached):
        pod = netns.another()
        runtime.add("web", pod)
        answer, at = killed_at(runtime, step, "DEL", pod, tmp_path / "trace")
        reached.add(at)
        assert answer.code == 0, answer  # the plugin leaves word for the next agent
        runtime.node.start()
        settled(runtime, 0, why=(step, at))
        another_pod(runtime, netns)


def assert_all_is_seen(found: list[Step], kinds: list[str]) -> None:
    """The trace is no stub: what an attachment is known to consist of is in it."""
    assert [kind for kind in kinds if not any(kind in step.what for step in found)] == [], found


def test_a_link_that_was_still_to_be_deleted_is_deleted_by_the_next_agent(runtime: Runtime, netns: Namespace) -> None:
    pod = netns.another()
    runtime.add("web", pod)
    assert runtime.call("DEL", "web", pod).code == 0
    runtime.node.end(signal.SIGKILL)
    assert len(devices()) == 1  # the answer came before the link went
    runtime.node.start()
    settled(runtime, 0)
    assert runtime.node.lines("detachment ended")
