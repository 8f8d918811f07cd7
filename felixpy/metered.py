"""Join: what the agent measures beside its health, taken together when somebody asks."""

from collections import Counter

from felixpy.agent import Agent
from felixpy.audit import Audited
from felixpy.cni.calls import Calls
from felixpy.model.metrics import Measured, Metric
from felixpy.model.past import HISTORY_DROPPED, HISTORY_SIZE

FIB = Metric("fib_routes", "gauge", "pods' routes that the kernel held when it was last read")
REPAIRS = Metric("repairs", "counter", "rows that someone else changed or removed, to be put back", ("table",))
ENDPOINTS = Metric("endpoints", "gauge", "workload endpoints of this node", ("state",))
CHANGES = Metric(
    "datastore_change_seconds", "histogram", "from hearing a change of the datastore to the kernel holding it"
)
CALLS = Metric("cni_call_seconds", "histogram", "from the call of the CNI plugin to its answer", ("command",))
REFUSED = Metric("cni_errors", "counter", "CNI calls answered with an error, by its code", ("command", "code"))
VIOLATIONS = Metric(
    "check_violations", "gauge", "what the last check of the cluster found; elected agent only", ("invariant",)
)
CHECKED = Metric("check_timestamp_seconds", "gauge", "when the elected agent checked the cluster last, Unix time")
CHECK_TOOK = Metric("check_duration_seconds", "gauge", "how long that took")
ADDRESSES = Metric(
    "ipam_addresses", "gauge", "addresses of a pool: used, free or reserved; elected agent only", ("pool", "state")
)
FULL = Metric(
    "ipam_full_timestamp_seconds",
    "gauge",
    "Unix time before which the pool is not full at the rate of the last day; absent when not known or years away",
    ("pool",),
)
METRICS = (
    FIB, REPAIRS, ENDPOINTS, CHANGES, CALLS, REFUSED, VIOLATIONS, CHECKED, CHECK_TOOK, ADDRESSES, FULL,
    HISTORY_DROPPED, HISTORY_SIZE,
)  # fmt: skip


def measured(agent: Agent, calls: Calls, audited: Audited) -> Measured:
    """All of METRICS, now."""
    holdings, endpoints = agent.around.holdings, agent.state.endpoints
    down = agent.reasons()
    states = Counter({"up": 0, "down": 0})
    states.update("down" if down.get(it.name) else "up" for it in endpoints.served)
    served = {it.name for it in endpoints.served}
    states["down"] += sum(it.name not in served for it in endpoints.unserved)
    return {
        FIB: {(): float(len(holdings.routes.held))},
        REPAIRS: {(name,): float(settler.repairs) for name, settler in holdings.tables()},
        ENDPOINTS: {(state,): float(count) for state, count in states.items()},
        CHANGES: {(): agent.progress.lag.took},
        CALLS: {(command,): took for command, took in calls.took.items()},
        REFUSED: {key: float(count) for key, count in calls.refused.items()},
        **of_cluster(audited),
    }


def of_cluster(audited: Audited) -> Measured:
    """What the elected agent saw; nothing from the others, so that each pool has one series."""
    from felixpy.insight.invariants import INVARIANTS

    if audited.at is None:
        return {}
    addresses: dict[tuple[str, ...], float] = {
        (pool.name, state): float(count)
        for pool in audited.pools
        for state, count in (("used", pool.used), ("free", pool.free), ("reserved", pool.reserved))
    }
    return {
        VIOLATIONS: {(name,): float(audited.violations[name]) for name in INVARIANTS},
        CHECKED: {(): audited.at},
        CHECK_TOOK: {(): audited.took_s},
        ADDRESSES: addresses,
        FULL: {(it.name,): it.full_not_before for it in audited.pools if it.full_not_before is not None},
    }
