"""Moments as people write them. Pure."""

import re
from datetime import UTC, datetime

from felixpy.model.errors import Usage

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
AGO = re.compile(r"-?\s*((?:\d+(?:\.\d+)?\s*[smhdw]\s*)+)(ago)?")
PART = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
SPELLED = "as 2026-11-20T19:30:00Z, 19:30, 10m ago, -1h30m or now"


def parse_moment(text: str, now: float) -> float:
    """Unix seconds of an ISO date and time (of this machine's zone unless it names one), a time of the day (the last
    such one), a time ago (`10m ago`, `-5m`, `1h30m`), Unix seconds, or `now`. Usage when it is none, or to come.
    """
    words = text.strip()
    found = _parsed(words, now)
    if found is None:
        raise Usage(f"{text!r} is no moment: write it {SPELLED}")
    if found > now + 1:
        raise Usage(f"{text!r} is to come; write a past moment {SPELLED}")
    return found


def _parsed(words: str, now: float) -> float | None:
    if words == "now":
        return now
    if ago := AGO.fullmatch(words):
        return now - sum(float(number) * UNITS[unit] for number, unit in PART.findall(ago[1]))
    if re.fullmatch(r"\d{9,11}(\.\d+)?", words):
        return float(words)
    here = datetime.fromtimestamp(now, UTC).astimezone()
    try:
        if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?", words):
            at = datetime.fromisoformat(f"{here.date().isoformat()}T{words.zfill(len(words) + (words[1] == ':'))}")
            seconds = at.replace(tzinfo=here.tzinfo).timestamp()
            return seconds if seconds <= now else seconds - UNITS["d"]
        moment = datetime.fromisoformat(words)
        return (moment if moment.tzinfo else moment.astimezone()).timestamp()
    except (ValueError, OverflowError):
        return None


def iso(seconds: float) -> str:
    """`2026-11-20T19:30:00.123Z`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
