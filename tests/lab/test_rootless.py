"""A lab without root, as an ordinary user of this machine would make it."""

import os
import shutil
import site
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.conftest import ROOT

pytestmark = pytest.mark.lab

NOBODY = "65534"
TOPOLOGY = """
name: rootless
topology:
  nodes:
    frr:
      kind: linux
      image: frrouting/frr
      startup-config: |
        hostname frr
        interface eth1
         ip address 10.0.0.1/24
        router bgp 65001
         no bgp ebgp-requires-policy
         neighbor 10.0.0.2 remote-as 65002
         neighbor 10.0.0.2 timers connect 1
         address-family ipv4 unicast
          redistribute connected
    bird:
      kind: linux
      image: bird:2
      startup-config: |
        router id 10.0.0.2;
        protocol device {}
        protocol static { ipv4; route 10.2.0.0/16 blackhole; }
        protocol bgp frr { local as 65002; neighbor 10.0.0.1 as 65001; ipv4 { import all; export all; }; }
      exec: [ip address add 10.0.0.2/24 dev eth1]
  links:
    - endpoints: ["frr:eth1", "bird:eth1"]
"""


class Nobody:
    """The command line of a user without any right."""

    def __init__(self, folder: Path, python: str) -> None:
        self.folder, self.python = folder, python

    def felixpy(self, *args: str) -> subprocess.CompletedProcess[str]:
        env = {
            "PATH": os.environ["PATH"], "HOME": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": f"{ROOT}:{':'.join(site.getsitepackages())}", "FELIXPY_LABS_DIR": f"{self.folder}/labs",
        }  # fmt: skip
        become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        return subprocess.run(
            [*become, self.python, "-m", "felixpy", *args], env=env, capture_output=True, text=True, timeout=60,
            cwd=self.folder, check=False,
        )  # fmt: skip


def readable_python() -> str:
    """A Python of our version that every user may run: the one of the tests may be in root's home."""
    for candidate in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        trial = ["setpriv", f"--reuid={NOBODY}", "--clear-groups", "test", "-x", candidate]
        if subprocess.run(trial, capture_output=True, check=False).returncode == 0:
            return candidate
    pytest.skip("no Python of this version that an ordinary user may run")


@pytest.fixture
def nobody() -> Iterator[Nobody]:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv: the test becomes another user")
    trial = ["setpriv", f"--reuid={NOBODY}", "--clear-groups", "unshare", "--user", "--map-root-user", "true"]
    if subprocess.run(trial, capture_output=True, check=False).returncode != 0:
        pytest.skip("this kernel gives no user namespaces to ordinary users")
    folder = Path(tempfile.mkdtemp(prefix="fl-"))
    os.chown(folder, int(NOBODY), int(NOBODY))
    made = Nobody(folder, readable_python())
    try:
        yield made
    finally:
        made.felixpy("lab", "destroy", "--all")
        shutil.rmtree(folder)


@pytest.mark.skipif(not Path("/usr/lib/frr/bgpd").exists(), reason="needs frr")
@pytest.mark.skipif(shutil.which("bird") is None, reason="needs bird2")
def test_a_user_without_rights_runs_frr_and_bird_against_each_other(nobody: Nobody) -> None:
    file = nobody.folder / "x.clab.yml"
    file.write_text(TOPOLOGY)
    done = nobody.felixpy("lab", "deploy", "-t", str(file))
    assert done.returncode == 0, done.stderr
    give_up = time.monotonic() + 30
    routes = ""
    while "10.2.0.0/16" not in routes and time.monotonic() < give_up:
        routes = nobody.felixpy("lab", "exec", "frr", "--", "ip", "route", "show", "proto", "bgp").stdout
        time.sleep(0.3)
    assert "10.2.0.0/16" in routes
    assert "is up already" in nobody.felixpy("lab", "deploy", "-t", str(file)).stderr
    assert nobody.felixpy("lab", "exec", "bird", "--", "hostname").stdout == "bird\n"
    assert '"eth1 10.0.0.2/24"' in nobody.felixpy("lab", "inspect", "-o", "json").stdout
    assert (
        "rootless" not in subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    )
    assert nobody.felixpy("lab", "destroy").returncode == 0
    assert [entry.name for entry in nobody.folder.iterdir()] == ["x.clab.yml"]


def test_without_a_place_for_the_registry_it_says_which_to_name(nobody: Nobody) -> None:
    file = nobody.folder / "x.clab.yml"
    file.write_text(TOPOLOGY)
    nobody.folder.joinpath("labs").touch()
    done = nobody.felixpy("lab", "deploy", "-t", str(file))
    assert done.returncode == 1
    assert "$XDG_RUNTIME_DIR or $FELIXPY_LABS_DIR" in done.stderr
    nobody.folder.joinpath("labs").unlink()


def test_somebody_elses_lab_is_named_and_not_removed(nobody: Nobody) -> None:
    labs = nobody.folder / "labs"
    (labs / "theirs" / "nodes").mkdir(parents=True)
    (labs / "theirs" / "lab.json").write_text('{"name": "theirs", "topology": "", "state": "up", "nodes": {}}')
    labs.chmod(0o755)
    os.chown(labs, 0, 0)
    done = nobody.felixpy("lab", "destroy", "theirs")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"felixpy: {labs}/.theirs.lock: Permission denied; it takes the user whom that belongs to, or root\n"
    )
    assert (labs / "theirs" / "lab.json").exists()
