"""Faults of the data plane: links, switches, nodes, and kernels that lose their routes."""

import signal
from random import Random

from tests.chaos.daemons import FRR_LINGERS_S
from tests.chaos.power import NEW, add_node, attach, boot, remove_node, switch_off, until
from tests.chaos.strike import (
    FAR_LINK_MS,
    FLUSH_MS,
    OWN_CARRIER_MS,
    REBOOT_S,
    TOR_MS,
    Fault,
    Strike,
    anywhere,
    around,
)
from tests.chaos.world import NODES, PODS, World

TORS = ("tor1", "tor2")


def link(world: World, chance: Random) -> Strike:
    """One of a node's two uplinks loses its carrier; for those who send to the node it is a link far away."""
    node, tor = chance.choice(NODES), chance.choice(TORS)
    world.link(tor, node, "down")
    return Strike(
        f"link {node} - {tor} down and up",
        around(node, OWN_CARRIER_MS, FAR_LINK_MS),
        hold_s=chance.uniform(1, 4),
        heal=lambda: world.link(tor, node, "up"),
    )


def flush(world: World, chance: Random) -> Strike:
    """Somebody empties a node's table of what the daemons wrote."""
    node, protocols = chance.choice(NODES), chance.choice((["bird"], ["80"], ["bird", "80"]))
    for protocol in protocols:
        world.run(node, "ip", "route", "flush", "proto", protocol)
    return Strike(f"ip route flush proto {', '.join(protocols)} on {node}", around(node, FLUSH_MS, FLUSH_MS))


def tor(world: World, chance: Random) -> Strike:
    """A switch dies with all that it held: its programs, its routes, its links."""
    name = chance.choice(TORS)
    ends = [end.interface for _, end in world.topology.links_of(name)]
    world.signal(world.programs(name), signal.SIGSTOP)
    script = "; ".join(f"ip link set {end} down" for end in ends)
    world.run(name, "sh", "-c", f"{script}; ip route flush proto bgp; ip route flush proto static")

    def heal() -> None:
        dead = world.programs(name)
        world.signal(dead, signal.SIGKILL)
        gone = {one.pid for one in dead}
        until(lambda: len({one.pid for one in world.programs(name)} - gone) == len(dead), f"{name} runs again")
        world.run(name, "sh", "-c", "; ".join(f"ip link set {end} up" for end in ends))

    lasts = chance.uniform(2, 5)
    return Strike(f"{name} dies and comes back", anywhere(TOR_MS), lasts, heal, REBOOT_S, FRR_LINGERS_S)


def reboot(world: World, chance: Random) -> Strike:
    """A node's power fails; the others must not suffer."""
    node = chance.choice(NODES)
    pod = PODS[node]
    switch_off(world, node)

    def heal() -> None:
        boot(world, node)
        world.pods[pod] = attach(world, node, pod)

    return Strike(f"{node} reboots", hold_s=chance.uniform(1, 3), heal=heal, within_s=REBOOT_S, gone=[pod])


def come_and_go(world: World, chance: Random) -> Strike:
    """A node is added to the cluster, and taken out again; nobody else notices."""
    add_node(world)
    return Strike(
        f"{NEW} comes and goes", hold_s=chance.uniform(2, 4), heal=lambda: remove_node(world), within_s=REBOOT_S
    )


FAULTS = (
    Fault("link", link, 2),
    Fault("flush", flush, 2),
    Fault("tor", tor),
    Fault("reboot", reboot),
    Fault("new node", come_and_go),
)
