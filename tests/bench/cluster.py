"""What pods and nodes cost on a real Kubernetes cluster of three nodes on this machine.

One cluster for all figures. The container runtime, kubelet, API server and etcd share the processors with us, so a
figure in seconds is an upper bound.
"""

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from tests.bench.node import pss_mb
from tests.bench.table import Bench, Goal, Row, Series
from tests.cluster import binaries
from tests.cluster.cluster import Plan
from tests.cluster.ground import Ground
from tests.cluster.places import until
from tests.cluster.test_change import MANY

QUIET_S = 30.0
REST_S = 60.0  # of requests at rest
SETTLE_S = 20.0  # after pods are gone for the API server: the runtime detaches them, the collector looks
ACCOUNT = "system:serviceaccount:felixpy:felixpy"
# In the plugin's place: it notes when it was called, when it had answered, and which address it gave.
TIMED = """#!/bin/sh
began=$(date +%s%N)
told=$(/opt/cni/bin/felixpy.real); code=$?
printf '%s\\n' "$told"
ended=$(date +%s%N)
[ "$CNI_COMMAND" != ADD ] || echo "$began $ended $(printf %s "$told" | grep -oE '"[0-9.]+/32"' | head -n 1)" >>NOTES
exit $code
"""
# On another node: as soon as an address is noted, ping it until it answers; prints when.
PROBE = """
import subprocess, sys, time
notes, wanted, seen = sys.argv[1], int(sys.argv[2]), 0
while seen < wanted:
    lines = open(notes).read().splitlines()
    for line in lines[seen:]:
        began, ended, address = line.split()
        address = address.strip('"').partition("/")[0]
        while subprocess.run(["ping", "-c1", "-W1", "-q", address], stdout=subprocess.DEVNULL).returncode:
            pass
        print((time.time_ns() - int(began)) / 1e6, (int(ended) - int(began)) / 1e6)
        seen += 1
    time.sleep(0.002)
"""


def cluster(bench: Bench) -> Row:
    """Start of a node, of a pod, requests of a pod's life, memory and CPU of a node at rest."""
    if reason := binaries.missing_for_cluster():
        return Row("a real cluster", [], void=reason)
    ground = Ground.prepare(Plan(nodes=3))
    try:
        ready = Series("DaemonSet pod started to node Ready", "s", tuple(_ready(ground)), remark="whole seconds")
        reached, answered = _attach(ground, 10 if bench.quick else 30)
        requests, resting = _requests(ground, 10 if bench.quick else 30)
        time.sleep(5)
        memory, cpu = _rest(ground)
    finally:
        ground.cluster.down()
    life = Series("API requests of a pod's life", "", (sum(requests.values()),), remark=_told(requests))
    quiet = Series(
        "API requests of three agents at rest", "a minute", (sum(resting.values()),), remark=_told(resting)
    )
    goals = (
        Goal("node Ready, s", ready.median, 6), Goal("reachable, ms", reached.median, 150),
        Goal("requests", life.median, 6), Goal("memory, MB", memory.median, 180), Goal("CPU, %", cpu.median, 1),
    )  # fmt: skip
    return Row("a real cluster of three nodes", [ready, reached, answered, life, quiet, memory, cpu], goals)


def _ready(ground: Ground) -> Iterator[float]:
    control = ground.cluster.control
    pods = control.get("-n", "felixpy", "pods", "-l", "app.kubernetes.io/name=felixpy")["items"]
    started = {pod["spec"]["nodeName"]: _when(pod["status"]["startTime"]) for pod in pods}
    for node in control.get("nodes")["items"]:
        (ready,) = (one for one in node["status"]["conditions"] if one["type"] == "Ready")
        yield max(0.0, _when(ready["lastTransitionTime"]) - started[node["metadata"]["name"]])


def _when(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def _attach(ground: Ground, count: int) -> tuple[Series, Series]:
    """Pods one after the other on n1: from the plugin's call until n2's ping is answered, and until it answered."""
    machine, notes = ground.cluster.machines["n1"], ground.cluster.folder / "notes"
    notes.touch()
    plugin = ground.cluster.folder / "n1" / "opt-cni" / "bin" / "felixpy"
    real = plugin.with_name("felixpy.real")
    plugin.rename(real)
    plugin.write_text(TIMED.replace("NOTES", str(notes)))
    plugin.chmod(0o755)
    probe = ground.cluster.host("n2").start("probe", ["python3", "-c", PROBE, str(notes), str(count)])
    try:
        for number in range(count):
            line = ["run", f"timed-{number}", "--image=localhost/pause:local", "--image-pull-policy=Never"]
            ground.kubectl(*line, "--labels=app=timed", "--restart=Never", f"--overrides={_pinned(machine.name)}")
            until(lambda number=number: len(notes.read_text().splitlines()) > number, "attached")  # type: ignore[misc]
        until(lambda: len(_lines(probe.log)) >= count, "all are reached")
    finally:
        probe.end()
        real.replace(plugin)
        ground.kubectl("delete", "pod", "-l", "app=timed", "--grace-period=0", "--force")
    reached, answered = zip(*((float(a), float(b)) for a, b in map(str.split, _lines(probe.log))), strict=True)
    return (
        Series("plugin called to pinged from another node", "ms", reached, base=True),
        Series("of that, until the plugin had answered", "ms", answered, remark="with the shell that takes the time"),
    )


def _pinned(node: str) -> str:
    return json.dumps({"spec": {"nodeName": node, "terminationGracePeriodSeconds": 0}})


def _lines(file: Path) -> list[str]:
    return [line for line in file.read_text().splitlines() if re.fullmatch(r"[0-9.]+ [0-9.]+", line)]


def _requests(ground: Ground, count: int) -> tuple[Counter[str], Counter[str]]:
    """What a pod's life makes felixpy ask of the API server, by verb and kind; and what it asks a minute at rest.

    Its whole life: created, attached, detached, gone, collected. What the agents of all nodes ask in as much time
    without pods (heartbeats, the look for leaks) is measured before and taken off; pods of earlier are gone by then.
    """
    log = ground.cluster.control.folder / "audit.log"
    time.sleep(SETTLE_S)
    before = len(log.read_text().splitlines())
    time.sleep(REST_S)
    rest = _asked(log, before)
    began, before = time.monotonic(), len(log.read_text().splitlines())
    ground.kubectl("apply", "-f", "-", given=MANY.format(replicas=count))
    ground.ready("app=many", count, 240)
    ground.kubectl("delete", "deployment", "many")
    ground.ready("app=many", 0, 240)
    time.sleep(SETTLE_S)
    lasted, busy = time.monotonic() - began, _asked(log, before)
    life = {what: (times - rest[what] * lasted / REST_S) / count for what, times in busy.items()}
    return (
        Counter({what: round(times, 2) for what, times in life.items() if times > 0.05}),
        Counter({what: round(times * 60 / REST_S, 1) for what, times in rest.items()}),
    )


def _asked(log: Path, first: int) -> Counter[str]:
    """The agents' requests since that line of the audit log; watches and leases are not counted."""
    found: Counter[str] = Counter()
    for line in log.read_text().splitlines()[first:]:
        event = json.loads(line)
        about = event.get("objectRef") or {}
        if event["user"]["username"] == ACCOUNT and event["verb"] != "watch" and about.get("resource") != "leases":
            parts = filter(None, (about.get("resource"), about.get("subresource")))
            found[f"{event['verb']} {'/'.join(parts)}"] += 1
    return found


def _told(requests: Counter[str]) -> str:
    return ", ".join(f"{times:g} {what}" for what, times in requests.most_common())


def _rest(ground: Ground) -> tuple[Series, Series]:
    """PSS and CPU of all that is ours on each node, while nothing happens."""
    ours = {name: list(_ours(ground, name)) for name in ground.cluster.machines}
    before = {name: sum(map(_busy, pids)) for name, pids in ours.items()}
    time.sleep(QUIET_S)
    cpu = [(sum(map(_busy, pids)) - before[name]) / QUIET_S * 100 for name, pids in ours.items()]
    memory = [sum(map(pss_mb, pids)) for pids in ours.values()]
    return (
        Series("memory of felixpy, birdpy, ExaBGP and its bridge", "MB", tuple(memory), remark="PSS, by node"),
        Series("CPU of these at rest", "%", tuple(cpu), remark="of one core, three peers and probes"),
    )


def _ours(ground: Ground, node: str) -> Iterator[int]:
    """The processes of both DaemonSets' containers on a node."""
    todo = [ground.cluster.host(node).lab.node(node).pid]
    while todo:
        pid = todo.pop()
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        if re.search(r"bin/(felixpy|birdpy)\0run|exabgp/launch\.py", words):
            yield pid
        for task in Path(f"/proc/{pid}/task").iterdir():
            todo += map(int, (task / "children").read_text().split())


def _busy(pid: int) -> float:
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9
