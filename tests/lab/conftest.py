"""Fixtures of the tests that make labs: a registry of their own, and nothing left behind."""

import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

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


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod of a running lab."""

    name: str
    node: str
    addresses: tuple[str, ...]

    @property
    def where(self) -> str:
        return f"{self.node}/{self.name}"

    @property
    def address(self) -> str:
        return self.addresses[0]


@dataclass(slots=True)
class Running:
    """One of our topologies, deployed under a name of its own."""

    labs: Labs
    name: str
    file: Path
    children: list["subprocess.Popen[str]"] = field(default_factory=list)

    def exec(self, where: str, *argv: str) -> str:
        """The output of a command in a node or pod; AssertionError when it failed."""
        return self.labs.run(self.name, where, *argv)

    def tried(self, where: str, *argv: str) -> subprocess.CompletedProcess[str]:
        """A command in a node or pod, whatever its exit code."""
        return self.labs.felixpy("lab", "exec", "--lab", self.name, where, "--", *argv)

    def start(self, where: str, *argv: str) -> "subprocess.Popen[str]":
        """A command left running; `stop` ends it."""
        line = [sys.executable, "-m", "felixpy", "lab", "exec", "--lab", self.name, where, "--", *argv]
        process = subprocess.Popen(
            line,
            env=self.labs.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.children.append(process)
        return process

    def stop(self, process: "subprocess.Popen[str]") -> str:
        """End what `start` started; what it had printed."""
        from felixpy.lab.enter import stop

        self.children.remove(process)
        return stop(process)

    def ask(self, program: str, *argv: str, node: str) -> Any:
        """The JSON of a `felixpy` or `birdpy` command about a node."""
        line = [sys.executable, "-m", program, *argv, "--node", node, "--lab", self.name, "-o", "json"]
        done = subprocess.run(line, capture_output=True, text=True, env=self.labs.env, timeout=60, check=False)
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def vtysh(self, node: str, command: str) -> Any:
        """What FRR says, in JSON."""
        return json.loads(self.exec(node, "vtysh", "-c", f"{command} json"))

    def pods(self) -> dict[str, Pod]:
        """The pods by name."""
        done = self.labs.felixpy("pod", "list", "--lab", self.name, "-o", "json")
        listed = json.loads(done.stdout)["pods"]
        return {one["name"]: Pod(one["name"], one["node"], tuple(one["addresses"])) for one in listed}

    def reaches(self, where: str, address: str, *options: str) -> bool:
        """Whether one ping is answered."""
        return self.tried(where, "ping", "-c1", "-W1", *options, address).returncode == 0

    def routes(self, node: str, *options: str) -> list[dict[str, Any]]:
        """The kernel's main table."""
        return list(json.loads(self.exec(node, "ip", "-j", *options, "route") or "[]"))


def until(check: Callable[[], object], seconds: float = 60.0) -> None:
    """Return as soon as `check` holds; AssertionError when it does not in time."""
    give_up = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < give_up, "not in time"
        time.sleep(0.1)


def deployed(topology: str) -> Iterator[Running]:
    """A copy of one of our topologies, under a name that nothing else on this machine has; gone at the end."""
    if os.geteuid() != 0:
        pytest.skip("needs root: makes network namespaces")
    for program, package in (("/usr/lib/frr/bgpd", "frr"), (shutil.which("tshark") or "tshark", "tshark")):
        if not Path(program).exists():
            pytest.skip(f"needs {package}")
    folder = Path(tempfile.mkdtemp(prefix="fl-"))  # short: a socket's path may have 107 bytes
    shutil.copytree(ROOT / "containerlab", folder / "c", ignore=shutil.ignore_patterns("store"))
    labs = Labs(folder / "labs")
    name = f"t{os.getpid()}-{next(COUNTER)}"
    file = folder / "c" / f"{topology}.clab.yml"
    for line in file.read_text().splitlines():
        if "/store:" in line:
            (folder / "c" / line.split("- ")[1].partition(":")[0]).mkdir(exist_ok=True)
    file.write_text(file.read_text().replace(f"name: {topology}\n", f"name: {name}\n"))
    running = Running(labs, name, file)
    try:
        said = labs.deploy(file)
        assert "exit" not in said, said
        yield running
        for process in list(running.children):
            running.stop(process)
    finally:
        labs.felixpy("lab", "destroy", "--all")
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def quickstart() -> Iterator[Running]:
    """containerlab/quickstart, with every pod reached from the first; tests leave it as it was."""
    for running in deployed("quickstart"):
        for pod in running.pods().values():
            until(partial(running.reaches, "out", pod.address))
            until(partial(running.reaches, "n1/a", pod.address))
        yield running
