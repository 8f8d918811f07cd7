"""When a pool is full: only what blocks can tell, and unknown where they cannot."""

import pytest

from felixpy.ipam.blocks import timestamp
from felixpy.ipam.forecast import DAY_S, from_times

NOW = 1_800_000_000.0
OLD = NOW - 30 * DAY_S


@pytest.mark.parametrize(
    ("ages", "free", "says"),
    [
        ([OLD], 0, "full now"),
        ([], 9, "unknown: no address is in use"),
        ([OLD, 0.0], 9, "unknown: 1 of 2 addresses do not say when"),
        ([OLD, NOW + 5], 9, "unknown: 1 of 2 addresses do not say when"),
        ([NOW - 5, NOW - 599], 9, "unknown: all addresses were taken within the last 10 minutes"),
        ([OLD, OLD], 9, "not at this rate: none was taken within a day"),
        ([OLD, NOW - 60], 10_000, "not within 10 years (at most 1 a day)"),
        ([OLD, NOW - 60, NOW - 60], 20, f"not before {timestamp(NOW + 10 * DAY_S)} (at most 2 a day)"),
        ([NOW - 3600, NOW - 60, NOW - 60], 4, f"not before {timestamp(NOW + 7200)} (at most 48 a day)"),
    ],
)
def test_a_forecast_is_a_bound_or_says_why_there_is_none(ages: list[float], free: int, says: str) -> None:
    found = from_times(ages, free, NOW)
    assert says in found.text
    assert (found.earliest is not None) == ("not before" in says)
    assert (found.per_day is None) == ("unknown" in says or "full" in says)
