"""`make lab` as a stranger types it: what it prints, twice, cut off, and `make clean-lab`."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from felixpy.lab import namespaces as ns
from tests.lab.conftest import COUNTER, ROOT

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400)]


@dataclass(frozen=True, slots=True)
class Stranger:
    """Someone in the repository, with a registry of their own and a lab name that nobody else has."""

    folder: Path
    name: str

    @property
    def env(self) -> dict[str, str]:
        kept = {
            key: value for key, value in os.environ.items() if not key.startswith(("FELIXPY_", "BIRDPY_", "MAKE"))
        }
        return kept | {"FELIXPY_LABS_DIR": str(self.folder / "labs")}

    def command(self, *targets: str) -> list[str]:
        return [
            "make",
            "-C",
            str(ROOT),
            *targets,
            "ARGS=--no-install",
            f"TOPOLOGY={self.folder}/c/quickstart.clab.yml",
        ]

    def make(self, *targets: str) -> str:
        """What it said, stderr too; AssertionError when it failed."""
        done = subprocess.run(
            self.command(*targets), env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        return done.stdout

    def left(self) -> list[str]:
        """Everything of this lab that is on the machine."""
        names = Path("/run/netns")
        found = (
            [f"netns {entry.name}" for entry in names.iterdir() if self.name in entry.name] if names.is_dir() else []
        )
        found += [f"mount {point}" for point, _ in ns.mounts() if self.name in point or str(self.folder) in point]
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = process.read_text()
            except OSError:
                continue
            if f"{self.folder}/labs/" in line:
                found.append(f"process {process.parent.name}")
        return found + [f"file {entry}" for entry in self.folder.iterdir() if entry.name != "c"]


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    if os.geteuid() != 0:
        pytest.skip("needs root: makes network namespaces")
    if shutil.which("make") is None or not Path("/usr/lib/frr/bgpd").exists():
        pytest.skip("needs make and frr")
    folder = Path(tempfile.mkdtemp(prefix="fl-"))
    shutil.copytree(ROOT / "containerlab", folder / "c")
    name = f"t{os.getpid()}-{next(COUNTER)}"
    file = folder / "c" / "quickstart.clab.yml"
    file.write_text(file.read_text().replace("name: quickstart\n", f"name: {name}\n"))
    (folder / "c" / "routed.clab.yml").unlink()  # its name would be that of somebody else's lab
    made = Stranger(folder, name)
    try:
        yield made
    finally:
        made.make("clean-lab")
        shutil.rmtree(folder)


HEADINGS = [
    "the topology", "its nodes", "their sessions", "what the kernel of n1 holds, and from whom", "pings",
    "on the fabric a pod's packet is itself: no outer header, no translated address",
    "on a node there is no bridge and no NAT: two pods of it meet in its routing table",
    "the death of a daemon costs no packet and moves no route elsewhere",
    "a hostile switch announces a default route, the nodes' subnet, a gateway and a node's own block: refused",
    "what to type next",
]  # fmt: skip


def test_make_lab_shows_all_of_it_and_clean_lab_leaves_nothing(stranger: Stranger) -> None:
    said = stranger.make("lab")
    assert re.findall(r"^== (.*)$", said, re.MULTILINE) == HEADINGS
    found = re.search(r"every ping is answered ([0-9.]+) s after the deployment began", said)
    assert found is not None
    assert "Traceback" not in said
    pings = said.partition("== pings")[2].partition("\n== ")[0]
    assert pings.count(" 0% packet loss") == pings.count("$ ") == 5
    assert "250 packets" not in pings
    assert "400 packets transmitted, 400 received, 0% packet loss" in said
    assert said.count("meanwhile: 0 lines") == 2
    assert "# the kernel's routes of n1: the same as before" in said
    again = stranger.make("lab")
    assert f"lab {stranger.name} is up already" in again
    assert re.findall(r"^== (.*)$", again, re.MULTILINE) == HEADINGS
    assert stranger.left()
    stranger.make("clean-lab")
    assert stranger.left() == []


@pytest.mark.parametrize("seconds", [0.8, 1.5, 2.5, 5.0])
def test_clean_lab_after_a_kill_in_the_middle_leaves_nothing(stranger: Stranger, seconds: float) -> None:
    process = subprocess.Popen(
        stranger.command("lab"), env=stranger.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    stranger.make("clean-lab")
    time.sleep(0.3)  # a node that was just starting sees that its lab is gone, and ends
    assert stranger.left() == []
