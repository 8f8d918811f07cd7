"""What every daemon has: one of its kind per run folder, JSON log lines, an orderly stop."""

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path

import pytest

from felixpy.daemon.logs import make_log
from felixpy.daemon.pidfile import Process, alive, claim, read, started_at
from felixpy.daemon.signals import run_until_signal
from felixpy.model.errors import Trouble

HOLD = """
import sys, time
from pathlib import Path
from felixpy.daemon.pidfile import claim
held = claim(Path(sys.argv[1]), "felixpy")
print("held", flush=True)
time.sleep(60)
"""


def test_a_second_daemon_is_refused_and_the_first_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run" / "felixpy.pid"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(Trouble, match=f"felixpy already runs here as pid {first.pid}"):
            claim(path, "felixpy")
        assert read(path) == Process(first.pid, started_at(first.pid) or 0)
        first.kill()
    mine = claim(path, "felixpy")  # killed without a chance to clean up: nothing is in the way
    assert read(path) == Process(os.getpid(), started_at(os.getpid()) or 0)
    mine.release()


def test_a_process_is_told_from_a_later_one_with_its_pid() -> None:
    me = Process(os.getpid(), started_at(os.getpid()) or 0)
    assert alive(me)
    assert not alive(Process(me.pid, me.started - 1))
    assert not alive(Process(4_194_304 + 7, 1))  # above the kernel's greatest pid


@pytest.mark.parametrize("text", ["", "12", "a b", "1 2 3", "\x80"])
def test_a_pid_file_that_says_nothing_names_nobody(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.pid"
    path.write_text(text, encoding="latin-1")
    assert read(path) is None


def test_a_log_line_is_one_json_object_with_its_fields() -> None:
    stream = io.StringIO()
    log = make_log("felixpy", stream=stream, node="n1").bind(table="routes")
    log.debug("not shown")
    log.info("route written", prefix=Path("10.0.0.0"), text="two\nlines")
    (line,) = stream.getvalue().splitlines()
    document = json.loads(line)
    assert document.pop("timestamp").endswith("Z")
    assert document == {
        "event": "route written", "level": "info", "daemon": "felixpy", "node": "n1", "table": "routes",
        "prefix": "10.0.0.0", "text": "two\nlines",
    }  # fmt: skip


def test_a_full_disk_stops_no_daemon() -> None:
    program = """
from felixpy.daemon.logs import make_log
log = make_log("felixpy")
for number in range(3):
    log.info("route written", number=number)
print("still here")
"""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=full, check=True)
    assert done.stdout == b"still here\n"


def test_what_json_does_not_know_becomes_text() -> None:
    stream = io.StringIO()
    make_log("felixpy", stream=stream).info("x", address=ip_address("10.0.0.1"), rows={Path("a"): 1}, bad=object)
    document = json.loads(stream.getvalue())
    assert (document["address"], document["bad"]) == ("10.0.0.1", "<class 'object'>")


def test_logging_leaves_rich_out_of_a_daemon() -> None:
    program = "import sys; from felixpy.daemon.logs import make_log; make_log('x'); print('rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_work_and_lets_it_clean_up(number: signal.Signals) -> None:
    done: list[str] = []

    async def work() -> None:
        os.kill(os.getpid(), number)
        try:
            await asyncio.sleep(30)
        finally:
            done.append("cleaned up")

    assert asyncio.run(run_until_signal(work())) == number.name
    assert done == ["cleaned up"]


def test_work_that_fails_or_ends_by_itself_says_so() -> None:
    async def fail() -> None:
        raise Trouble("no kernel")

    async def end() -> None:
        return

    with pytest.raises(Trouble, match="no kernel"):
        asyncio.run(run_until_signal(fail()))
    assert asyncio.run(run_until_signal(end())) == ""
