"""Making a lab: nodes all at once, links in one batch, programs, then what `exec` says. Join.

Order matters for a kill at any moment: the registry first, then whatever could outlive us.
"""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from felixpy.daemon import paths
from felixpy.lab import change, destroy, furnish, links, names, registry, rootless, start
from felixpy.lab.registry import Lab
from felixpy.lab.topology import Topology
from felixpy.model.errors import Trouble

Say = Callable[[str], None]


def deploy(topology: Topology, say: Say, *, reconfigure: bool = False) -> Lab | None:
    """Make a lab and return it; None when it runs already. Trouble leaves nothing behind."""
    folder = paths.labs_dir() / topology.name
    if not reconfigure and runs(registry.read(folder)):
        return None
    rootless.become_root_of_our_own()
    with registry.locked(topology.name):
        lab = registry.read(folder)
        if not reconfigure and runs(lab):
            return None
        if lab.folder.exists():
            say("removing it first, as asked" if reconfigure else "removing what an unfinished deployment left")
            (lab.folder / "lab.json").unlink(missing_ok=True)
            destroy.remove(lab)
        try:
            return _make(topology, lab.folder, say)
        except BaseException:  # Ctrl-C too: half a lab helps nobody
            (lab.folder / "lab.json").unlink(missing_ok=True)
            destroy.remove(registry.read(lab.folder))
            names.clean()
            raise


def runs(lab: Lab) -> bool:
    """Whether a lab is wholly there."""
    return lab.state == "running" and lab.alive


def _make(topology: Topology, folder: Path, say: Say) -> Lab:
    site = furnish.Site(folder, rootless=rootless.is_root_of_its_own())
    specs = furnish.specs(topology, site)
    if not site.rootless:
        furnish.refuse_taken(topology)
    _check_inotify(topology)
    for part in ("nodes", "store", "clab"):
        (folder / part).mkdir(parents=True)
    start.write(folder, specs)
    (folder / "made.json").write_text(json.dumps(change.made(topology)))
    empty = registry.read(folder)
    registry.write(Lab(empty.name, str(topology.file.absolute()), folder, "deploying", empty.nodes))
    began = time.monotonic()
    lab = start.nodes(folder, specs, named=not site.rootless)
    say(f"{len(specs)} nodes stand after {time.monotonic() - began:.1f} s")
    links.make(topology, {node.name: node.pid for node in lab.nodes.values()}, fresh=lab.nodes)
    say(f"{len(topology.links)} links connect them after {time.monotonic() - began:.1f} s")
    for trouble in start.run(topology, lab, lab.nodes):
        say(trouble)
    done = replace(lab, state="running")
    registry.write(done)
    say(f"programs run and exec lines are done after {time.monotonic() - began:.1f} s")
    return done


def _check_inotify(topology: Topology) -> None:
    """Each daemon of a felixpy node watches the store with one inotify instance."""
    limit = int(Path("/proc/sys/fs/inotify/max_user_instances").read_text())
    needed = 2 * sum(1 for node in topology.nodes.values() if node.program == "felixpy")
    if needed > limit:
        raise Trouble(
            f"lab {topology.name}: its daemons need {needed} inotify instances, this machine allows {limit}; "
            f"sysctl -w fs.inotify.max_user_instances={needed + 128}"
        )
