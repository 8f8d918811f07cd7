"""A benchmark's row in a process of its own: what it does to itself it does not do to the others."""

import signal
import subprocess
import sys
from pathlib import Path

from tests.bench.apart import keep, kept, measured
from tests.bench.curves import NEVER, Curve
from tests.bench.table import Goal, Row, Series

ROW = Row(
    "r", [Series("a", "s", (1.0, NEVER), base=True)], [Goal("g", 1, 2)], curves=[Curve("c", "s", "n", ((1, 2),))]
)


def test_a_row_comes_back_as_it_was_left(tmp_path: Path) -> None:
    keep(tmp_path / "row", ROW)
    found = kept(tmp_path / "row")
    assert found is not None
    assert (found.title, tuple(found.series), tuple(found.goals)) == ("r", tuple(ROW.series), tuple(ROW.goals))
    assert [tuple(each.points) for each in found.curves] == [((1, 2),)]


def test_a_row_that_crashes_says_so_and_what_it_had_kept_is_there(tmp_path: Path) -> None:
    keep(tmp_path / "row", ROW)
    found = measured("no-such-row", tmp_path, quick=True, limit_s=60)
    assert found.void == "ended with 1, see standard error"
    assert list(found.series) == list(ROW.series)


def test_a_row_that_takes_too_long_is_ended_and_the_next_one_runs(tmp_path: Path) -> None:
    found = measured("exabgp-decode", tmp_path, quick=True, limit_s=0.05)
    assert found.void.startswith("ended after 0 s")
    (tmp_path / "next").mkdir()
    assert measured("exabgp-decode", tmp_path / "next", quick=True, limit_s=120).void == ""


ORPHANS = """
import subprocess, sys
from pathlib import Path
from tests.bench import apart

start = "import subprocess as s; print(s.Popen(['sleep', '60'], start_new_session=True, stdout=s.DEVNULL).pid)"
apart.become_reaper()
row = subprocess.Popen([sys.executable, "-c", start], stdout=subprocess.PIPE, text=True)
pid = row.communicate()[0].strip()
assert Path(f"/proc/{pid}").exists()
apart.ended(row)
print(Path(f"/proc/{pid}").exists())
"""


def test_what_a_row_leaves_running_is_killed() -> None:
    done = subprocess.run([sys.executable, "-c", ORPHANS], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_ctrl_c_ends_the_row_and_prints_what_there_is(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.bench", "--out", str(tmp_path), "exabgp-decode", "exabgp-decode"]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.stderr is not None
    assert run.stderr.readline() == "measuring exabgp-decode\n"
    run.send_signal(signal.SIGINT)
    printed, said = run.communicate(timeout=120)
    assert run.returncode == 1
    assert "stopped; 0 of 2 rows were measured" in said
    assert printed.startswith("| row | measured |")
