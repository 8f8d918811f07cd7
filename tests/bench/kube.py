"""What nodes cost the API server: 500 of them at once, one pod's life, and a node's own memory and idle CPU."""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from birdpy import orders
from felixpy.agent import WATCHED
from felixpy.cni import facts
from felixpy.datastore.kubernetes.access import from_kubeconfig
from felixpy.datastore.kubernetes.api import JSON, METADATA, Api, Request, query
from felixpy.datastore.kubernetes.following import GATED
from felixpy.datastore.kubernetes.places import Place, Scope, Served, hostname_hash, place
from felixpy.datastore.kubernetes.schema import text
from felixpy.model.resources import Spec
from tests.bench.attach import one_by_one, pods
from tests.bench.node import cpu_s, pss_mb
from tests.bench.table import Bench, Goal, Row, Series
from tests.cluster.control import Control, Shape, free_ports
from tests.cluster.places import Here, until
from tests.kube.server import ApiServer
from tests.namespaces import in_new_namespace
from tests.netns.agent_process import Node as AgentNode
from tests.netns.agent_process import node as agent_node

QUIET_S = 20.0
AGENT: tuple[type[Spec], ...] = tuple(dict.fromkeys((*WATCHED, *facts.KINDS)))
ROUTER: tuple[type[Spec], ...] = tuple(kind for kind in orders.KINDS if kind not in GATED)
NODES = 500


@contextmanager
def server(folder: Path) -> Iterator[ApiServer]:
    """etcd and an API server with our CRDs; nobody else asks it anything."""
    port, etcd_port = free_ports(2)
    control = Control(Here(folder / "kube"), Shape(port=port, etcd_port=etcd_port))
    try:
        control.start()
        made = ApiServer(control.kubeconfig, control)
        made.apply(text())
        until(lambda: "ippools" in made.kubectl("api-resources", "--api-group=crd.projectcalico.org"), "CRDs", 30)
        yield made
    finally:
        control.stop()


def api_pid(made: ApiServer) -> int:
    assert made.control is not None
    return made.control.running["kube-apiserver"].process.pid


def resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def requests(made: ApiServer) -> dict[str, int]:
    """Requests that the server has answered so far, by verb and resource."""
    found: dict[str, int] = {}
    for line in made.kubectl("get", "--raw", "/metrics").splitlines():
        if line.startswith("apiserver_request_total{"):
            labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
            key = (
                f"{labels['verb']} {labels['resource']}{'/' + labels['subresource'] if labels['subresource'] else ''}"
            )
            found[key] = found.get(key, 0) + int(float(line.rsplit(" ", 1)[1]))
    return found


@dataclass
class Crowd:
    """Many daemons that list and watch as ours do and throw away what comes."""

    events: list[float] = field(default_factory=list)
    received: int = 0
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    apis: list[Api] = field(default_factory=list)
    listed: int = 0

    async def join(self, kubeconfig: Path, scope: Scope, kinds: Sequence[type[Spec]]) -> None:
        api = Api(from_kubeconfig(kubeconfig))
        self.apis.append(api)
        for kind in kinds:
            where = place(kind, scope, Served())
            accept = METADATA.format("List") if where.metadata_only else JSON
            path = where.collection() + query(resourceVersion=0, **where.selectors)
            data = await api.call(Request("GET", path, accept=accept, patience_s=120))
            self.received += len(data)
            version = json.loads(data)["metadata"]["resourceVersion"]
            self.tasks.append(asyncio.create_task(self._watch(api, where, version)))
        self.listed += 1

    async def _watch(self, api: Api, where: Place, version: str) -> None:
        path = where.collection() + query(
            watch=1, allowWatchBookmarks="true", resourceVersion=version, timeoutSeconds=600, **where.selectors
        )
        accept = METADATA.format("") if where.metadata_only else JSON
        async with api.open(Request("GET", path, accept=accept, patience_s=120)) as (stream, connection):
            async for chunk in connection.chunks(stream):
                self.received += len(chunk)
                if b"BOOKMARK" not in chunk:
                    self.events.append(time.monotonic())

    async def leave(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await asyncio.gather(*(api.close() for api in self.apis))


@asynccontextmanager
async def crowd(made: ApiServer, count: int) -> AsyncIterator[Crowd]:
    """Agent and router of `count` nodes, ten at a time as a DaemonSet never is: all at once would be no worse."""
    gathered = Crowd()
    slots = asyncio.Semaphore(10)

    async def one(number: int) -> None:
        async with slots:
            name = f"node-{number}"
            await gathered.join(made.kubeconfig, Scope(name, everyone=False), AGENT)
            await gathered.join(made.kubeconfig, Scope(name), ROUTER)

    try:
        await asyncio.gather(*(one(number) for number in range(count)))
        yield gathered
    finally:
        await gathered.leave()


def populate(made: ApiServer, count: int) -> None:
    """Nodes with their annotations, and a block each."""
    items = []
    for number in range(count):
        name, block = f"node-{number}", f"10.{number >> 8}.{number & 255}.0/26"
        labels = {"projectcalico.org/hostname-hash": hostname_hash(name)}
        annotations = {"projectcalico.org/IPv4Address": f"172.16.{number >> 8}.{number & 255}/16"}
        items.append({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "annotations": annotations}})
        spec = {"cidr": block, "node": name, "state": "confirmed", "deleted": "false"}
        head = {"apiVersion": "crd.projectcalico.org/v1", "kind": "BlockAffinity"}
        items.append({**head, "metadata": {"name": f"{name}-block", "labels": labels}, "spec": spec})
    for first in range(0, len(items), 200):
        part = {"apiVersion": "v1", "kind": "List", "items": items[first : first + 200]}
        made.kubectl("create", "-f", "-", given=json.dumps(part))


def many_nodes(bench: Bench) -> Row:
    """Connections, watches, memory and CPU of the API server for agent and router of many nodes."""
    count = 50 if bench.quick else NODES
    with server(bench.scratch) as made:
        populate(made, count)
        return asyncio.run(_many_nodes(made, count))


async def _many_nodes(made: ApiServer, count: int) -> Row:
    pid = api_pid(made)
    memory, cpu, began = resident_mb(pid), cpu_s(pid), time.monotonic()
    async with crowd(made, count) as gathered:
        joined_s, joined_cpu, grown = time.monotonic() - began, cpu_s(pid) - cpu, resident_mb(pid) - memory
        listed_mb = gathered.received / 2**20
        cpu = cpu_s(pid)
        await asyncio.sleep(QUIET_S)
        idle = (cpu_s(pid) - cpu) / QUIET_S * 100
        gathered.events.clear()
        cpu, began = cpu_s(pid), time.monotonic()
        change = ("annotate", "node", "node-0", "projectcalico.org/ASNumber=65001")
        await asyncio.to_thread(made.kubectl, *change)
        async with asyncio.timeout(60):
            while len(gathered.events) < count + 1:  # each router, and the one agent whose node it is
                await asyncio.sleep(0.05)
        spread_s, event_cpu = gathered.events[-1] - began, cpu_s(pid) - cpu
        watches, connections = len(gathered.tasks), sum(api.counts.connections for api in gathered.apis)
    return Row(
        f"{count} nodes on one API server: agent and router of each",
        [
            Series("TLS connections", "", (float(connections),)),
            Series("watches", "", (float(watches),)),
            Series("until all have listed and watch", "s", (joined_s,), remark="the clients share the processors"),
            Series("the server's CPU for that", "s", (joined_cpu,)),
            Series("listed in all", "MB", (listed_mb,)),
            Series("the server's memory for that", "MB", (grown,), remark=f"from {memory:.0f} MB"),
            Series("the server's CPU while nothing happens", "% of a core", (idle,)),
            Series("one Node changes: until all routers know", "s", (spread_s,), remark="with kubectl's start"),
            Series("the server's CPU for that change", "s", (event_cpu,)),
        ],
        [Goal("connections of a node", connections / count, 2)],
    )


def pod_life(bench: Bench) -> Row:
    """Requests from a pod's attachment to its removal, by verb, as the server counts them."""
    count = 10 if bench.quick else 30
    with contextmanager(in_new_namespace)() as netns:
        netns.run("ip", "address", "add", "10.0.0.1/24", "dev", "lo")
        with server(bench.scratch) as made, agent_node(_folder(bench.scratch)) as agent:
            began = _ready(made, agent, count)
            group = pods(netns, count)
            one_by_one(agent, group[:1], "ADD")
            one_by_one(agent, group[:1], "DEL")
            time.sleep(1)
            before = requests(made)
            add = one_by_one(agent, group[1:], "ADD")
            delete = one_by_one(agent, group[1:], "DEL")
            time.sleep(1)
            after = requests(made)
    ours = ("pods/status", "pods", "ipamblocks", "ipamhandles", "blockaffinities", "namespaces")
    spent = {key: (after[key] - before.get(key, 0)) / (count - 1) for key in after if key.split()[1] in ours}
    spent = {key: each for key, each in spent.items() if each > 0.05 and not key.startswith(("LIST", "WATCH"))}
    return Row(
        "API requests of one pod's life, and how long a plugin waits",
        [
            *(Series(key, "requests", (each,)) for key, each in sorted(spent.items())),
            Series("attach", "ms", tuple(add)),
            Series("detach", "ms", tuple(delete)),
        ],
        [Goal("requests of a pod's life", sum(spent.values()), 6)],
        notes={"start": f"agent ready after {began:.1f} s; etcd without fsync, API server on the same processors"},
    )


def _folder(scratch: Path) -> Path:
    folder = scratch / "n1"
    folder.mkdir()
    return folder


def _ready(made: ApiServer, agent: AgentNode, count: int) -> float:
    """The agent of n1 on the cluster, with pods that are scheduled to it."""
    pool = {"apiVersion": "crd.projectcalico.org/v1", "kind": "IPPool", "metadata": {"name": "p"}}
    config = {"apiVersion": "crd.projectcalico.org/v1", "kind": "IPAMConfig", "metadata": {"name": "default"}}
    items = [
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}},
        {**pool, "spec": {"cidr": "10.65.0.0/16"}},
        {**config, "spec": {"strictAffinity": True, "autoAllocateBlocks": True}},
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "bench"}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "bench"}},
    ]
    spec = {
        "nodeName": "n1",
        "automountServiceAccountToken": False,
        "containers": [{"name": "c", "image": "none"}],
    }
    for number in range(count):
        metadata = {"name": f"pod-{number}", "namespace": "bench"}
        items.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    made.kubectl("create", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    began = time.monotonic()
    agent.start("--datastore", f"kubernetes:{made.kubeconfig}", "--ip", "none", "--leak-grace-s", "0")
    return time.monotonic() - began


def quiet_node(bench: Bench) -> Row:
    """Memory and CPU of a node's daemons on Kubernetes, in a cluster of three nodes, when nothing happens."""
    quiet = 5.0 if bench.quick else 60.0
    with contextmanager(in_new_namespace)() as netns:
        netns.run("ip", "address", "add", "10.0.0.1/24", "dev", "lo")
        with server(bench.scratch) as made, agent_node(_folder(bench.scratch)) as agent:
            _ready(made, agent, 10)
            for number in (2, 3, 4):
                made.apply(
                    f"apiVersion: v1\nkind: Node\nmetadata: {{name: n{number}, annotations: "
                    f"{{projectcalico.org/IPv4Address: 10.0.0.{number}/24}}}}\n"
                )
            made.kubectl("annotate", "node", "n1", "projectcalico.org/IPv4Address=10.0.0.1/24")
            group = pods(netns, 10)
            one_by_one(agent, group, "ADD")
            router = _router(made, bench.scratch / "n1")
            try:
                time.sleep(quiet)
                pids = _processes(agent, router)
                before = {pid: cpu_s(pid) for pid in pids}
                began = time.monotonic()
                time.sleep(quiet)
                span = time.monotonic() - began
                cpu = {pid: (cpu_s(pid) - before[pid]) / span * 100 for pid in pids}
                memory = {pid: pss_mb(pid) for pid in pids}
            finally:
                router.terminate()
                router.wait(20)
    names = dict.fromkeys(pids.values())
    series = []
    for name in names:
        own = [pid for pid in pids if pids[pid] == name]
        series.append(Series(f"{name}, PSS", "MB", (sum(memory[pid] for pid in own),)))
        series.append(Series(f"{name}, CPU", "% of a core", (sum(cpu[pid] for pid in own),)))
    goals = [Goal("summed PSS, MB", sum(memory.values()), 180), Goal("summed CPU, % of a core", sum(cpu.values()), 1)]
    return Row(f"a quiet node on Kubernetes, {quiet:.0f} s after {quiet:.0f} s, three peers away", series, goals)


def _router(made: ApiServer, folder: Path) -> "subprocess.Popen[bytes]":
    env = {
        **os.environ,
        "FELIXPY_RUN_DIR": str(folder / "run"),
        "FELIXPY_STATE_DIR": str(folder / "state"),
        "FELIXPY_DATASTORE": f"kubernetes:{made.kubeconfig}",
        "FELIXPY_NODE": "n1",
    }
    with (folder / "birdpy.log").open("ab") as log:
        return subprocess.Popen([sys.executable, "-m", "birdpy", "run"], env=env, stdout=log, stderr=log)


def _processes(agent: AgentNode, router: "subprocess.Popen[bytes]") -> dict[int, str]:
    """Our processes and those that they started: pid -> which one it is."""
    found = {agent.agents[-1].pid: "felixpy", router.pid: "birdpy"}
    todo = [router.pid]
    while todo:
        pid = todo.pop()
        for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
            found[child] = "exabgp" if pid == router.pid else "bridge"
            todo.append(child)
    return found
