"""Fixtures of the tests that make labs: a registry of their own, and nothing left behind."""

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COUNTER = itertools.count()


@dataclass(slots=True)
class Labs:
    """The command line `felixpy lab`, with a registry of its own; lab names are made unique by `unique`."""

    folder: Path
    names: list[str] = field(default_factory=list)

    @property
    def env(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("FELIXPY_", "BIRDPY_"))}
        return kept | {"FELIXPY_LABS_DIR": str(self.folder)}

    def felixpy(self, *args: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run `felixpy` and return what it said, whatever its exit code."""
        return subprocess.run(
            [sys.executable, "-m", "felixpy", *args],
            capture_output=True, text=True, env=self.env, timeout=timeout, check=False,
        )  # fmt: skip

    def deploy(self, file: Path, *more: str) -> str:
        """Deploy; what was said. AssertionError with it when that failed."""
        done = self.felixpy("lab", "deploy", "-t", str(file), *more)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def run(self, lab: str, where: str, *argv: str, timeout: float = 60) -> str:
        """The output of a command in a node; AssertionError when it failed."""
        done = self.felixpy("lab", "exec", "--lab", lab, where, "--", *argv, timeout=timeout)
        assert done.returncode == 0, f"{where}: {' '.join(argv)}: {done.stdout}{done.stderr}"
        return done.stdout

    def write(self, text: str) -> Path:
        """A topology file; `NAME` in it becomes a name that no other lab of this machine has."""
        name = f"t{os.getpid()}-{next(COUNTER)}"
        self.names.append(name)
        file = self.folder.parent / f"{name}.clab.yml"
        file.write_text(text.replace("NAME", name))
        return file


@pytest.fixture
def labs(tmp_path: Path) -> Iterator[Labs]:
    """An empty registry; every lab in it is destroyed at the end."""
    if os.geteuid() != 0:
        pytest.skip("needs root: makes network namespaces")
    if shutil.which("nsenter") is None:
        pytest.skip("needs nsenter (util-linux)")
    made = Labs(tmp_path / "labs")
    try:
        yield made
    finally:
        made.felixpy("lab", "destroy", "--all")
