"""The README shows what its commands print: each is run on a quickstart lab, in order, and compared.

A block without output (`$ command` alone) only has to succeed. What changes from run to run (times, ages, container
ids) is masked on both sides; addresses and names are not: they follow from the names of nodes and pods.
"""

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.conftest import ROOT, Labs

README = (ROOT / "README.md").read_text()
MASKS = (
    (r"\b[0-9a-f]{40,}\b", "ID"),
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
    (r"\b\d+(\.\d+)?/\d+\.\d+/\d+\.\d+/\d+\.\d+ ms", "RTT"),
    (r"\btime \d+ms\b", "DURATION"),
    (r"\banswered in \d+(\.\d+)? ms", "ANSWERED"),
    (r"(?<![\d.])(\d+(ms|s|m|h))+\b", "AGE"),
    (r"[ \t]+", " "),
    (r" +$", ""),
)

EXIT = {"felixpy doctor": 1}  # it is shown finding something


@dataclass(frozen=True, slots=True)
class Example:
    command: str
    output: str


def examples(text: str) -> Iterator[Example]:
    for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield Example(command, output)


def masked(text: str) -> list[str]:
    for pattern, name in MASKS:
        text = re.sub(pattern, name, text, flags=re.MULTILINE)
    return [line for line in text.splitlines() if line]


def settled(labs: Labs) -> bool:
    """Every node has heard every other and the switch."""
    seen = [labs.felixpy("routes", "--node", f"n{number}").stdout for number in (1, 2, 3)]
    return all(text.count(" via ") == 3 for text in seen)


@pytest.fixture
def quickstart(labs: Labs) -> Iterator[Labs]:
    topology = ROOT / "containerlab" / f".readme{os.getpid()}.clab.yml"
    topology.write_text(
        (ROOT / "containerlab/quickstart.clab.yml").read_text().replace("name: quickstart", f"name: r{os.getpid()}")
    )
    try:
        labs.deploy(topology)
        until = time.monotonic() + 30
        while not settled(labs):
            assert time.monotonic() < until, "the lab did not converge"
            time.sleep(0.2)
        yield labs
    finally:
        topology.unlink()


def run(command: str, labs: Labs) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        shlex.split(command), env=labs.env | {"PATH": path}, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.root
@pytest.mark.lab
def test_every_command_of_the_readme_prints_what_the_readme_shows(quickstart: Labs) -> None:
    shown = list(examples(README))
    assert len(shown) >= 12
    for example in shown:
        done = run(example.command, quickstart)
        wanted = EXIT.get(example.command, 0)
        assert done.returncode == wanted, f"{example.command}: {done.stdout}{done.stderr}"
        if example.output:
            assert masked(done.stdout) == masked(example.output), example.command


def test_masking_leaves_what_matters() -> None:
    assert masked("10.65.0.1 via 172.20.0.12  1s") == ["10.65.0.1 via 172.20.0.12 AGE"]
    assert masked("a  yes") != masked("a  no")


@pytest.mark.parametrize("target", ["lab", "test", "clean-lab", "check", "bench"])
def test_every_make_target_that_the_readme_names_exists(target: str) -> None:
    assert f"make {target}" in README
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
