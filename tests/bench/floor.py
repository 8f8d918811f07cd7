"""ExaBGP alone, as it comes: N of them in a mesh, no birdpy, no kernel. Nothing that drives ExaBGP can be faster.

The clock starts when the first node's ExaBGP is given `announce route` and stops when the last of the others has
printed the UPDATE. Their API processes are two `cat` between pipes.
"""

import contextlib
import os
import re
import select
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.curves import NEVER
from tests.bench.table import PATIENCE_S, Bench, Row, Series
from tests.namespaces import in_new_namespace
from tests.netns.fabric import Fabric

SIZES = (3, 10, 20)
ENVIRONMENT = (
    "exabgp_daemon_user=root", "exabgp_daemon_drop=false", "exabgp_daemon_daemonize=false", "exabgp_log_enable=false",
    "exabgp_api_cli=false", "exabgp_api_ack=false", "exabgp_api_respawn=false", "exabgp_reactor_speed=5",
)  # fmt: skip
PROCESS = "process api {{ run {folder}/api; encoder json; respawn false; }}\n"
API = "#!/bin/sh\ncat {folder}/in &\nexec cat >{folder}/out\n"
NEIGHBOR = """\
neighbor 172.20.0.{other} {{ router-id 172.20.0.{n}; local-address 172.20.0.{n}; local-as 64512; peer-as 64512;
  hold-time 90; adj-rib-in false; passive {passive}; family {{ ipv4 unicast; }}
  api {{ processes [ api ]; neighbor-changes; receive {{ parsed; update; }} }} }}
"""


@dataclass(slots=True)
class Speaker:
    """One ExaBGP: where commands go, what it said so far."""

    commands: int
    said: int
    heard: bytes = b""


@contextlib.contextmanager
def mesh(bench: Bench, count: int) -> Iterator[list[Speaker]]:
    """As many ExaBGPs as nodes, every session up."""
    with contextlib.ExitStack() as stack:
        ground = stack.enter_context(contextlib.contextmanager(in_new_namespace)())
        folder = bench.scratch / str(count)
        folder.mkdir()
        fabric = Fabric(ground, folder)
        speakers = []
        for number in range(1, count + 1):
            machine = fabric.machine(f"n{number}")
            fabric.plug(number, machine.namespace)
            _configure(machine.folder, number, count)
            ends = [os.open(machine.folder / name, os.O_RDWR | os.O_NONBLOCK) for name in ("in", "out")]
            for end in ends:
                stack.callback(os.close, end)
            bind = f"exabgp_tcp_bind=172.20.0.{number}"
            program = Path(sys.executable).with_name("exabgp")
            line = ("env", *ENVIRONMENT, bind, str(program), "server", str(machine.folder / "conf"))
            process = machine.namespace.start(*line)
            stack.callback(process.wait, 10)  # its children hold the pipes a little longer
            stack.callback(process.kill)
            speakers.append(Speaker(ends[0], ends[1]))
        yield speakers


def _configure(folder: Path, number: int, count: int) -> None:
    for name in ("in", "out"):
        os.mkfifo(folder / name)
    (folder / "api").write_text(API.format(folder=folder))
    (folder / "api").chmod(0o755)
    text = PROCESS.format(folder=folder)
    for other in range(1, count + 1):
        if other != number:
            text += NEIGHBOR.format(n=number, other=other, passive="true" if other > number else "false")
    (folder / "conf").write_text(text)


def until(speakers: list[Speaker], wanted: re.Pattern[bytes], times: int) -> float:
    """When each of these has said it so often since the last call; NEVER when one does not in time."""
    end = time.perf_counter() + PATIENCE_S
    for speaker in speakers:
        speaker.heard = b""
    waiting = {speaker.said: speaker for speaker in speakers}
    while waiting:
        ready, _, _ = select.select(list(waiting), [], [], max(0.0, end - time.perf_counter()))
        if not ready:
            return NEVER
        for said in ready:
            waiting[said].heard += os.read(said, 1 << 16)
            if len(wanted.findall(waiting[said].heard)) >= times:
                del waiting[said]
    return time.perf_counter()


def floor(bench: Bench) -> Row:
    """Meshes of 3, 10 and 20 ExaBGPs without birdpy: one announcement until every other ExaBGP has printed it."""
    series: list[Series] = []
    for count in SIZES[:1] if bench.quick else SIZES:
        with mesh(bench, count) as speakers:
            if until(speakers, re.compile(rb'"state": "up"'), count - 1) == NEVER:
                series.append(Series(f"{count} ExaBGPs: sessions up", "s", (NEVER,)))
                continue
            time.sleep(2)
            samples = []
            for at in range(10 if bench.quick else 30):
                block = f"10.65.{100 + at // 4}.{at % 4 * 64}/26"
                began = time.perf_counter()
                os.write(speakers[0].commands, f"announce route {block} next-hop self\n".encode())
                samples.append((until(speakers[1:], re.compile(re.escape(block).encode()), 1) - began) * 1000)
                time.sleep(0.12)
        series.append(Series(f"{count} ExaBGPs: told to printed by all others", "ms", tuple(samples)))
        bench.keep(Row("ExaBGP alone", series))
    return Row("ExaBGP alone", series)
