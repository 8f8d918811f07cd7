"""The log of a real router: a withdrawn block, a foreign delete that was repaired, a peer that died, a kill -9."""

import json
import subprocess
import sys
import time
from typing import Any

import pytest

from felixpy.model.addresses import Asn
from felixpy.model.resources import BGPPeer, BlockAffinity
from tests.netns.fabric import Fabric, Machine, eventually
from tests.speakers import RawSpeaker, attribute, raw

pytestmark = pytest.mark.root

BLOCK, OTHER = "10.65.2.0/26", "10.65.77.0/26"
N2 = "Mesh_172_20_0_2"
ATTRIBUTES = attribute(1, b"\0") + attribute(2, bytes([2, 1, 0xFD, 0xF0])) + attribute(3, bytes([172, 20, 0, 8]))


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
    fabric.put(outside=BGPPeer(node="n1", peer_ip="172.20.0.8", as_number=Asn(65008)))
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

    with fabric.beside(8), raw("172.20.0.8") as listening, listening.accept()[0] as connection:
        speaker = RawSpeaker(connection, 65008)
        speaker.establish("172.20.0.8")
        eventually(lambda: n1.up("172.20.0.8"), within_s=30)
        speaker.update(ATTRIBUTES, bytes([24, 198, 51, 100]))
        eventually(lambda: "198.51.100.0/24" in n1.routes(), within_s=30)
        speaker.send(3, bytes([6, 2]))  # Cease, administrative shutdown
    eventually(lambda: "198.51.100.0/24" not in n1.routes(), within_s=30)
    (died,) = [why for what, why, _ in told(n1, "198.51.100.0/24") if what == "route removed"]
    assert died.startswith("session down Node_172_20_0_8: "), died
    assert "session down" in [what for what, _, _ in told(n1, "172.20.0.8")]

    assert held(n1, whole)[OTHER] == held(n1, whole)[BLOCK] == ["172.20.0.2"]
    assert BLOCK in held(n1, before_death) and OTHER not in held(n1, before_death)
    (found,) = felixpy(n1, "diff", str(whole), "now")["nodes"]
    assert [(it["before"]["prefix"], it["because"]) for it in found["removed"]] == [(OTHER, f"withdrawn by {N2}")]

    n1.kill()
    assert held(n1, whole)[OTHER] == ["172.20.0.2"], "the log of a killed daemon can be read"
    assert held(n1, time.time())[BLOCK] == ["172.20.0.2"], "its death changed no route"
    n1.start()
    eventually(lambda: [what for what, _, _ in told(n1, BLOCK)].count("daemon read") == 2, within_s=30)
    assert held(n1, time.time())[BLOCK] == ["172.20.0.2"]
