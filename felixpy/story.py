"""Join: the agent's log: one line per change in the world, none per idle pass, none twice."""

from collections.abc import Mapping
from typing import Any

from felixpy.daemon.logs import Log
from felixpy.desired.endpoints import NodeEndpoints, Unserved
from felixpy.holdings import readable
from felixpy.model.neighbours import Neighbour
from felixpy.model.routes import Route
from felixpy.model.sysctls import Sysctl
from felixpy.reconcile.table import Outcome

Place = tuple[str, str]  # table and key


class Story:
    """What was said already, so that a retry which fails the same way is silent."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._unserved: frozenset[Unserved] = frozenset()
        self._refused: dict[Place, str] = {}
        self._contested: Mapping[Place, str] = {}

    def endpoints(self, endpoints: NodeEndpoints) -> None:
        """Name the endpoints that are newly not served."""
        now = frozenset(endpoints.unserved)
        for it in sorted(now - self._unserved, key=lambda unserved: unserved.name):
            self._log.warning("endpoint not served", endpoint=it.name, pod=it.pod, reason=it.reason)
        self._unserved = now

    def passed(self, outcomes: Mapping[str, Outcome[Any, Any]], contested: Mapping[Place, str]) -> None:
        """Tell what a pass did."""
        for table, outcome in outcomes.items():
            thing = table.removesuffix("s")
            for key, value in outcome.plan.write.items():
                self._tried(table, key, outcome, f"{thing} written", about(value))
            for key in outcome.plan.erase:
                self._tried(table, key, outcome, f"{thing} erased", {})
        for (table, key), reason in contested.items():
            if (table, key) not in self._contested:
                thing = table.removesuffix("s")
                self._log.warning(f"{thing} contested", **{thing: key}, reason=reason)
        self._contested = contested

    def _tried(self, table: str, key: Any, outcome: Outcome[Any, Any], event: str, fields: Mapping[str, Any]) -> None:
        place = (table, readable(key))
        thing = table.removesuffix("s")
        refusal = outcome.refused.get(key)
        if refusal is None:
            self._refused.pop(place, None)
            self._log.info(event, **{thing: place[1]}, **fields)
        elif self._refused.get(place) != refusal.reason:
            self._refused[place] = refusal.reason
            self._log.warning(f"{thing} refused", **{thing: place[1]}, reason=refusal.reason)


def about(value: object) -> dict[str, Any]:
    """The fields of a log line that say what was written."""
    match value:
        case Route(device=device, origin=origin):
            return {"device": device, "pod": origin.name if origin else None}
        case Neighbour(mac=mac):
            return {"mac": mac}
        case Sysctl(value=text, because=because):
            return {"value": text, "because": because}
        case _:
            return {"value": str(value)}
