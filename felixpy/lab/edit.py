"""A running lab made equal to its edited topology file: what is new is made, what is gone is removed. Join."""

import json
import os
from dataclasses import replace

from felixpy.daemon import paths
from felixpy.lab import change, destroy, furnish, links, registry, start
from felixpy.lab.change import Change
from felixpy.lab.deploy import Say
from felixpy.lab.registry import Lab
from felixpy.lab.topology import Topology
from felixpy.model.errors import Trouble


def apply(topology: Topology, say: Say) -> None:
    """Bring the running lab of that name to `topology`. Trouble when it does not run."""
    if os.geteuid() != 0:
        raise Trouble("only root can change a running lab; felixpy lab deploy --reconfigure makes it anew")
    with registry.locked(topology.name):
        lab = registry.read(paths.labs_dir() / topology.name)
        if lab.state != "running":
            raise Trouble(f"lab {topology.name} does not run; felixpy lab deploy -t {topology.file} makes it")
        wanted = change.between(json.loads((lab.folder / "made.json").read_text()), list(lab.nodes), topology)
        specs = furnish.specs(topology, furnish.Site(lab.folder, rootless=False))
        furnish.refuse_taken(replace(topology, nodes={name: topology.nodes[name] for name in wanted.added}))
        if not wanted:
            say(f"lab {topology.name} is as {topology.file} says already")
            return
        _remove(lab, wanted, say)
        _make(topology, lab, wanted, {name: specs[name] for name in wanted.added})
        for name in wanted.added:
            say(f"node {name} is added")


def _remove(lab: Lab, wanted: Change, say: Say) -> None:
    for name in wanted.removed:
        destroy.remove_node(lab, lab.nodes[name])
        say(f"node {name} is removed")
    for node, interface in wanted.unplugged:
        links.unplug(lab.nodes[node].pid, interface)
        say(f"link {node}:{interface} is removed")


def _make(topology: Topology, lab: Lab, wanted: Change, specs: start.Specs) -> None:
    start.write(lab.folder, specs)
    after = replace(
        start.nodes(lab.folder, specs, named=True), topology=str(topology.file.absolute()), state="running"
    )
    registry.write(after)
    pids = {name: node.pid for name, node in after.nodes.items()}
    links.make(replace(topology, links=wanted.links), pids, fresh=wanted.added)
    troubles = [said for name, new in wanted.exec.items() for said in start.lines(after, name, new)]
    troubles += start.run(topology, after, wanted.added)
    (lab.folder / "made.json").write_text(json.dumps(change.made(topology)))
    if troubles:
        raise Trouble("\n".join(troubles))
