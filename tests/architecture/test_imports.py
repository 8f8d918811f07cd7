"""Importing is cheap and has no side effects; the public shape of the packages."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["felixpy.model.resources", "birdpy.rib.events", "birdpy.policy.session"])
def test_a_pure_module_pulls_in_no_edge(module: str) -> None:
    program = f"import sys, {module}; print([m for m in ('asyncio', 'pyroute2', 'rich') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
