"""Whether a daemon is alive and whether it is of use. Pure."""

import math


def live(last_pass: float | None, now: float, resync_s: float) -> bool:
    """The loop turned within three resync periods (and at least three minutes); before its first pass it is young."""
    return last_pass is None or now - last_pass <= max(3 * resync_s, 180.0) or not math.isfinite(resync_s)


def ready(*, in_sync: bool, refused: int, trouble: str) -> bool:
    """The datastore was listed in full, the last pass ended, and nothing is refused."""
    return in_sync and not refused and not trouble
