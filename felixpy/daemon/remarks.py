"""What a daemon says of the resources it reads: which cannot be used, and which fields of the others it ignores.

Each once. A typo such as `natOutgoin` in a file edited by hand would otherwise be silent for ever.
"""

from collections.abc import Mapping
from dataclasses import replace

from felixpy.daemon.logs import Log
from felixpy.model.resources import (
    KINDS,
    BGPConfiguration,
    BGPFilter,
    BGPPeer,
    FelixConfiguration,
    IPPool,
    Node,
    Spec,
)
from felixpy.model.resources.cross import CrossProblem, cross_problems
from felixpy.model.snapshot import Objects, Snapshot

RELATED: tuple[type[Spec], ...] = (IPPool, Node, BGPPeer, BGPFilter, BGPConfiguration, FelixConfiguration)  # few each


class Remarks:
    """What was said already."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._looked: Mapping[type[Spec], Objects] = {}
        self._unknown: dict[tuple[type[Spec], str], tuple[str, ...]] = {}
        self._broken: frozenset[str] = frozenset()
        self._related: Mapping[type[Spec], Objects] = {}
        self._cross: frozenset[CrossProblem] = frozenset()

    def of_all(self, snapshot: Snapshot) -> None:
        """`unknown` and `cross`."""
        self.unknown(snapshot)
        self.cross(snapshot)

    def unknown(self, snapshot: Snapshot) -> None:
        """Name the fields that are not known, of objects that are new or have others than before."""
        for kind, objects in snapshot.kinds.items():
            if objects is self._looked.get(kind):
                continue
            for name, resource in objects.items():
                if resource.unknown == self._unknown.get((kind, name), ()):
                    continue
                self._unknown[kind, name] = resource.unknown
                if resource.unknown:
                    where = f"{KINDS[kind].name}/{name}"
                    self._log.warning("fields ignored", resource=where, fields=list(resource.unknown))
        self._looked = snapshot.kinds

    def broken(self, snapshot: Snapshot) -> None:
        """Name the objects that cannot be decoded; what was known of them stays in force."""
        now = {str(error): error for error in snapshot.problems.values()}
        for text in sorted(now.keys() - self._broken):
            error = now[text]
            self._log.warning("resource not used", where=error.where, field=error.field, reason=error.reason)
        self._broken = frozenset(now)

    def cross(self, snapshot: Snapshot) -> None:
        """Name objects that contradict each other, such as two nodes with one address, which `apply` would refuse.

        Looked for only when an object changed that can. Notes about what has no effect are left to `apply`.
        """
        related = {kind: snapshot.kinds[kind] for kind in RELATED if kind in snapshot.kinds}
        if related.keys() == self._related.keys() and all(related[k] is self._related[k] for k in related):
            return
        self._related = related
        now = frozenset(problem for problem in cross_problems(replace(snapshot, kinds=related)) if problem.fatal)
        for problem in sorted(now - self._cross, key=lambda it: (it.kind.__name__, it.name)):
            where = f"{KINDS[problem.kind].name}/{problem.name}"
            self._log.warning("resources contradicted", resource=where, field=problem.field, reason=problem.reason)
        self._cross = now
