"""A route reflector with a hundred clients and two hundred blocks: from its start until every client has every block.

Every client is a BIRD of its own with two blocks, all beside the reflector on one segment.
"""

import contextlib
import re
import time

from felixpy.model.addresses import Asn, IPv4Address
from felixpy.model.resources import BGPPeer, Metadata, Node, NodeBGP, Resource
from tests.bench.load import cpu_s, rss_mb
from tests.bench.table import Bench, Goal, Row, Series
from tests.namespaces import in_new_namespace
from tests.netns.fabric import Fabric, Machine
from tests.speakers import Bird, bird, eventually

CLIENTS = 100
BLOCKS = 2  # of each client
ALL = CLIENTS * BLOCKS
PATIENCE_S = 240.0

CLIENT = """
router id {address};
log stderr all;
protocol device {{}}
protocol static own {{ ipv4; {routes} }}
protocol bgp reflector {{
  local {address} as 64512; neighbor 172.20.0.1 as 64512; multihop; strict bind yes;
  connect delay time 1; connect retry time 1;
  ipv4 {{ import all; export where source = RTS_STATIC; next hop self; }};
}}
"""


def address(number: int) -> str:
    """Of a client."""
    return f"172.20.0.{100 + number}"


def config(number: int) -> str:
    """Of a client."""
    routes = " ".join(f"route 10.65.{number}.{64 * at}/26 blackhole;" for at in range(BLOCKS))
    return CLIENT.format(address=address(number), routes=routes)


def reflector(fabric: Fabric) -> Machine:
    """The node that reflects, its clients among its peers."""
    machine = fabric.machine("n1")
    fabric.plug(1, machine.namespace)
    bgp = NodeBGP(ipv4_address="172.20.0.1/24", route_reflector_cluster_id=IPv4Address("9.9.9.9"))
    peers = [
        Resource(Metadata(name=f"c{n}"), BGPPeer(node="n1", peer_ip=address(n), as_number=Asn(64512)))
        for n in range(1, CLIENTS + 1)
    ]
    fabric.write([Resource(Metadata(name="n1"), Node(bgp=bgp)), *peers])
    return machine


def routes_of(client: Bird) -> int:
    """How many it has."""
    found = re.search(r"(\d+) of \d+ routes", client.ask("show", "route", "count", "table", "master4"))
    return int(found[1]) if found else 0


def told_all(machine: Machine) -> bool:
    """Whether ExaBGP has taken every block for every client."""
    known = machine.ask("peers") or {"peers": []}
    return len(known["peers"]) == CLIENTS and all(p["advertised"] == ALL - BLOCKS for p in known["peers"])


def reflect(bench: Bench) -> Row:
    """Time to converge from nothing, the memory then, and what it costs to do nothing."""
    with contextlib.ExitStack() as stack:
        ground = stack.enter_context(contextlib.contextmanager(in_new_namespace)())
        fabric = Fabric(ground, bench.scratch)
        stack.callback(fabric.close)
        machine = reflector(fabric)
        beside = stack.enter_context(fabric.beside(9))
        clients = []
        for number in range(1, CLIENTS + 1):
            beside.run("ip", "address", "add", f"{address(number)}/24", "dev", "eth1")
            clients.append(stack.enter_context(bird(bench.scratch / f"client{number}", config(number))))
        began = time.perf_counter()
        machine.start()
        eventually(lambda: told_all(machine), PATIENCE_S, 0.2)
        told = time.perf_counter() - began
        eventually(lambda: all(routes_of(client) == ALL for client in clients), PATIENCE_S, 0.2)
        there = time.perf_counter() - began
        assert machine.process is not None
        pids = {"birdpy": machine.process.pid, "ExaBGP": machine.exabgp()}
        time.sleep(5)
        before, start = sum(map(cpu_s, pids.values())), time.perf_counter()
        time.sleep(10 if bench.quick else 30)
        idle = (sum(map(cpu_s, pids.values())) - before) / (time.perf_counter() - start) * 100
        memory = {name: rss_mb(pid) for name, pid in pids.items()}
    series = [
        Series("every client was told every block", "s", (told,)),
        Series("every client has it", "s", (there,), remark="asked one after the other"),
        *(Series(f"RSS of {name}", "MB", (value,)) for name, value in memory.items()),
        Series("CPU of both when nothing happens", "%", (idle,)),
    ]
    return Row(f"a reflector with {CLIENTS} clients and {ALL} blocks", series, [Goal("idle CPU, %", idle, 5)])
