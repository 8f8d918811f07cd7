"""Faults that people make: configuration changed at random, a hundred pods at once, peers that mean no good."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from random import Random

from felixpy.lab import enter
from tests.chaos.strike import Fault, Strike
from tests.chaos.world import NODES, ROOT, STRANGER, World

HEAD = "apiVersion: projectcalico.org/v3\n"
BURST = 20  # on each of five nodes
ALLOCATED_S = 20.0  # within which all of them were made and removed
HEARD_S = 4.0  # for how long one listens to a stranger


def manifest(kind: str, name: str, spec: str) -> str:
    """One resource."""
    return f"{HEAD}kind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}\n"


PLAIN_PEER = "nodeSelector: all(), peerSelector: route-reflector == 'true'"
MESH = manifest("BGPConfiguration", "default", "{asNumber: 64512}")
NO_MESH = manifest("BGPConfiguration", "default", "{asNumber: 64512, nodeToNodeMeshEnabled: false}")
FILTER = manifest("BGPFilter", "chaos", "{importV4: [{action: Reject, matchOperator: In, cidr: 192.0.2.0/24}]}")
SECRET = """---
apiVersion: v1
kind: Secret
metadata: {name: bgp, namespace: kube-system}
stringData: {reflector: "%s"}
"""


def reflector(more: str = "") -> str:
    """The sessions of all nodes with the reflector."""
    return manifest("BGPPeer", "reflector", f"{{{PLAIN_PEER}{', ' if more else ''}{more}}}")


def change(world: World, chance: Random) -> Strike:
    """Something that an operator would change while all goes on, and then takes back."""
    plain = reflector()
    word = f"{chance.getrandbits(64):x}"
    keepalive = chance.choice(("3s", "10s", "20s"))
    password = "password: {secretKeyRef: {name: bgp, key: reflector}}"
    changes = {
        "mesh to reflector": (NO_MESH, MESH),
        f"keepalive {keepalive}": (reflector(f"keepaliveTime: {keepalive}"), plain),
        "restart time": (reflector("maxRestartTime: 60s"), plain),
        "a filter": (f"{FILTER}---\n{reflector('filters: [chaos]')}", plain),
        "a password": (reflector(password) + SECRET % word, plain),
    }
    what = chance.choice(sorted(changes))
    there, back = changes[what]
    world.felixpy("apply", "-f", "-", given=there)

    def heal() -> None:
        world.felixpy("apply", "-f", "-", given=back)

    return Strike(f"configuration: {what}", hold_s=chance.uniform(2, 5), heal=heal)


def burst(world: World, chance: Random) -> Strike:
    """A hundred pods are made at once and removed at once; each address is given once."""
    del chance
    with ThreadPoolExecutor(len(NODES)) as pool:
        told = list(pool.map(lambda node: crowd(world, node), NODES))
    addresses = [address for given in told for address in given]
    assert len(addresses) == len(set(addresses)) == BURST * len(NODES), f"{len(set(addresses))} of {len(addresses)}"
    return Strike(f"{len(addresses)} pods come and go at once")


def crowd(world: World, node: str) -> list[str]:
    """One node's part of it: the addresses that were given."""
    argv = ["env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "tests.chaos.burst", str(BURST)]
    return world.run(node, *argv, timeout=ALLOCATED_S * 3).split()


def hostile(manner: str) -> Fault:
    """n1 gets a peer that sends garbage, floods, or never reads; the others hear nothing of it."""

    def make(world: World, chance: Random) -> Strike:
        seed = str(chance.getrandbits(32))
        argv = ["env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "tests.chaos.stranger", manner, seed]
        process = enter.start_in(world.lab, STRANGER, argv, stdout=subprocess.DEVNULL)
        peer = "{node: n1, peerIP: 10.9.9.0, asNumber: 65666, sourceAddress: None}"
        world.felixpy("apply", "-f", "-", given=manifest("BGPPeer", STRANGER, peer))

        def heal() -> None:
            world.felixpy("delete", "bgppeer", STRANGER)
            enter.stop(process)

        return Strike(f"a peer of n1: {manner}", hold_s=HEARD_S, heal=heal)

    return Fault(f"peer {manner}", make)


FAULTS = (
    Fault("configuration", change, 2), Fault("100 pods", burst), *map(hostile, ("garbage", "flood", "deaf")),
)  # fmt: skip
