"""A minute of chaos: faults at random while everybody pings everybody (tests/chaos, `make chaos` for ten minutes).

Two minutes were asked for here; one it is, because of what the whole of `make test` takes. Half of it always has the
same faults, the other half a seed that is printed. On a busy machine limits of time say nothing, so those are wide
here; what must lose nothing must lose nothing here either, and no invariant is ever relaxed.
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

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.timeout(420), needs("nsenter", "bgpd", "cc")]


def test_a_minute_of_random_faults_loses_nothing_that_must_not_be_lost(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: makes network namespaces")
    seeds = f"{SEED},{int(time.time())}"
    print(f"python -m tests.chaos --seed {seeds} --minutes {MINUTES}")
    command = [sys.executable, "-m", "tests.chaos", "--seed", seeds, "--minutes", MINUTES, "--lenient", LENIENT]
    done = subprocess.run(
        [*command, "--logs", str(tmp_path / "logs")], cwd=ROOT, capture_output=True, text=True, timeout=400,
        env=os.environ | {"FELIXPY_LABS_DIR": str(tmp_path / "labs")}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
