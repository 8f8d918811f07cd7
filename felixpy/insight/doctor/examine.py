"""Every check, carried out. Pure."""

from collections.abc import Collection, Iterator

from felixpy.insight.doctor import cluster, daemons, forwarding
from felixpy.insight.doctor.check import ClusterCheck, Finding, NodeCheck, Patient
from felixpy.insight.view import NetworkView
from felixpy.model.resources import Node

NODE_CHECKS: tuple[NodeCheck, ...] = (*forwarding.CHECKS, *daemons.CHECKS)
CLUSTER_CHECKS: tuple[ClusterCheck, ...] = cluster.CHECKS
ORDER = {"error": 0, "warning": 1, "note": 2}


def findings(view: NetworkView, now: float, only: Collection[str] = ()) -> list[Finding]:
    """What every check (or `only` those) finds, the worst first."""
    found = [*_of_cluster(view, now, only), *_of_nodes(view, only)]
    return sorted(found, key=lambda it: (ORDER[it.severity.value], it.node, it.check, it.text))


def _of_cluster(view: NetworkView, now: float, only: Collection[str]) -> Iterator[Finding]:
    for check in CLUSTER_CHECKS:
        if not only or check.name in only:
            for node, text, fix in check.look(view, now):
                yield Finding(check.name, check.severity, node, text, fix)


def _of_nodes(view: NetworkView, only: Collection[str]) -> Iterator[Finding]:
    for name, node in view.nodes.items():
        if name not in view.snapshot.of(Node) and node.peers is None and node.endpoints is None:
            continue  # a switch or a host outside: not ours to judge
        patient = Patient(view, node)
        for check in NODE_CHECKS:
            if not only or check.name in only:
                for text, fix in check.look(patient):
                    yield Finding(check.name, check.severity, name, text, fix)
