"""When a pool will be full, as far as its blocks can tell. Pure.

Blocks say when each address in use was taken, and nothing of those that were given back. So what was taken within a
window and is still in use bounds the growth in it from above, and the forecast is a moment before which the pool
will not be full if the growth stays as it was; never a promise that it will be full then.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from felixpy.ipam.blocks import seconds, timestamp
from felixpy.ipam.leaks import holdings
from felixpy.model.resources import IPPool, Resource
from felixpy.model.snapshot import Snapshot

DAY_S = 86400.0
SHORTEST_S = 600.0  # a burst of some minutes says nothing of the days to come
FARTHEST_S = 10 * 365 * DAY_S


@dataclass(frozen=True, slots=True)
class Forecast:
    """`text` is the whole of it for people; the numbers are None where they are not known."""

    text: str
    earliest: str | None = None  # RFC 3339: not full before, at this rate
    per_day: float | None = None  # addresses, at most
    window_s: float | None = None  # how long the past is that this goes by


def forecast(snapshot: Snapshot, pool: Resource[IPPool], free: int, now: float) -> Forecast:
    """For one pool with so many `free` addresses, at `now` (Unix seconds)."""
    return from_times(
        [
            seconds(holding.attributes.get("timestamp"))
            for holding in holdings(snapshot)
            if holding.address in pool.spec.cidr
        ],
        free,
        now,
    )


def from_times(taken: Sequence[float], free: int, now: float) -> Forecast:
    """From the moments at which the addresses in use were taken; 0 for one that is not known."""
    if not free:
        return Forecast("full now")
    if not taken:
        return Forecast("unknown: no address is in use")
    if unknown := sum(1 for moment in taken if not 0 < moment <= now):
        return Forecast(f"unknown: {unknown} of {len(taken)} addresses do not say when they were taken")
    window = min(now - min(taken), DAY_S)
    if window < SHORTEST_S:
        return Forecast("unknown: all addresses were taken within the last 10 minutes")
    recent = sum(1 for moment in taken if now - moment <= window) - (window < DAY_S)  # the first one opens the window
    per_day = recent * DAY_S / window
    if not recent:
        return Forecast("not at this rate: none was taken within a day", None, 0.0, window)
    left_s = free / recent * window
    if left_s > FARTHEST_S:
        return Forecast(f"not within 10 years (at most {per_day:.3g} a day)", None, per_day, window)
    earliest = timestamp(now + left_s)
    return Forecast(f"not before {earliest} (at most {per_day:.3g} a day)", earliest, per_day, window)
