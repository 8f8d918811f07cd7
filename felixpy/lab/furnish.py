"""From a topology to the spec of each node, with every check that can be made before anything is. Edge (reads)."""

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from felixpy.lab import names, programs
from felixpy.lab.images import NEEDS, Program
from felixpy.lab.located import InvalidTopology
from felixpy.lab.nodes import Bind, Node
from felixpy.lab.topology import Topology
from felixpy.model.errors import Trouble

RUN, STATE = "/run/felixpy", "/var/lib/felixpy"
SEARCHED = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/lib/frr")
MAX_CONFIG = 1 << 20  # bytes of one configuration file


@dataclass(frozen=True, slots=True)
class Site:
    """Where a lab is made: its folder in the registry, and whether by an ordinary user."""

    folder: Path
    rootless: bool

    def node(self, name: str) -> Path:
        """A node's folder."""
        return self.folder / "nodes" / name


def specs(topology: Topology, site: Site) -> dict[str, dict[str, Any]]:
    """The spec of every node (felixpy/lab/init.py). InvalidTopology or Trouble lists what stops the lab."""
    problems: list[str] = []
    found = {}
    for node in topology.nodes.values():
        binds = list(_binds(topology, node, site))
        problems += [
            f"{topology.file}:{line}: node {node.name}: {why}" for line, why in _missing(topology, node, binds)
        ]
        texts = _texts(topology, node, binds)
        furniture = programs.furniture(node, texts, rootless=site.rootless)
        found[node.name] = {
            "lab": topology.name, "node": node.name, "hostname": node.name, "kind": node.kind,
            "program": str(node.program), "image": node.image, "group": node.group,
            "netns": topology.netns(node.name), "folder": str(site.node(node.name)), "rootless": site.rootless,
            "binds": [(source, bind.target, bind.read_only) for bind, source in binds] + _own(node, site),
            "files": _identity(node) | furniture.files, "folders": furniture.folders, "sysctls": furniture.sysctls,
            "env": environment(topology, node), "programs": furniture.programs,
        }  # fmt: skip
    if problems:
        raise InvalidTopology("\n".join(problems))
    return found


def refuse_taken(topology: Topology) -> None:
    """Trouble when a namespace of a node's name exists: the lab is not up, so it is not ours."""
    taken = [name for node in topology.nodes if names.taken(name := topology.netns(node))]
    if taken:
        raise Trouble(
            f"lab {topology.name}: network namespace {taken[0]} exists already and is not this lab's; "
            f"choose another name or prefix in {topology.file}"
        )


def _binds(topology: Topology, node: Node, site: Site) -> Iterator[tuple[Bind, str]]:
    """The binds with their sources made absolute; the lab's own store stands in for a bound one."""
    for bind in node.binds:
        if node.program is Program.FELIXPY and bind.target == programs.STORE:
            continue
        yield bind, _source(bind.source, topology, node.name, site)


def _source(text: str, topology: Topology, node: str, site: Site) -> str:
    """A path as containerlab resolves it: its magic variables, `~`, else relative to the topology file."""
    own = site.folder / "clab"
    for variable, value in (
        ("__clabNodeDir__", str(own / node)), ("__clabDir__", str(own)), ("__clabNodeName__", node),
    ):  # fmt: skip
        text = text.replace(variable, value)
    return os.path.normpath(topology.file.parent.absolute() / Path(text).expanduser())


def _own(node: Node, site: Site) -> list[tuple[str, str, bool]]:
    """What a felixpy node shares with the host: its sockets, its state, and the one store of the lab."""
    if node.program is not Program.FELIXPY:
        return []
    own = site.node(node.name)
    return [
        (f"{own}/run", RUN, False),
        (f"{own}/state", STATE, False),
        (f"{site.folder}/store", programs.STORE, False),
    ]


def _missing(topology: Topology, node: Node, binds: list[tuple[Bind, str]]) -> Iterator[tuple[int, str]]:
    for bind, source in binds:
        if "__clab" not in bind.source and not Path(source).exists():
            yield bind.line, f"binds: {source} does not exist"
    start = node.startup_config
    if start and "\n" not in start and not (topology.file.parent / start).is_file():
        yield node.line, f"startup-config: {start} does not exist beside the topology"
    for name in node.env_files:
        if not (topology.file.parent / name).is_file():
            yield node.line, f"env-files: {name} does not exist beside the topology"
    if node.program in NEEDS:
        path, package = NEEDS[node.program]
        if not Path(path).exists():
            yield node.line, f"image {node.image}: needs {path}, which is not installed: apt-get install {package}"
    argv = programs.command(node) if node.program is Program.PLAIN else []
    if argv and shutil.which(argv[0]) is None:
        yield node.line, f"cmd: {argv[0]} is not installed on this machine"


def _texts(topology: Topology, node: Node, binds: list[tuple[Bind, str]]) -> dict[str, str]:
    """The node's configuration files that decide what it runs, by their place in the node."""
    found: dict[str, str] = {}
    for bind, source in binds:
        place = Path(source)
        files = [(bind.target, place)] if place.is_file() else []
        if place.is_dir() and bind.target.startswith("/etc/"):
            files = [
                (f"{bind.target.rstrip('/')}/{entry.name}", entry) for entry in place.iterdir() if entry.is_file()
            ]
        found |= {target: _text(file) for target, file in files if target.startswith(("/etc/", "/usr/local/etc/"))}
    if node.startup_config and "\n" not in node.startup_config:
        found["startup-config"] = _text(topology.file.parent / node.startup_config)
    return found


def _text(file: Path) -> str:
    """A file's text; nothing when it cannot be read or is too large to be a configuration."""
    try:
        return file.read_text(errors="replace") if file.stat().st_size <= MAX_CONFIG else ""
    except OSError:
        return ""


def environment(topology: Topology, node: Node) -> dict[str, str]:
    """What a node's programs and `exec` lines find in their environment."""
    own = {
        "PATH": ":".join((str(Path(sys.executable).parent), *SEARCHED)),
        "HOME": "/root", "LANG": "C.UTF-8", "TERM": os.environ.get("TERM", "dumb"), "HOSTNAME": node.name,
    }  # fmt: skip
    if node.program is Program.FELIXPY:
        own |= {"FELIXPY_DATASTORE": f"files:{programs.STORE}", "FELIXPY_NODE": node.name, "BIRDPY_NODE": node.name}
    for name in node.env_files:
        own |= _env_file(_text(topology.file.parent / name))
    return own | node.env


def _env_file(text: str) -> dict[str, str]:
    """`KEY=value` lines; `#` begins a comment line."""
    pairs = (line.strip().partition("=") for line in text.splitlines() if not line.lstrip().startswith("#"))
    return {key: value for key, equals, value in pairs if equals and key}


def _identity(node: Node) -> dict[str, str]:
    hosts = f"127.0.0.1 localhost\n::1 localhost ip6-localhost\n127.0.1.1 {node.name}\n"
    return {"/etc/hostname": f"{node.name}\n", "/etc/hosts": hosts}
