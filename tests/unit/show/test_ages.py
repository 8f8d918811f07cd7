"""Ages in two units at most."""

import pytest

from felixpy.show.ages import age


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0s"), (12, "12s"), (60, "1m"), (310, "5m10s"), (3600, "1h"), (3661, "1h1m"), (90000, "1d1h"),
        (86400, "1d"), (-5, "0s"),
    ],
)  # fmt: skip
def test_an_age_has_at_most_two_units(seconds: float, text: str) -> None:
    assert age(1000.0, 1000.0 + seconds) == text


@pytest.mark.parametrize("since", [None, 0.0])
def test_what_is_not_known_has_no_age(since: float | None) -> None:
    assert age(since, 1000.0) == ""
