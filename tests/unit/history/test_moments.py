"""Moments as people write them."""

from datetime import UTC, datetime

import pytest

from felixpy.history.moments import iso, parse_moment
from felixpy.model.errors import Usage

NOW = datetime(2026, 11, 20, 19, 30, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "before"),
    [
        ("now", 0), ("10m ago", 600), ("-5m", 300), ("1h30m", 5400), ("1h 30m ago", 5400),
        ("0.5s", 0.5), ("2d", 172800),
        ("2026-11-20T19:00:00Z", 1800), ("2026-11-20T20:00:00+01:00", 1800), (str(NOW - 7), 7),
    ],
)  # fmt: skip
def test_a_moment_is_read_in_every_way_of_writing_it(text: str, before: float) -> None:
    assert parse_moment(text, NOW) == NOW - before


def test_a_time_of_the_day_is_the_last_such_one_of_this_zone() -> None:
    here = datetime.fromtimestamp(NOW).astimezone()
    assert parse_moment(here.strftime("%H:%M"), NOW) == NOW
    later = datetime.fromtimestamp(NOW + 3600).astimezone()
    assert parse_moment(later.strftime("%H:%M:%S"), NOW) == NOW + 3600 - 86400
    assert parse_moment("9:05", NOW) == parse_moment("09:05", NOW)


@pytest.mark.parametrize("text", ["", "yesterday", "10", "m", "25:00", "2026-13-01", "5 fortnights ago", "9" * 40])
def test_what_is_no_moment_is_wrong_usage_and_says_how_to_write_one(text: str) -> None:
    with pytest.raises(Usage, match="is no moment: write it as"):
        parse_moment(text, NOW)


def test_what_is_to_come_is_wrong_usage() -> None:
    with pytest.raises(Usage, match="is to come"):
        parse_moment("2027-01-01", NOW)


def test_a_moment_is_written_in_utc() -> None:
    assert iso(NOW + 0.1234) == "2026-11-20T19:30:00.123Z"
