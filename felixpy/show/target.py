"""Where `--node N` is: this machine's own run folder, a node of a lab on this machine, or a node of a cluster."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from felixpy.daemon.paths import labs_dir, run_dir, status_socket
from felixpy.daemon.status import PATIENCE_S, ask, record
from felixpy.model.errors import Usage
from felixpy.show import remote

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Target:
    """One node, and how to reach its daemons."""

    node: str
    run_dir: Path  # holds the status sockets
    lab: str = ""  # "" for this machine itself
    lab_dir: Path | None = None
    cluster: str = ""  # the datastore of the cluster whose API server leads to the node

    @property
    def here(self) -> bool:
        """Whether this process sees that node's kernel: it is this machine (or this shell is inside the node)."""
        return not self.lab and not self.cluster

    @property
    def store(self) -> Path | None:
        """The lab's files datastore, which all its nodes share; None outside labs."""
        return self.lab_dir / "store" if self.lab_dir else None

    def ask(self, daemon: str, what: str, patience_s: float = PATIENCE_S, **arguments: Any) -> Any:
        """One question to a daemon there, as `felixpy.daemon.status.ask`."""
        if self.cluster:
            return remote.ask_on(self.cluster, self.node, daemon, what, **arguments)
        return ask(self.socket(daemon), what, patience_s, **arguments)

    def asked(self, daemon: str, what: str, kind: type[R], patience_s: float = PATIENCE_S, **arguments: Any) -> R:
        """As `ask`, with the answer as a record; Trouble when it is in another version's words."""
        return record(self.ask(daemon, what, patience_s, **arguments), kind)

    def socket(self, daemon: str) -> Path:
        """The status socket of `felixpy` or `birdpy` there."""
        return status_socket(daemon, self.run_dir)


def this_node() -> str:
    """The name of this machine as a node: `FELIXPY_NODE`, else its host name, lower case."""
    return os.environ.get("FELIXPY_NODE") or socket.gethostname().lower()


def resolve(node: str | None, lab: str | None = None, datastore: str | None = None) -> Target:
    """The target that a user means; without `node` this machine. A `datastore` that is a cluster says where it is.

    Usage, naming the known nodes, when it is not known here or when several labs have it and `lab` does not choose.
    """
    wanted = node or this_node()
    labs = lab_nodes()
    if lab is None and wanted == this_node() and (runs_here() or not any(wanted in nodes for nodes in labs.values())):
        if node or runs_here() or "FELIXPY_NODE" in os.environ:
            return Target(wanted, run_dir())
        raise Usage(f"name a node with --node: no daemon runs on this machine; {_known(labs)}")
    found = [name for name, nodes in labs.items() if wanted in nodes and lab in (None, name)]
    cluster = datastore or os.environ.get("FELIXPY_DATASTORE") or ""
    if lab is None and node and (remote.means_cluster(cluster) or (not found and remote.has_cluster())):
        return Target(wanted, run_dir(), cluster=cluster if remote.means_cluster(cluster) else remote.SCHEME)
    if not found:
        where = f"in lab {lab!r}" if lab else "here"
        raise Usage(f"no node is named {wanted!r} {where}; {_known(labs)}")
    if len(found) > 1:
        raise Usage(f"{wanted!r} is a node of several labs; choose with --lab: {', '.join(found)}")
    folder = labs_dir() / found[0]
    return Target(wanted, folder / "nodes" / wanted / "run", found[0], folder)


def lab_nodes() -> dict[str, list[str]]:
    """The nodes of each lab on this machine, by the lab's name."""
    folders = sorted(labs_dir().glob("*/nodes"))
    return {folder.parent.name: sorted(node.name for node in folder.iterdir()) for folder in folders}


def runs_here() -> bool:
    """Whether a daemon of ours runs on this machine."""
    return any(status_socket(daemon).exists() for daemon in ("felixpy", "birdpy"))


def _known(labs: dict[str, list[str]]) -> str:
    lines = [f"{name}: {', '.join(nodes)}" for name, nodes in labs.items()]
    return "known nodes: " + "; ".join(lines) if lines else "no lab runs on this machine either"
