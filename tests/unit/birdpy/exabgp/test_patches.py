"""What can be seen of the launcher and the patches without running ExaBGP."""

import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

from birdpy.exabgp import launch, patches

ROOT = Path(launch.__file__).parents[2]
SPEC = find_spec("exabgp")
assert SPEC is not None and SPEC.origin is not None
FOLDERS = [str(ROOT), str(Path(SPEC.origin).parents[1])]


def loaded(program: str) -> "subprocess.CompletedProcess[str]":
    """Run `program` as the launcher runs: isolated, with only the two folders to import from."""
    start = f"import sys; sys.path += {FOLDERS!r}\n"
    command = [sys.executable, "-I", "-S", "-c", start + program]
    env = {"exabgp_tcp_port": "9", "EXABGP_ENVFILE": str(ROOT / "Makefile")}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


def test_the_pinned_version_is_installed() -> None:
    assert version("exabgp") == patches.VERSION


def test_any_other_version_is_refused_with_the_remedy() -> None:
    done = loaded("from birdpy.exabgp import patches; patches.VERSION = '6.0.0'; patches.load()")
    assert done.returncode == 1
    assert done.stderr == "ExaBGP 5.0.15 is installed, birdpy drives exactly 6.0.0: pip install exabgp==6.0.0\n"


def test_nothing_of_the_hosts_settings_is_read() -> None:
    done = loaded(
        "from birdpy.exabgp import patches; patches.load()\n"
        "from exabgp.environment import base; print(repr(base.ENVFILE))"
    )
    assert (done.stdout, done.stderr) == ("''\n", "")


def test_what_costs_memory_is_not_imported() -> None:
    done = loaded(
        "from birdpy.exabgp import patches; patches.load()\n"
        "print([m for m in ('asyncio', 'ssl', 'argparse', 'pdb', 'structlog', 'msgspec') if m in sys.modules])"
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize(
    "name",
    [
        "exabgp.configuration.configuration:Configuration._cleanup",
        "exabgp.configuration.configuration:Configuration.reload",
        "exabgp.reactor.api.processes:Processes._start",
        "exabgp.reactor.api.processes:Processes._update_fds",
        "exabgp.reactor.asynchronous:ASYNC.run",
        "exabgp.reactor.asynchronous:ASYNC._notify_error",
        "exabgp.reactor.loop:Reactor._wait_for_io",
        "exabgp.reactor.loop:Reactor.reload",
        "exabgp.reactor.delay:Delay.increase",
        "exabgp.reactor.listener:set_accepted_ttl",
        "exabgp.reactor.network.tcp:set_minimum_ttl",
        "exabgp.bgp.neighbor:Neighbor.reset_rib",
        "exabgp.bgp.message.update.nlri.nlri:NLRI.unpack_nlri",
        "exabgp.bgp.message.update.attribute.attributes:Attributes._parse_one",
        "exabgp.bgp.message.update.attribute.attributes:Attributes._generate_json",
        "exabgp.logger:log.debug",
        "exabgp.reactor.api.processes:Processes.write",
        "exabgp.reactor.api.response.json:JSON.update",
        "exabgp.reactor.network.connection:Connection._reader",
        "exabgp.reactor.peer:Peer.run",
        "exabgp.reactor.peer:Stats.changed_statistics",
        "exabgp.reactor.protocol:Protocol.read_message",
        "exabgp.reactor.protocol:_UPDATE",
    ],
)
def test_what_is_patched_is_there(name: str) -> None:
    module, _, path = name.partition(":")
    program = f"import functools, importlib; module = importlib.import_module({module!r})\n"
    assert loaded(f"{program}functools.reduce(getattr, {path.split('.')!r}, module)").returncode == 0


def test_the_environment_of_exabgp_is_only_ours() -> None:
    assert {name.split("_")[0] for name in launch.ENVIRONMENT} == {"exabgp"}


def test_the_clock_that_hold_times_go_by_does_not_step() -> None:
    wall, monotonic = 1000.0, 5.0
    clock = patches.steady(lambda: wall, lambda: monotonic)
    assert clock() == 1000.0
    wall, monotonic = wall + 3600, monotonic + 2
    assert clock() == 1002.0
    wall -= 7200
    assert clock() == 1002.0


def test_exabgp_itself_goes_by_that_clock() -> None:
    """In a process of its own: `load` changes it for good."""
    done = loaded(
        "import time; wall = time.time; from birdpy.exabgp import patches; patches.load(); "
        "from exabgp.bgp import timer; assert timer.time.time is time.time is not wall"
    )
    assert done.returncode == 0, done.stderr
