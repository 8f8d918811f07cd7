"""Join: what the agent measures beside its health, taken together when somebody asks."""

from collections import Counter

from felixpy.agent import Agent
from felixpy.cni.calls import Calls
from felixpy.model.metrics import Measured, Metric

FIB = Metric("fib_routes", "gauge", "pods' routes that the kernel held when it was last read")
REPAIRS = Metric("repairs", "counter", "rows that someone else changed or removed, to be put back", ("table",))
ENDPOINTS = Metric("endpoints", "gauge", "workload endpoints of this node", ("state",))
CALLS = Metric("cni_call_seconds", "histogram", "from the call of the CNI plugin to its answer", ("command",))
REFUSED = Metric("cni_errors", "counter", "CNI calls answered with an error, by its code", ("command", "code"))
METRICS = (FIB, REPAIRS, ENDPOINTS, CALLS, REFUSED)


def measured(agent: Agent, calls: Calls) -> Measured:
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
        CALLS: {(command,): took for command, took in calls.took.items()},
        REFUSED: {key: float(count) for key, count in calls.refused.items()},
    }
