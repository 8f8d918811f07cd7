"""The benchmarks themselves run, small: a row that nobody can run is no proof."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes network namespaces")
def test_the_rows_about_routes_run_small(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.bench", "--quick", "--out", str(tmp_path), "routes", "resync", "one-more"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "table.json").read_text())["rows"]
    assert set(rows) == {"routes", "resync", "one-more"}
    assert all(series["median"] > 0 for row in rows.values() for series in row["series"])
    assert "protocol kernel fib" in done.stdout


def test_an_unknown_row_is_named() -> None:
    command = [sys.executable, "-m", "tests.bench", "nothing"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "no row is named nothing" in done.stderr
