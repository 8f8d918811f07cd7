"""Nodes that lose their power and come up again, nodes that are new, nodes that go. Edge."""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import yaml

from felixpy.lab import control, destroy, edit, links, names, registry, start, topology
from tests.chaos.world import World

PATIENCE_S = 20.0
NEW, NEW_ADDRESS = "n6", "10.0.0.16"


def until(check: Callable[[], bool], what: str) -> None:
    """Return as soon as `check` holds; AssertionError when it does not in time."""
    give_up = time.monotonic() + PATIENCE_S
    while not check():
        assert time.monotonic() < give_up, f"not in {PATIENCE_S:.0f} s: {what}"
        time.sleep(0.02)


def switch_off(world: World, node: str) -> None:
    """Every process of the node ends at once, and its links go with its namespace."""
    entry = world.lab.node(node)
    world.off.add(node)
    destroy.end(entry)
    until(lambda: not entry.alive, f"{node} ends")
    names.take_back(entry.netns)


def boot(world: World, node: str) -> None:
    """Let a node come up again: what was in memory and in its kernel is gone, what was on its disk is there."""
    lab = world.lab
    place = lab.node_folder(node)
    for entry in (place / "run").iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    wanted = tuple(link for link in world.topology.links if any(end.node == node for end in link.ends))
    others = [end for link in wanted for end in link.ends if end.node != node]
    for end in others:
        until(partial(gone, world, end.node, end.interface), f"{end} goes")
    spec = json.loads((place / "spec.json").read_text())
    after = replace(start.nodes(lab.folder, {node: spec}, named=True), topology=lab.topology, state="running")
    registry.write(after)
    pids = {name: each.pid for name, each in after.nodes.items() if name in {node, *(end.node for end in others)}}
    links.make(replace(world.topology, links=wanted), pids, fresh=[node])
    world.off.discard(node)
    control.ask(place, "start")
    for line in world.topology.nodes[node].exec:
        if line.startswith("ip "):
            world.run(node, *line.split())


def attach(world: World, node: str, pod: str) -> str:
    """Add a pod to a node that has just come up, as a runtime would: again and again; its address."""
    until(lambda: world.tried(node, "felixpy", "pod", "add", pod) == 0, f"pod {pod} is added to {node}")
    return world.address_of(node, pod)


def gone(world: World, node: str, interface: str) -> bool:
    """Whether a node has no such interface."""
    return world.tried(node, "ip", "link", "show", interface) != 0


def add_node(world: World) -> None:
    """A sixth node: its resources first, then the machine."""
    world.felixpy("apply", "-f", "-", given=resources())
    edit.apply(edited(world, add=True), world.say)
    attach(world, NEW, "f")


def remove_node(world: World) -> None:
    """Take it out for good: the machine first, as a scale-down does, then what is known of it."""
    switch_off(world, NEW)
    edit.apply(edited(world, add=False), world.say)
    world.off.discard(NEW)
    for kind, name in (("node", NEW), *(("bgppeer", f"{NEW}-tor{number}") for number in (1, 2))):
        world.felixpy("delete", kind, name)


def edited(world: World, *, add: bool) -> topology.Topology:
    """The topology file with or without the sixth node."""
    file = world.topology.file
    if not add:
        return world.topology
    document = yaml.safe_load(file.read_text())
    document["topology"]["nodes"][NEW] = {
        "group": "node", "exec": [f"ip address add {NEW_ADDRESS}/32 dev lo"],
    }  # fmt: skip
    for number in (1, 2):
        ends = [f"tor{number}:{NEW}", f"{NEW}:eth{number}"]
        addresses = [f"10.{number}.0.12/31", f"10.{number}.0.13/31"]
        document["topology"]["links"].append({"endpoints": ends, "ipv4": addresses, "mtu": 1500})
    return topology.parse(yaml.safe_dump(document, sort_keys=False), file)


def resources() -> str:
    """The sixth node and its two ToRs."""
    head = "apiVersion: projectcalico.org/v3\n"
    peers = [
        f"{head}kind: BGPPeer\nmetadata: {{name: {NEW}-tor{n}}}\nspec: {{node: {NEW}, peerIP: 10.{n}.0.12, "
        f"asNumber: 6500{n}, sourceAddress: None, filters: [tor]}}\n"
        for n in (1, 2)
    ]
    node = f"{head}kind: Node\nmetadata: {{name: {NEW}}}\nspec: {{bgp: {{ipv4Address: {NEW_ADDRESS}/32}}}}\n"
    return "---\n".join([node, *peers])
