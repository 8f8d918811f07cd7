"""What every lab of this machine made, on disk before it is made, so that it can be removed after any crash. Edge.

`<labs>/<lab>/lab.json` is for readers; `nodes/<node>/spec.json` and `nodes/<node>/holder` are what removal goes by.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from felixpy.daemon import paths
from felixpy.lab import namespaces as ns
from felixpy.model.errors import Trouble, Usage


@dataclass(frozen=True, slots=True)
class LabNode:
    """One node as the registry has it; `pid` is 0 until its holder runs."""

    name: str
    kind: str  # linux | bridge
    program: str  # felixpy | frr | bird | gobgp | plain
    netns: str
    image: str = ""
    group: str = ""
    pid: int = 0
    started: int = 0  # the holder's start time: with its pid its one name

    @property
    def alive(self) -> bool:
        """Whether the holder is still that process."""
        return self.pid > 0 and ns.start_time(self.pid) == self.started


@dataclass(frozen=True, slots=True)
class Lab:
    """One lab as the registry has it."""

    name: str
    topology: str
    folder: Path
    state: str = "deploying"  # deploying | running
    nodes: dict[str, LabNode] = field(default_factory=dict)

    def node(self, name: str) -> LabNode:
        """One node; Usage with the names there are when it is unknown."""
        if name not in self.nodes:
            raise Usage(f"lab {self.name} has no node {name!r}; it has {', '.join(sorted(self.nodes))}")
        return self.nodes[name]

    def node_folder(self, name: str) -> Path:
        """Where a node's spec, holder, logs and sockets are."""
        return self.folder / "nodes" / name

    @property
    def alive(self) -> bool:
        """Whether every node runs."""
        return bool(self.nodes) and all(node.alive for node in self.nodes.values())


def labs() -> list[Lab]:
    """Every lab that left anything in the registry, also half-made ones."""
    root = paths.labs_dir()
    if not root.is_dir():
        return []
    return [read(folder) for folder in sorted(root.iterdir()) if (folder / "nodes").is_dir()]


def find_lab(name: str | None = None) -> Lab:
    """The lab of that name, or the only one there is; Trouble or Usage when that is not one."""
    found = labs()
    if name is not None:
        chosen = [lab for lab in found if lab.name == name]
        if not chosen:
            known = ", ".join(lab.name for lab in found) or "none"
            raise Trouble(f"no lab is named {name!r} (running: {known}); felixpy lab deploy -t FILE makes one")
        return chosen[0]
    if not found:
        raise Trouble("no lab is running; felixpy lab deploy -t FILE makes one")
    if len(found) > 1:
        raise Usage(f"several labs are running, name one with --lab: {', '.join(lab.name for lab in found)}")
    return found[0]


def read(folder: Path) -> Lab:
    """One lab from its folder. A node's holder is taken from its own file: it is there first."""
    try:
        told = json.loads((folder / "lab.json").read_text())
    except (OSError, ValueError):
        told = {}
    nodes = {}
    for place in sorted((folder / "nodes").iterdir()) if (folder / "nodes").is_dir() else ():
        try:
            spec = json.loads((place / "spec.json").read_text())
            pid, started = _holder(place)
            nodes[place.name] = LabNode(
                place.name, spec["kind"], spec["program"], spec["netns"], spec["image"], spec["group"], pid, started
            )
        except (OSError, ValueError, KeyError):  # cut off before it was whole: nothing of it runs
            continue
    return Lab(folder.name, str(told.get("topology", "")), folder, str(told.get("state", "deploying")), nodes)


def _holder(place: Path) -> tuple[int, int]:
    try:
        pid, started = (place / "holder").read_text().split()
        return int(pid), int(started)
    except (OSError, ValueError):
        return 0, 0


def write(lab: Lab) -> None:
    """Write `lab.json`, whole or not at all."""
    nodes = {name: {**asdict(node), "run": f"nodes/{name}/run"} for name, node in lab.nodes.items()}
    document = {"name": lab.name, "topology": lab.topology, "state": lab.state, "store": "store", "nodes": nodes}
    fresh = lab.folder / "lab.json.new"
    fresh.write_text(json.dumps(document, indent=1) + "\n")
    fresh.rename(lab.folder / "lab.json")


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Only one process at a time makes or removes a lab; Trouble when another is at it."""
    root = paths.labs_dir()
    root.mkdir(parents=True, exist_ok=True, mode=0o755)
    path = root / f".{name}.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _only_us(descriptor, path):
            raise Trouble(f"lab {name}: another process is making or removing it right now")
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)
        with contextlib.suppress(OSError):  # nothing of ours is left when nothing is there
            root.rmdir()
            if root.parent == paths.run_dir():
                root.parent.rmdir()


def _only_us(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    # Its last holder may have removed the file between our open and our lock.
    return path.exists() and path.stat().st_ino == os.fstat(descriptor).st_ino
