"""What `make lab` shows of the promises, beyond that pings are answered: each as commands and their output. Join.

The same promises are tests with a planted defect each (tests/lab); here a reader sees them with their own eyes.
"""

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from shutil import which

from felixpy.lab import control, enter
from felixpy.lab.registry import Lab
from felixpy.lab.topology import load
from felixpy.lab.tour import Ping, Say, Shown, pings, pods

CAPTURE_PATIENCE = 10.0  # seconds for tshark to start


def on_the_wire(lab: Lab, ping: Ping, link: tuple[str, str], say: Say) -> None:
    """A cross-node ping as the fabric sees it: the pods' own addresses and nothing around them."""
    shown = Shown(say)
    shown.title("on the fabric a pod's packet is itself: no outer header, no translated address")
    node, interface = link
    argv = ["tshark", "-lni", interface, "-c2", "-f", "icmp", "-T", "fields"]
    argv += ["-e", "frame.protocols", "-e", "ip.src", "-e", "ip.dst", "-e", "ip.ttl"]
    say("$ " + " ".join(["felixpy", "lab", "exec", node, "--", *argv]) + " &")
    capture = enter.start_in(lab, node, argv)
    assert capture.stdout is not None
    give_up = time.monotonic() + CAPTURE_PATIENCE
    while "Capturing" not in capture.stdout.readline() and time.monotonic() < give_up:
        continue
    shown.run(ping.command("-c1", "-W2"), keep=lambda line: "bytes from" in line)
    try:
        said, _ = capture.communicate(timeout=CAPTURE_PATIENCE)
    except subprocess.TimeoutExpired:
        said = enter.stop(capture)
    for line in said.splitlines():
        if "\t" in line:
            say(line.replace("\t", "   "))


def no_bridge_no_nat(nodes: Sequence[str], say: Say) -> None:
    """Two veths and a routing table between two pods of one node."""
    shown = Shown(say)
    shown.title("on a node there is no bridge and no NAT: two pods of it meet in its routing table")
    for node in nodes:
        shown.run(["felixpy", "lab", "exec", node, "--", "ip", "-brief", "link", "show", "type", "bridge"])
        shown.run(["felixpy", "lab", "exec", node, "--", "nft", "list", "tables"])
    shown.run(["felixpy", "lab", "exec", nodes[0], "--", "ip", "route", "show", "proto", "80"])


def killed(lab: Lab, ping: Ping, node: str, say: Say) -> None:
    """kill -9 of each program of a node while two pods talk a hundred times a second."""
    shown = Shown(say)
    shown.title("the death of a daemon costs no packet and moves no route elsewhere")
    others = [other.name for other in lab.nodes.values() if other.program == "felixpy" and other.name != node]
    watches = [enter.start_in(lab, other, ["ip", "monitor", "route"]) for other in others]
    command = ping.command("-q", "-i0.01", "-c400")
    say("$ " + " ".join(command) + " &")
    source, _, pod = ping.source.partition("/")
    running = enter.start_in(lab, source, command[command.index("--") + 1 :], pod or None)
    for pattern in ("felixpy run", "birdpy run", "exabgp"):
        time.sleep(0.6)
        shown.run(["felixpy", "lab", "exec", node, "--", "pkill", "-9", "-o", "-f", pattern])
    said, _ = running.communicate(timeout=60)
    say(next((line for line in said.splitlines() if "packet loss" in line), said))
    for other, watch in zip(others, watches, strict=True):
        lines = enter.stop(watch).splitlines()
        say(f"# ip monitor route on {other} meanwhile: {len(lines)} lines")
    states = control.ask(lab.node_folder(node), "list")
    say(f"# {node} again: " + ", ".join(f"{one['name']} {one['state']}" for one in states))


def show(lab: Lab, say: Say) -> None:
    """Every promise that this lab can show; nothing for a lab without pods on two nodes."""
    known = pods(lab)
    across = [ping for ping in pings(lab, known) if "/" in ping.source and ping.target.node != known[0].node]
    if not across:
        return
    nodes = [node.name for node in lab.nodes.values() if node.program == "felixpy"]
    wire = fabric_link(lab, known[0].node)
    if wire and which("tshark"):
        on_the_wire(lab, across[0], wire, say)
    no_bridge_no_nat(nodes, say)
    killed(lab, across[0], known[0].node, say)


def fabric_link(lab: Lab, node: str) -> tuple[str, str] | None:
    """The far end of a node's first link, where a switch or a router sees what the node sends."""
    for link, end in load(Path(lab.topology)).links_of(node):
        for other in link.ends:
            if other != end:
                return other.node, other.interface
    return None
