"""What a daemon says of the resources it reads: which cannot be used, and which fields of the others it ignores.

Each once. A typo such as `natOutgoin` in a file edited by hand would otherwise be silent for ever.
"""

from collections.abc import Mapping

from felixpy.daemon.logs import Log
from felixpy.model.resources import KINDS, Spec
from felixpy.model.snapshot import Objects, Snapshot


class Remarks:
    """What was said already."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._looked: Mapping[type[Spec], Objects] = {}
        self._unknown: dict[tuple[type[Spec], str], tuple[str, ...]] = {}
        self._broken: frozenset[str] = frozenset()

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
