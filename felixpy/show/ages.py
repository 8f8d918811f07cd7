"""How long something has been so, in as few characters as possible. Pure."""

UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def age(since: float | None, now: float) -> str:
    """`3d4h`, `5m10s`, `12s`; "" when `since` is not known (None or 0)."""
    if not since:
        return ""
    left = max(0, int(now - since))
    parts: list[str] = []
    for seconds, unit in UNITS:
        count, left = divmod(left, seconds)
        if count or parts:
            parts.append(f"{count}{unit}" if count else "")
        if len(parts) == 2:
            break
    return "".join(parts) or "0s"
