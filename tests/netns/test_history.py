"""The log of a real router: a withdrawn block, a foreign delete that was repaired, a peer that died, a kill -9."""

import json
import subprocess
import sys
import time
from typing import Any

import pytest

from felixpy.model.resources import BlockAffinity
from tests.netns.fabric import Fabric, Machine, eventually

pytestmark = pytest.mark.root

BLOCK, OTHER = "10.65.2.0/26", "10.65.77.0/26"
N2 = "Mesh_172_20_0_2"


def felixpy(machine: Machine, *words: str) -> Any:
    """What `felixpy WORDS -o json` answers in the node."""
    enter = ["nsenter", f"--net=/proc/self/fd/{machine.namespace.fd}", "--", sys.executable, "-m", "felixpy"]
    done = subprocess.run(
        [*enter, *words, "-o", "json"], env=machine.env, pass_fds=(machine.namespace.fd,), capture_output=True,
        text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def told(machine: Machine, subject: str) -> list[tuple[str, str, str]]:
    """The events of a subject: kind and what, and why in words."""
    events = felixpy(machine, "history", subject)["events"]
    return [(f"{it['kind']} {it['what']}", it["because"], it["key"]) for it in events]


def held(machine: Machine, at: float) -> dict[str, list[str]]:
    """The routes that the log says the kernel had, with their gateways."""
    routes = felixpy(machine, "routes", "--at", str(at))["routes"]
    return {it["prefix"]: [hop["via"] for hop in it["gateways"]] for it in routes if it["installed"]}


def test_why_each_route_went_is_known_afterwards_and_what_was_before(fabric: Fabric) -> None:
    n1, n2 = fabric.node("n1", 1), fabric.node("n2", 2)
    fabric.claim("n2", OTHER)
    for machine in (n1, n2):
        machine.start()
    eventually(lambda: {BLOCK, OTHER} <= n1.routes().keys(), within_s=30)
    whole = time.time()

    fabric.remove(BlockAffinity, "n2-10-65-77-0-26")
    eventually(lambda: OTHER not in n1.routes(), within_s=30)
    assert ("route removed", f"withdrawn by {N2}", OTHER) in told(n1, OTHER)
    assert ("path none", f"withdrawn by {N2}", OTHER) in told(n1, OTHER)

    n1.namespace.run("ip", "route", "del", BLOCK)
    eventually(lambda: BLOCK in n1.routes(), within_s=30)
    eventually(
        lambda: ("route repaired", "repaired: somebody else had removed or changed it", BLOCK) in told(n1, BLOCK)
    )
    before_death = time.time()

    n1.namespace.run("ip", "link", "set", "eth1", "down")
    eventually(lambda: BLOCK not in n1.routes(), within_s=30)
    eventually(lambda: any(what == "route removed" for what, _, _ in told(n1, BLOCK)), within_s=30)
    print(*told(n1, BLOCK), sep="\n")
    print(*told(n1, "172.20.0.2"), sep="\n")

    assert held(n1, whole)[OTHER] == held(n1, whole)[BLOCK] == ["172.20.0.2"]
    assert BLOCK in held(n1, before_death) and OTHER not in held(n1, before_death)
    assert BLOCK not in held(n1, time.time())
    n1.kill()
    assert held(n1, whole)[OTHER] == ["172.20.0.2"], "the log of a killed daemon can be read"
    print(felixpy(n1, "diff", str(whole), "now"))
