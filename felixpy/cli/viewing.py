"""Join: the whole network as the command line sees it, every node asked at the same time."""

import asyncio
import os
import subprocess
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from felixpy.cli.joined import look
from felixpy.daemon.paths import state_dir
from felixpy.daemon.status import record
from felixpy.datastore.open import open_datastore
from felixpy.insight.view import NetworkView, NodeView
from felixpy.model.errors import Trouble, Unreachable
from felixpy.model.facts import NodeFacts
from felixpy.model.resources import KINDS, ConfigMap, Node, Secret, Spec
from felixpy.model.snapshot import Snapshot
from felixpy.model.status import EndpointsStatus, HealthStatus, PeersStatus, Record
from felixpy.model.system import SystemFacts
from felixpy.show.remote import SCHEME, has_cluster, means_cluster
from felixpy.show.target import Target, lab_nodes, resolve, runs_here

AT_ONCE = 16  # nodes that are asked at the same time
PATIENCE_S = 10.0  # for a command inside a lab's node
DAEMON_PATIENCE_S = 3.0  # a daemon that takes longer to say what it knows is ill: others are still to be asked
DAEMONS = ("felixpy", "birdpy")
SHOWN = tuple(kind for kind in KINDS if kind not in (Secret, ConfigMap))
R = TypeVar("R", bound=Record)


def network(
    targets: Collection[Target], snapshot: Snapshot, about: Collection[str] = (), *, system: bool = False
) -> NetworkView:
    """Every node of `targets`, asked now. A node that does not answer is there with its reasons.

    `about` (addresses) narrows each kernel's routes to those that cover one of them: a trace needs no more. `system`:
    also what the nodes are like besides their routing.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        nodes = list(pool.map(lambda target: node_view(target, about, system=system), targets))
    return NetworkView({node.name: node for node in nodes}, snapshot)


def resources(targets: Collection[Target], datastore: str | None, kinds: Collection[type[Spec]] = SHOWN) -> Snapshot:
    """What is in the datastore, all but Secrets and ConfigMaps; in that of `targets` when `datastore` names none."""
    stores = (target.cluster or (f"files:{target.store}" if target.store else "") for target in targets)
    store = next(filter(None, stores), None)
    return asyncio.run(_resources(datastore or store, kinds))


def cluster_of(lab: str | None, datastore: str | None) -> str:
    """The datastore of the cluster that is meant, by name, by $FELIXPY_DATASTORE, or as all there is; "" for none."""
    if lab is not None:
        return ""
    if means_cluster(datastore):
        return datastore or ""
    if datastore is not None or runs_here() or lab_nodes():
        return ""
    usual = os.environ.get("FELIXPY_DATASTORE", "")
    return usual if means_cluster(usual) else SCHEME if not usual and has_cluster() else ""


def targets_of(lab: str | None, node: str | None = None, datastore: str | None = None) -> list[Target]:
    """Every node of the cluster or lab that is meant (named, by its node, or as the only one); else this machine."""
    cluster = cluster_of(lab, datastore)
    if cluster:
        return [resolve(name, None, cluster) for name in sorted(resources((), cluster, (Node,)).of(Node))]
    labs = lab_nodes()
    if node is not None:
        lab = resolve(node, lab).lab or lab
    if lab is None and len(labs) == 1:
        lab = next(iter(labs))
    if lab is None:
        return [resolve(node)]
    return [resolve(name, lab) for name in labs.get(lab, ())] or [resolve(node, lab)]


def node_view(target: Target, about: Collection[str] = (), *, system: bool = False) -> NodeView:
    """One node: its kernel and its daemons, each asked; reasons where nobody answered."""
    asked = Asked(target)
    if not runs_daemons(target):
        return NodeView(target.node, asked.facts(about), why=asked.why)
    endpoints = asked.daemon("felixpy", "endpoints", EndpointsStatus)
    peers = asked.daemon("birdpy", "peers", PeersStatus)
    health = {daemon: found for daemon in DAEMONS if (found := asked.daemon(daemon, "health", HealthStatus))}
    routes = None
    if endpoints is not None and peers is not None:
        routes = asked.tried("routes", lambda: look(target, None, None)[0])
    facts, began = asked.facts(about), time.time()
    more = asked.system() if system else None
    return NodeView(target.node, facts, endpoints, routes, peers, health, more, asked.why, (began, time.time()))


@dataclass(slots=True)
class Asked:
    """One node being asked. A daemon that did not answer once is not asked again: each silence costs seconds."""

    target: Target
    why: dict[str, str] = field(default_factory=dict)

    def daemon(self, daemon: str, what: str, kind: type[R], **arguments: Any) -> R | None:
        """A daemon's answer; None, with the reason in `why`, when there is none."""
        if daemon in self.why:
            return None
        return self.tried(daemon, lambda: _ask(self.target, daemon, what, kind, **arguments))

    def facts(self, about: Collection[str]) -> NodeFacts | None:
        """From a daemon there, else by a look into the kernel from inside the node."""
        for daemon in DAEMONS if runs_daemons(self.target) else ():
            found = self.daemon(daemon, "facts", NodeFacts, about=list(about))
            if found is not None:
                return found
        return self.tried("kernel", lambda: _facts_inside(self.target, about))

    def system(self) -> SystemFacts | None:
        """From a daemon there, else from here when this is that node."""
        for daemon in DAEMONS:
            found = self.daemon(daemon, "system", SystemFacts)
            if found is not None:
                return found
        if not self.target.here:
            return None
        from felixpy.kernel.system import read_system

        return self.tried("system", lambda: read_system(self.target.node, state_dir()))

    def tried(self, source: str, question: Callable[[], R]) -> R | None:
        """The answer to `question`; None, with the reason, when it is Trouble."""
        try:
            return question()
        except Trouble as error:
            self.why.setdefault(source, str(error))
            return None


def runs_daemons(target: Target) -> bool:
    """Whether our daemons belong on that node: a lab also has switches and hosts, which are silent by right."""
    if not target.lab:
        return True
    from felixpy.lab.registry import find_lab

    entry = find_lab(target.lab).nodes.get(target.node)
    return entry is None or entry.program == "felixpy"


def _facts_inside(target: Target, about: Collection[str]) -> NodeFacts:
    if target.here:
        from felixpy.kernel.facts import asked_facts

        return asked_facts(target.node, {"about": list(about)})
    if not target.lab:
        raise Unreachable(f"{target.node} is another machine and no daemon answers there")
    from felixpy.lab.enter import run_in
    from felixpy.lab.registry import find_lab

    argv = ("felixpy", "facts", *about, "-o", "json")
    try:
        done = run_in(find_lab(target.lab), target.node, argv, timeout=PATIENCE_S)
    except (OSError, subprocess.SubprocessError) as error:
        raise Unreachable(f"{target.node}: {error}") from error
    if done.returncode:
        raise Unreachable(f"{target.node}: {done.stderr.strip() or 'felixpy facts failed there'}")
    return msgspec.structs.replace(record(msgspec.json.decode(done.stdout), NodeFacts), node=target.node)


def _ask(target: Target, daemon: str, what: str, kind: type[R], **arguments: Any) -> R:
    return target.asked(daemon, what, kind, DAEMON_PATIENCE_S, **arguments)


async def _resources(where: str | None, kinds: Collection[type[Spec]]) -> Snapshot:
    store = open_datastore(where)
    try:
        snapshot = Snapshot()
        for kind in kinds:
            snapshot = snapshot.after(await store.list(kind))
        return snapshot
    finally:
        await store.close()


def missing(view: NetworkView) -> Mapping[str, str]:
    """Who did not answer, with the reason: `n1 birdpy`."""
    return {f"{node.name} {source}": reason for node in view.nodes.values() for source, reason in node.why.items()}
