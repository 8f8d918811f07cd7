"""What ExaBGP and the way to it cost: decoding, telling, how long a message takes, what an idle one uses."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from birdpy.exabgp.decode import decode
from birdpy.rib.events import Update
from tests.bench.table import Bench, Goal, Row, Series
from tests.exabgp.node import ADDRESSES, Node, bird_config, children, node, route, session, until
from tests.exabgp.test_faults import GOOD, MULTIPROTOCOL_4
from tests.speakers import RawSpeaker, bird, network, raw

LINE = (
    '{{ "exabgp": "5.0.0", "time": 1795168645.57, "host" : "vm", "pid" : 1, "ppid" : 1, "counter": 13, '
    '"type": "update", "neighbor": {{ "address": {{ "local": "10.0.0.1", "peer": "10.0.0.2" }}, '
    '"asn": {{ "local": 65001, "peer": 65002 }}, "router-id": "10.0.0.1" , "direction": "receive", "message": '
    '{{ "update": {{ "attribute": {{ "origin": "igp", "as-path": {{"0": {{"element": "as-sequence", "value": '
    '[65002]}}}}, "community": [ [ {a}, {b} ] ] }}, "announce": {{ "ipv4 unicast": {{ "10.0.0.2": [ {nlri} ] }} }} '
    "}} }} }} }}"
)


def _nlri(number: int, at: int) -> str:
    return f'{{ "nlri": "{at}.{number >> 8}.{number & 255}.0/24" }}'


def decoding(bench: Bench) -> Row:
    """Lines of ExaBGP to events, every prefix new to the decoder."""
    packed, single, own = list[float](), list[float](), list[float]()
    for at in range(bench.rounds):
        many = [", ".join(_nlri(i, 20 + at) for i in range(b, b + 800)) for b in range(0, 10_000, 800)]
        lines = {
            "packed": [LINE.format(a=1, b=at, nlri=part) for part in many],
            "single": [LINE.format(a=2, b=at, nlri=_nlri(i, 40 + at)) for i in range(5000)],
            "own": [LINE.format(a=3 + at, b=i, nlri=_nlri(i, 60 + at)) for i in range(5000)],
        }
        for samples, kind, per in ((packed, "packed", 10_400), (single, "single", 5000), (own, "own", 5000)):
            texts = [line.encode() for line in lines[kind]]
            began = time.perf_counter()
            for text in texts:
                decode(text)
            samples.append((time.perf_counter() - began) / per * 1e6)
    series = [
        Series("800 prefixes a line, for each prefix", "µs", tuple(packed)),
        Series("one prefix a line, equal attributes", "µs", tuple(single), base=True),
        Series("one prefix a line, attributes never seen", "µs", tuple(own)),
    ]
    return Row("decoding ExaBGP's lines", series, [Goal("a line with one prefix, µs", series[1].median, 20)])


def telling(bench: Bench) -> Row:
    """Routes to one BIRD: until ExaBGP has acknowledged all, and until BIRD has them."""
    count = 1000 if bench.quick else 10_000
    acked, there = list[float](), list[float]()

    async def body() -> None:
        routes = [route(f"10.{i >> 8}.{i & 255}.0/24") for i in range(count)]
        async with node(bench.scratch, session()) as ours:
            await ours.up()
            for _ in range(2):
                began = time.perf_counter()
                await ours.tell(*routes)
                acked.append(time.perf_counter() - began)
                await until(lambda: f"{count} of" in peer.ask("show", "route", "count", "protocol", "p4"), 60)
                there.append(time.perf_counter() - began)
                await ours.untell(*routes)

    with network(*ADDRESSES), bird(bench.scratch / "bird", bird_config()) as peer:
        asyncio.run(body())
    series = [Series("acknowledged", "s", tuple(acked)), Series("in BIRD", "s", tuple(there))]
    return Row(f"{count} routes told to one peer", series)


def latency(bench: Bench) -> Row:
    """From the command to the UPDATE at the peer, and from the peer's UPDATE to the event."""
    out, back = list[float](), list[float]()

    async def body(ours: Node, peer: RawSpeaker) -> None:
        loop = asyncio.get_running_loop()
        for i in range(10 * bench.rounds):
            await asyncio.sleep(0.05)
            arrival = loop.run_in_executor(None, _next_update, peer)
            began = time.perf_counter()
            await ours.tell(route(f"10.65.{i}.0/24"))
            out.append((await arrival - began) * 1e3)
            seen, began = len(ours.events), time.perf_counter()
            peer.update(GOOD, bytes([24, 20, 0, i]))
            while not any(isinstance(each, Update) for each in ours.events[seen:]):
                await asyncio.sleep(0)
            back.append((time.perf_counter() - began) * 1e3)

    _against_raw(bench.scratch, body)
    series = [Series("command to UPDATE", "ms", tuple(out)), Series("UPDATE to event", "ms", tuple(back))]
    goals = [Goal("both ways, ms", series[0].median + series[1].median, 12)]
    return Row("one route's way through ExaBGP", series, goals)


def idle(bench: Bench) -> Row:
    """Start, then CPU and memory of ExaBGP and the bridge beside three quiet sessions."""
    start, cpu, exabgp, bridge = list[float](), list[float](), list[float](), list[float]()
    others = ("10.0.0.2", "10.0.0.3", "10.0.0.4")

    async def body() -> None:
        began = time.perf_counter()
        async with node(bench.scratch, *(session(peer) for peer in others)) as ours:
            await ours.up(*others)
            start.append(time.perf_counter() - began)
            assert ours.exabgp.pid is not None
            pids = [ours.exabgp.pid, *children(ours.exabgp.pid)]
            for _ in range(2 if bench.quick else 5):
                await asyncio.sleep(3)
                before, began = sum(map(_cpu_s, pids)), time.perf_counter()
                await asyncio.sleep(3)
                cpu.append((sum(map(_cpu_s, pids)) - before) / (time.perf_counter() - began) * 100)
            exabgp.append(_pss_mb(pids[0]))
            bridge.append(_pss_mb(pids[1]))

    with network(*ADDRESSES):
        configs = [bird_config().replace("10.0.0.2", peer) for peer in others]
        folders = [bench.scratch / peer for peer in others]
        with bird(folders[0], configs[0]), bird(folders[1], configs[1]), bird(folders[2], configs[2]):
            asyncio.run(body())
    series = [
        Series("start to three sessions up", "s", tuple(start)),
        Series("CPU of ExaBGP and bridge", "%", tuple(cpu)),
        Series("PSS of ExaBGP", "MB", tuple(exabgp)),
        Series("PSS of the bridge", "MB", tuple(bridge)),
    ]
    return Row("an idle ExaBGP", series, [Goal("CPU, %", series[1].median, 0.5)])


def _against_raw(scratch: Path, body: Callable[[Node, RawSpeaker], Awaitable[None]]) -> None:
    async def connected() -> None:
        async with node(scratch, session()) as ours:
            loop = asyncio.get_running_loop()
            connection, _ = await loop.run_in_executor(None, listening.accept)
            with connection:
                peer = RawSpeaker(connection, 65002)
                await loop.run_in_executor(None, peer.establish, "10.0.0.2", MULTIPROTOCOL_4)
                await ours.up()
                await body(ours, peer)

    with network(*ADDRESSES), raw("10.0.0.2") as listening:
        asyncio.run(connected())


def _next_update(peer: RawSpeaker) -> float:
    while peer.read()[0] != 2:
        pass
    return time.perf_counter()


def _cpu_s(pid: int) -> float:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def _pss_mb(pid: int) -> float:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(text.partition("\nPss:")[2].split()[0]) / 1024
