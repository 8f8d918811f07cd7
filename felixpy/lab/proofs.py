"""What `make lab` shows of the promises, beyond that pings are answered: each as commands and their output. Join.

The same promises are tests with a planted defect each (tests/lab); here a reader sees them with their own eyes.
"""

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from shutil import which

from felixpy.daemon import paths
from felixpy.lab import control, enter
from felixpy.lab.registry import Lab, find_lab
from felixpy.lab.topology import load
from felixpy.lab.tour import Ping, Say, Shown, pings, pods, wait_for

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


def hostile(lab: Lab, switch: str, node: str, say: Say) -> None:
    """A switch that announces what would kill a node; afterwards it takes it back."""
    config = enter.run_in(lab, switch, ["vtysh", "-c", "show running-config"]).stdout
    asn = next((line.split()[2] for line in config.splitlines() if line.startswith("router bgp ")), "")
    block = _own_block(lab, node)
    if not asn or not block or "neighbor NODES peer-group" not in config:
        return
    shown = Shown(say)
    shown.title(
        "a hostile switch announces a default route, the nodes' subnet, a gateway and a node's own block: refused"
    )
    lines = ["neighbor NODES default-originate", *(f"network {prefix}" for prefix in (*_subnets(lab, node), block))]
    into = ["configure terminal", f"router bgp {asn}", "no bgp network import-check", "address-family ipv4 unicast"]
    vtysh = ["felixpy", "lab", "exec", "--lab", lab.name, switch, "--", "vtysh"]
    before = _routes(lab, node)
    shown.run([*vtysh, *_options([*into, *lines])])
    time.sleep(1.0)
    shown.run(
        ["birdpy", "rib", "--node", node, "--lab", lab.name], keep=lambda line: f" {asn} " in line and line[0] == "x"
    )
    say(f"# the kernel's routes of {node}: " + ("the same as before" if _routes(lab, node) == before else "CHANGED"))
    enter.run_in(lab, switch, ["vtysh", *_options([*into, *(f"no {line}" for line in lines)])])


def _options(lines: Sequence[str]) -> list[str]:
    return [part for line in lines for part in ("-c", line)]


def _routes(lab: Lab, node: str) -> str:
    return enter.run_in(lab, node, ["ip", "route"]).stdout


def _own_block(lab: Lab, node: str) -> str:
    """The first block that the node announces: what has a blackhole under it."""
    lines = _routes(lab, node).splitlines()
    return next((line.split()[1] for line in lines if line.startswith("blackhole ")), "")


def _subnets(lab: Lab, node: str) -> tuple[str, ...]:
    """The node's first subnet, and one address of it."""
    line = next((line for line in _routes(lab, node).splitlines() if " proto kernel " in line), "")
    return (line.split()[0], line.split()[-1] + "/32") if line else ()


def behind_a_router(file: Path, say: Say) -> None:
    """Nodes without a shared segment, in a second lab that is gone afterwards."""
    if not file.exists() or (paths.labs_dir() / "routed").exists():
        return
    shown = Shown(say)
    shown.title("nodes in different subnets, a router between them; and what is said when the way to it is gone")
    near = file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
    shown.run(["felixpy", "lab", "deploy", "-t", str(near)], keep=lambda line: "is up" in line)
    lab = find_lab("routed")
    known = pods(lab)
    wait_for(lab, pings(lab, known))
    at, name = known[0].node, ["--lab", lab.name]
    shown.run(
        ["felixpy", "lab", "exec", *name, known[0].where, "--", "ping", "-c1", known[1].address], keep=_answered
    )
    shown.run(["felixpy", "lab", "exec", *name, at, "--", "ip", "route", "show", "proto", "bird"])
    way = next((line for line in _routes(lab, at).splitlines() if " via " in line and " proto " not in line), "")
    shown.run(["felixpy", "lab", "exec", *name, at, "--", "ip", "route", "delete", *way.split()[:1]])
    time.sleep(0.3)
    shown.run(["birdpy", "explain", f"{known[1].address}/32", "--node", at, *name])
    shown.run(["felixpy", "lab", "destroy", "routed"])


def _answered(line: str) -> bool:
    return "bytes from" in line


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
    if wire:
        hostile(lab, wire[0], known[0].node, say)
    behind_a_router(Path(lab.topology).parent / "routed.clab.yml", say)


def fabric_link(lab: Lab, node: str) -> tuple[str, str] | None:
    """The far end of a node's first link, where a switch or a router sees what the node sends."""
    for link, end in load(Path(lab.topology)).links_of(node):
        for other in link.ends:
            if other != end:
                return other.node, other.interface
    return None
