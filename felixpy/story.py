"""Join: the agent's log: one line per change in the world, none per idle pass, none twice."""

from collections.abc import Mapping
from typing import Any

from felixpy.daemon.logs import Log
from felixpy.desired.endpoints import NodeEndpoints, Unserved
from felixpy.holdings import device_of, readable
from felixpy.model.neighbours import Neighbour
from felixpy.model.routes import Route
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
            if table == "sysctls":
                self._sysctls(outcome)
                continue
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
        if not self._was_refused(table, key, outcome):
            self._log.info(event, **{table.removesuffix("s"): readable(key)}, **fields)

    def _was_refused(self, table: str, key: Any, outcome: Outcome[Any, Any]) -> bool:
        place = (table, readable(key))
        refusal = outcome.refused.get(key)
        if refusal is None:
            self._refused.pop(place, None)
            return False
        if self._refused.get(place) != refusal.reason:
            self._refused[place] = refusal.reason
            thing = table.removesuffix("s")
            self._log.warning(f"{thing} refused", **{thing: place[1]}, reason=refusal.reason)
        return True

    def _sysctls(self, outcome: Outcome[Any, Any]) -> None:
        """One line for each device: a new pod's interface needs eight at once."""
        by_device: dict[str, dict[str, str]] = {}
        for key, sysctl in outcome.plan.write.items():
            if not self._was_refused("sysctls", key, outcome):
                by_device.setdefault(device_of(key), {})[key.path] = sysctl.value
        for device, values in by_device.items():
            self._log.info("sysctls written", device=device or None, values=values)


def about(value: object) -> dict[str, Any]:
    """The fields of a log line that say what was written."""
    match value:
        case Route(device=device, origin=origin):
            return {"device": device, "pod": origin.name if origin else None}
        case Neighbour(mac=mac):
            return {"mac": mac}
        case _:
            return {"value": str(value)}
